"""A process that seals until it is killed: prints `seq hash` of every receipt. Run by test_sequencer.py."""

import asyncio
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from audit_ledger.adapters.key_file import FileSigner
from audit_ledger.adapters.ledger_folder import LedgerFolder
from audit_ledger.service import Ledger
from audit_ledger.store.reader import LedgerReader
from audit_ledger.store.writer import LedgerWriter
from control_plane.database.pools import open_pool
from control_plane.database.roles import LEDGER_READER, LEDGER_WRITER
from shared_kernel.clock import SystemClock
from shared_kernel.events import security_event


async def main(url: str, home: Path) -> None:
    """Seal with eight hands."""
    clock, files = SystemClock(), LedgerFolder(keys=home / "keys", checkpoints=home / "ledger" / "checkpoints")
    signer = files.signer()
    writer = LedgerWriter(await open_pool(url, LEDGER_WRITER, size=2), signer.name)
    reader = LedgerReader(await open_pool(url, LEDGER_READER, size=2), signer.name)
    ledger = Ledger(writer, reader, signer=FileSigner(signer), folder=files, clock=clock, publish_every_s=0.01)
    await ledger.start()

    async def hand() -> None:
        while True:
            receipt = await ledger.record(security_event(clock, "heartbeat", category="process"))
            sys.stdout.write(f"{receipt.seq} {receipt.entry_hash.hex()}\n")
            sys.stdout.flush()

    await asyncio.gather(*(hand() for _ in range(8)))


asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
