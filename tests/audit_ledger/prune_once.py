"""A process that prunes, entry by entry, until it is killed: prints how many are gone. Run by test_retention.py."""

import asyncio
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from audit_ledger.adapters.key_file import FileSigner
from audit_ledger.adapters.ledger_folder import LedgerFolder
from audit_ledger.service import Ledger
from audit_ledger.service.archive.retention import Retention
from audit_ledger.store.pruner import LedgerPruner, Prunes
from audit_ledger.store.reader import LedgerReader
from audit_ledger.store.writer import LedgerWriter
from control_plane.database.pools import open_pool
from control_plane.database.roles import LEDGER_PRUNER, LEDGER_READER, LEDGER_WRITER
from shared_kernel.clock import SystemClock


async def main(url: str, home: Path, archive: Path) -> None:
    """Prune 512 entries."""
    clock, files = SystemClock(), LedgerFolder(keys=home / "keys", checkpoints=home / "ledger" / "checkpoints")
    signer = files.signer()
    readers = await open_pool(url, LEDGER_READER, size=2)
    reader = LedgerReader(readers, signer.name)
    ledger = Ledger(LedgerWriter(await open_pool(url, LEDGER_WRITER, size=2), signer.name), reader,
                    signer=FileSigner(signer), folder=files, clock=clock)
    await ledger.start()
    pruner = LedgerPruner(await open_pool(url, LEDGER_PRUNER, size=1), signer.name, batch=1)
    retention = Retention(ledger, reader, Prunes(readers, signer.name), pruner,
                          folder=files, key=signer.verifier, clock=clock)
    await retention.prune(archive, until=512, progress=tell)


def tell(done: int, total: int) -> None:
    """Say it at once."""
    sys.stdout.write(f"{done} {total}\n")
    sys.stdout.flush()


asyncio.run(main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])))
