"""The same entries into our ledger and into Tessera on POSIX, 1,024 in flight, by turns.

Ours: `Ledger.record`, from the event to the receipt after the commit, in PostgreSQL and with its query indexes.
Tessera: bytes in files, through its own API in one process, and through POST /add of the server that it ships, driven
by a Go client. Its batching is the best of those tried in the same run; the shipped server's is fixed.
"""

import asyncio
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

from audit_ledger.adapters.key_file import FileSigner
from audit_ledger.adapters.ledger_folder import LedgerFolder
from audit_ledger.domain.c2sp.note import NoteSigner
from audit_ledger.domain.canonical import payload_of
from audit_ledger.service import Ledger
from audit_ledger.store.reader import LedgerReader
from audit_ledger.store.writer import LedgerWriter
from benchmarks.ledger import CLOCK, event_of
from benchmarks.metric import Metric
from benchmarks.peers import tessera
from control_plane.database.pools import open_pool
from control_plane.database.roles import LEDGER_READER, LEDGER_WRITER
from shared_kernel.events import Event

SAMPLES = 5
ENTRIES = 20_000
IN_FLIGHT = 1_024
BATCHINGS = ((256, "250ms"), (512, "5ms"), (1_024, "10ms"), (2_048, "5ms"))
"""Tessera's default first."""


async def measure_peers(url: str) -> list[Metric]:
    """Measure by turns on a migrated, empty database; nothing, with a printed reason, where Tessera cannot be built."""
    try:
        main, shipped = await asyncio.to_thread(tessera.binaries)
    except tessera.NoTesseraError as cause:
        print(f"skipping Tessera: {cause}", file=sys.stderr)
        return []
    events = [event_of(number) for number in range(ENTRIES)]
    rates: dict[str, list[float]] = {"ours": [], "tessera": [], "shipped": []}
    with tempfile.TemporaryDirectory() as folder:
        entries = Path(folder) / "entries"
        tessera.write_entries(entries, map(payload_of, events))
        tried = {batching: await tessera.rate_in_process(main, entries, in_flight=IN_FLIGHT, batching=batching)
                 for batching in BATCHINGS}
        best = max(tried, key=lambda batching: tried[batching])
        for _ in range(SAMPLES):
            rates["ours"].append(await _ours(url, events, Path(folder)))
            rates["tessera"].append(
                await tessera.rate_in_process(main, entries, in_flight=IN_FLIGHT, batching=best))
            async with tessera.server(main, shipped) as address:
                rates["shipped"].append(await tessera.rate_of_server(main, entries, address, in_flight=IN_FLIGHT))
    return [
        Metric("ledger.append_async.beside_tessera.per_s", "entries/s", tuple(rates["ours"]), "",
               f"Ledger.record of {ENTRIES:,} events, {IN_FLIGHT:,} in flight"),
        Metric("ledger.append_async.tessera.per_s", "entries/s", tuple(rates["tessera"]), "",
               f"Tessera 1.0.4 POSIX, its own API, batches of {best[0]:,} or {best[1]}, the same entries"),
        Metric("ledger.append_async.tessera_as_shipped.per_s", "entries/s", tuple(rates["shipped"]), "",
               "its server's POST /add, batches of 256 or 1 s, the same entries"),
    ]


async def _ours(url: str, events: list[Event], folder: Path) -> float:
    signer = NoteSigner("gridwarden/peers", bytes(range(32)))
    writer_pool = await open_pool(url, LEDGER_WRITER, size=4)
    reader_pool = await open_pool(url, LEDGER_READER, size=4)
    files = LedgerFolder(keys=folder, checkpoints=folder)
    ledger = Ledger(LedgerWriter(writer_pool, signer.name), LedgerReader(reader_pool, signer.name),
                    signer=FileSigner(signer), folder=files, clock=CLOCK)
    await ledger.start()

    async def hand(left: Iterator[Event]) -> None:
        for event in left:
            await ledger.record(event)

    try:
        left = iter(events)
        began = perf_counter()
        await asyncio.gather(*(hand(left) for _ in range(IN_FLIGHT)))
        return len(events) / (perf_counter() - began)
    finally:
        await ledger.stop()
        writer_pool.terminate()
        reader_pool.terminate()
