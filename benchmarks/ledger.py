"""The ledger's figures, each as a ratio to bare COPY, one at a time, or bare SHA-256 in the same minute.

What only a large ledger shows is in `benchmarks.large_ledger`.
"""

import asyncio
import os
import resource
import tempfile
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import asyncpg

from audit_ledger.adapters.ledger_folder import LedgerFolder
from audit_ledger.domain.c2sp.note import NoteSigner
from audit_ledger.domain.canonical import payload_of
from audit_ledger.domain.columns import Columns, columns_of
from audit_ledger.domain.merkle import Frontier, Span, inclusion_spans, leaf_hash, root_of
from audit_ledger.domain.proofs import proves_inclusion
from audit_ledger.service.audit.verifier import Evidence, Verifier
from audit_ledger.service.audit.walking import Team
from audit_ledger.service.batch import Batch, Pending
from audit_ledger.service.prover import Prover
from audit_ledger.service.sequencer import Sequencer
from audit_ledger.store.reader import LedgerReader
from audit_ledger.store.writer import ENTRY_COLUMNS, LedgerWriter
from benchmarks import large_ledger
from benchmarks.metric import Metric
from control_plane.database.pools import open_pool
from control_plane.database.roles import LEDGER_READER, LEDGER_WRITER
from shared_kernel.clock import SystemClock
from shared_kernel.events import Event, security_event

SAMPLES = 5
BATCH = 20_000
IN_FLIGHT = 1_000
SINGLES = 300
PROOFS = 20_000
MORE = 40
"""Batches more, so that the start of a second process does not decide what two are worth."""
SYNCS = 50
CLOCK = SystemClock()


async def measure(url: str) -> list[Metric]:
    """Measure on a migrated, empty database."""
    signer = NoteSigner("gridwarden/benchmark", bytes(range(32)))
    writer_pool = await open_pool(url, LEDGER_WRITER, size=4)
    reader_pool = await open_pool(url, LEDGER_READER, size=4)
    owner = await asyncpg.connect(url)
    reader = LedgerReader(reader_pool, signer.name, url)
    writer = LedgerWriter(writer_pool, signer.name)
    try:
        batch = await _append_batch(owner, writer, reader)
        single_and_async = await _append_async(writer, reader)
        await _enlarge(writer, reader)
        verify = await _verify(reader, signer)
        large = await large_ledger.measure(url, writer_pool, reader_pool)
    finally:
        await owner.close()
        writer_pool.terminate()
        reader_pool.terminate()
    return [*batch, *single_and_async, *verify, *large, _proof_verify()]


def event_of(number: int) -> Event:
    """Return a decision as the gateway seals it."""
    return security_event(
        CLOCK, "access_decision", category="web", types=("access", "allowed"),
        user={"id": f"user-{number % 97}", "name": "ada", "roles": ["grid_operator"]}, source={"ip": "192.0.2.7"},
        http={"request": {"id": f"request-{number}", "method": "GET"}}, url={"path": "/api/v1/analytics/load"},
        grid={"decision": {"allow": True, "reasons": ["role grid_operator may analytics.read"], "risk": 12,
                           "revision": "0f0f0f"}, "resource": {"dataset": "grid.load_actual", "method": "GET"}},
    )


async def _append_batch(owner: Any, writer: LedgerWriter, reader: LedgerReader) -> list[Metric]:  # noqa: ANN401 - asyncpg
    """The batch engine on prepared payloads, against COPY of the same rows into the same kind of table."""
    prepared = [(payload_of(event), columns_of(event)) for event in map(event_of, range(BATCH))]
    head = await writer.lead()
    frontier = await Prover(reader).frontier(head)
    ours, bare = [], []
    for _ in range(SAMPLES):
        batch = Batch(writer.stream, head, frontier.copy(), CLOCK.now_us(), _pending(prepared))
        began = perf_counter()
        head, _ = await writer.append(head, batch.rows(), batch.sealed)
        ours.append(BATCH / (perf_counter() - began))
        frontier = batch.frontier
        rows = await _stored_rows(owner, head.size - BATCH)
        await owner.execute("DROP TABLE IF EXISTS audit_ledger.bare")
        await owner.execute("CREATE TABLE audit_ledger.bare (LIKE audit_ledger.entries INCLUDING ALL)")
        began = perf_counter()
        await owner.copy_records_to_table("bare", schema_name="audit_ledger", columns=ENTRY_COLUMNS, records=rows)
        bare.append(BATCH / (perf_counter() - began))
    await owner.execute("DROP TABLE audit_ledger.bare")
    await writer.release()
    ratios = tuple(one / other for one, other in zip(ours, bare, strict=True))
    return [
        Metric("ledger.append_batch.ratio_to_copy", "ratio", ratios, ">= 0.80", f"bare COPY {_mid(bare):,.0f} rows/s"),
        Metric("ledger.append_batch.per_s", "entries/s", tuple(ours)),
    ]


async def _enlarge(writer: LedgerWriter, reader: LedgerReader) -> None:
    """Append without measuring."""
    prepared = [(payload_of(event), columns_of(event)) for event in map(event_of, range(BATCH))]
    head = await writer.lead()
    frontier = await Prover(reader).frontier(head)
    for _ in range(MORE):
        batch = Batch(writer.stream, head, frontier, CLOCK.now_us(), _pending(prepared))
        head, _ = await writer.append(head, batch.rows(), batch.sealed)
    await writer.release()


def _pending(prepared: list[tuple[bytes, Columns]]) -> list[Pending]:
    loop = asyncio.get_running_loop()
    return [Pending(payload, columns, loop.create_future()) for payload, columns in prepared]


async def _stored_rows(owner: Any, since: int) -> list[Any]:  # noqa: ANN401 - asyncpg is untyped
    return list(await owner.fetch(
        f"SELECT {', '.join(ENTRY_COLUMNS)} FROM audit_ledger.entries WHERE seq >= $1 ORDER BY seq", since))  # noqa: S608 - constants


async def _append_async(writer: LedgerWriter, reader: LedgerReader) -> list[Metric]:
    """1,000 records in flight against one at a time: what group commit is worth here and now."""
    sequencer = Sequencer(writer, Prover(reader), CLOCK)
    await sequencer.start()
    events = [event_of(number) for number in range(BATCH)]
    many, one, cpu = [], [], []

    async def hand(numbers: Iterator[int]) -> None:
        for number in numbers:
            await sequencer.append(payload_of(events[number]), columns_of(events[number]))

    for _ in range(SAMPLES):
        one.append(await _rate(SINGLES, hand, 1))
        began = process_time()
        many.append(await _rate(BATCH, hand, IN_FLIGHT))
        cpu.append(BATCH / (process_time() - began))
    await sequencer.stop()
    ratios = tuple(fast / slow for fast, slow in zip(many, one, strict=True))
    peer = f"one at a time {_mid(one):,.0f}/s; a bare fdatasync cost {_fdatasync_ms():.2f} ms"
    return [
        Metric("ledger.append_async.ratio_to_single", "ratio", ratios, ">= 50 where fdatasync costs > 0.5 ms", peer),
        Metric("ledger.append_async.per_s", "entries/s", tuple(many), "", "door, columns, seal, commit, receipt"),
        Metric("ledger.append_async.per_cpu_s", "entries/CPU-s", tuple(cpu), "", "of the sealing process"),
    ]


def _fdatasync_ms() -> float:
    with tempfile.NamedTemporaryFile() as file:
        took = []
        for _ in range(SYNCS):
            began = perf_counter()
            os.write(file.fileno(), bytes(512))
            os.fdatasync(file.fileno())
            took.append((perf_counter() - began) * 1_000)
    return _mid(took)


async def _rate(count: int, hand: Any, hands: int) -> float:  # noqa: ANN401 - a coroutine function
    numbers = iter(range(count))
    began = perf_counter()
    await asyncio.gather(*(hand(numbers) for _ in range(hands)))
    return count / (perf_counter() - began)


async def _verify(reader: LedgerReader, signer: NoteSigner) -> list[Metric]:
    """Full verification against a loop that only hashes the same bytes; then by two processes against one."""
    payloads = [entry.payload for entry in await reader.entries(0, BATCH)]
    ratios, bare, rates, scaling, work = [], [], [], [], []
    with tempfile.TemporaryDirectory() as folder:
        files = LedgerFolder(keys=Path(folder), checkpoints=Path(folder))
        one, two = (Verifier(reader, CLOCK, Evidence(signer.verifier, files), page_rows=512, team=Team(processes))
                    for processes in (1, 2))
        for _ in range(SAMPLES):
            began, cpu = perf_counter(), _cpu_s()
            report = await one.verify()
            took, cpu = perf_counter() - began, _cpu_s() - cpu
            bare.append(_bare_sha256(payloads))
            ratios.append(report.size / cpu / bare[-1])
            rates.append(report.size / took)
            began, cpu_of_two = perf_counter(), _cpu_s()
            findings = (await two.verify()).findings
            scaling.append(took / (perf_counter() - began))
            work.append(2 * cpu / (_cpu_s() - cpu_of_two))
            assert not report.findings
            assert not findings
    return [
        Metric("ledger.verify.ratio_to_sha256", "ratio", tuple(ratios), ">= 0.25",
               f"SHA-256 of the payloads in memory, nothing else: {_mid(bare):,.0f} a CPU second. Ours: CPU of the "
               "verifying process for reading, chain, tree, columns, form; without PostgreSQL's own"),
        Metric("ledger.verify.per_s", "entries/s", tuple(rates), "", "by the clock, PostgreSQL on the same cores"),
        Metric("ledger.verify.scaling_2", "ratio", tuple(scaling), ">= 1.8",
               f"one process by the clock, {report.size:,} entries; PostgreSQL on the same {os.cpu_count()} cores"),
        Metric("ledger.verify.scaling_2_by_cpu", "ratio", tuple(work), "",
               "twice the CPU of one by the CPU of both: what the clock shows where PostgreSQL has other cores"),
    ]


def _cpu_s() -> float:
    """Return the CPU seconds of this process and of those that it has waited for."""
    return sum(used.ru_utime + used.ru_stime for used in map(
        resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)))


def _bare_sha256(payloads: list[bytes]) -> float:
    """Return the payloads hashed a CPU second."""
    began = process_time()
    for payload in payloads:
        sha256(payload).digest()
    return len(payloads) / (process_time() - began)


def _proof_verify() -> Metric:
    """Inclusion proofs of a tree of 2^16 + 1 entries, checked one by one."""
    leaves = [leaf_hash(str(number).encode()) for number in range((1 << 16) + 1)]
    tree = Frontier()
    tree.extend(leaves)
    places = range(0, len(leaves), 4_099)
    proofs = [(leaves[seq], seq, [_root(leaves, span) for span in inclusion_spans(seq, len(leaves))]) for seq in places]
    rates = []
    for _ in range(SAMPLES):
        began = perf_counter()
        for number in range(PROOFS):
            leaf, seq, path = proofs[number % len(proofs)]
            assert proves_inclusion(leaf, seq, len(leaves), path, tree.root)
        rates.append(PROOFS / (perf_counter() - began))
    return Metric("ledger.proof_verify.per_s", "proofs/s", tuple(rates), ">= 50000")


def _root(leaves: list[bytes], span: Span) -> bytes:
    return root_of(leaves[span.start:span.end])


def _mid(samples: list[float]) -> float:
    return sorted(samples)[len(samples) // 2]
