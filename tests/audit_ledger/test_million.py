"""A ledger of a million entries: one flipped bit is found, in flat memory, with progress on the way."""
# ruff: noqa: S608 - a planted attack is SQL text, by design

import asyncio
import os

import psutil
import pytest

from audit_ledger.domain.canonical import payload_of
from audit_ledger.domain.columns import columns_of
from audit_ledger.service.audit.verifier import Evidence, Verifier
from audit_ledger.service.batch import Batch, Pending
from audit_ledger.service.prover import Prover
from audit_ledger.store.writer import LedgerWriter
from tests.audit_ledger.rig import Rig, kinds

COUNT = int(os.environ.get("GRIDWARDEN_TEST_ENTRIES", "1000000"))
STEP = 50_000
FLAT_BYTES = 100_000_000


async def fill(rig: Rig, count: int) -> None:
    """Seal entries in large batches, by the sequencer's own engine."""
    writer = LedgerWriter(rig.writer_pool, rig.signer.name)
    head = await writer.lead()
    frontier = await Prover(rig.reader).frontier(head)
    event = {"@timestamp": "2026-11-18T11:06:40.000000Z", "event": {"action": "heartbeat", "outcome": "success"}}
    record = Pending(payload_of(event), columns_of(event), asyncio.get_running_loop().create_future())
    while head.size < count:
        batch = Batch(writer.stream, head, frontier, rig.clock.now_us(), [record] * min(STEP, count - head.size))
        head, _ = await writer.append(head, batch.rows(), batch.sealed)
    await writer.release()


@pytest.mark.slow
async def test_one_flipped_bit_in_a_million_entries_is_named(rig: Rig) -> None:
    await fill(rig, COUNT)
    damaged = COUNT * 7 // 10
    await rig.attack("UPDATE audit_ledger.entries SET payload = set_byte(payload, 20, get_byte(payload, 20) # 4) "
                     f"WHERE seq = {damaged}")
    process = psutil.Process()
    seen: list[tuple[int, int]] = []
    memory: list[int] = []

    def progress(done: int, total: int) -> None:
        seen.append((done, total))
        memory.append(process.memory_info().rss)

    auditor = Verifier(rig.reader, rig.clock, Evidence(rig.signer.verifier, rig.folder), page_rows=4_096)
    report = await auditor.verify(progress)

    assert kinds(report) == [("edited", damaged, damaged)]
    assert report.findings[0].action == "heartbeat"
    assert seen[0] == (0, COUNT)
    assert seen[-1] == (COUNT, COUNT)
    assert len(seen) > COUNT // 4_096
    assert max(memory) - memory[0] < FLAT_BYTES
