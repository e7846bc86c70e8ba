"""What only a large ledger shows: the time of a proof among ten million entries, and the memory of a verification.

The entries are sealed by the ledger's own batch engine; their payloads are small, since neither figure depends on them.
Run as a module with a database's address and a stream's name, it verifies and prints the most memory it ever held.
"""

import asyncio
import random
import sys
import tempfile
from pathlib import Path
from time import perf_counter

import asyncpg
import psutil

from audit_ledger.adapters.ledger_folder import LedgerFolder
from audit_ledger.domain.columns import columns_of
from audit_ledger.service.audit.verifier import Evidence, Verifier
from audit_ledger.service.audit.walking import Team
from audit_ledger.service.batch import Batch, Pending
from audit_ledger.service.prover import Prover
from audit_ledger.store.reader import LedgerReader
from audit_ledger.store.writer import LedgerWriter
from benchmarks.metric import Metric
from control_plane.database.pools import open_pool
from control_plane.database.roles import LEDGER_READER
from shared_kernel.clock import SystemClock

STREAM = "gridwarden/large"
SIZE = 10_000_000
SMALL, MIDDLE = 200_000, 2_000_000
"""Where the memory of a verification is taken."""
STEP = 50_000
SAMPLES = 5
SERVED = 500
_CLOCK = SystemClock()


async def measure(url: str, writer_pool: asyncpg.Pool, reader_pool: asyncpg.Pool) -> list[Metric]:
    """Fill, measuring on the way."""
    writer, reader = LedgerWriter(writer_pool, STREAM), LedgerReader(reader_pool, STREAM)
    peaks = []
    for size in (SMALL, MIDDLE):
        await _fill(writer, reader, size)
        peaks.append(await _peak_mb(url))
    await _fill(writer, reader, SIZE)
    growth = Metric("ledger.verify.memory_growth_mb", "MB", (peaks[1] - peaks[0],), "flat",
                    f"a process verifying {SMALL:,} entries peaks at {peaks[0]:.0f} MB, {MIDDLE:,} at {peaks[1]:.0f}")
    return [growth, await _proof_serve(reader)]


async def _fill(writer: LedgerWriter, reader: LedgerReader, size: int) -> None:
    """Append until the stream has so many entries."""
    record = Pending(b"{}", columns_of({}), asyncio.get_running_loop().create_future())
    head = await writer.lead()
    frontier = await Prover(reader).frontier(head)
    while head.size < size:
        batch = Batch(STREAM, head, frontier, _CLOCK.now_us(), [record] * min(STEP, size - head.size))
        head, _ = await writer.append(head, batch.rows(), batch.sealed)
    await writer.release()


async def _proof_serve(reader: LedgerReader) -> Metric:
    """Inclusion proofs of random entries out of PostgreSQL, the slowest of a hundred."""
    size = (await reader.last_entry()).size
    prover, chosen, slowest = Prover(reader), random.Random(1), []  # noqa: S311 - which entries, no secret
    for _ in range(SAMPLES):
        times = []
        for _ in range(SERVED):
            began = perf_counter()
            await prover.inclusion(chosen.randrange(size), size)
            times.append((perf_counter() - began) * 1_000)
        slowest.append(sorted(times)[SERVED * 99 // 100])
    return Metric("ledger.proof_serve.p99_ms", "ms", tuple(slowest), "< 5 at 10 million entries",
                  f"{size:,} entries, one proof after the other")


async def _peak_mb(url: str) -> float:
    """Verify the stream in a process of its own; return the most memory it held."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.large_ledger", url, STREAM, stdout=asyncio.subprocess.PIPE)
    answer, _ = await process.communicate()
    return float(answer)


async def _verify(url: str, stream: str) -> float:
    peak = 0
    process = psutil.Process()

    def look(_done: int, _total: int) -> None:
        nonlocal peak
        peak = max(peak, process.memory_info().rss)

    with tempfile.TemporaryDirectory() as folder:
        files = LedgerFolder(keys=Path(folder), checkpoints=Path(folder))
        pool = await open_pool(url, LEDGER_READER, size=2)
        auditor = Verifier(LedgerReader(pool, stream), _CLOCK, Evidence(None, files), team=Team(1))
        await auditor.verify(look)
        pool.terminate()
    return peak / 1_000_000


if __name__ == "__main__":
    print(asyncio.run(_verify(*sys.argv[1:])))
