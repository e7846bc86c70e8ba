"""A process that stands by, leads when it may, and seals until it is killed. Run by test_leadership.py.

Prints `leading`, `seq hash name` of every receipt, `refused class` of every refusal. Given a step, it freezes there
at its second large crowd.
"""

import asyncio
import os
import sys
from itertools import count
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from audit_ledger.adapters.key_file import FileSigner
from audit_ledger.service import Ledger
from audit_ledger.store.reader import LedgerReader
from control_plane.database.pools import open_pool
from control_plane.database.roles import LEDGER_READER, LEDGER_WRITER
from shared_kernel.clock import SystemClock
from shared_kernel.errors import UnavailableError
from shared_kernel.events import security_event
from tests.audit_ledger.stages import PADDING, Fate, StagedFolder, StagedWriter, freeze


def say(told: int, line: str) -> None:
    """Write a line whole."""
    os.write(told, f"{line}\n".encode())


async def main(url: str, home: Path, lease_s: float, step: str) -> None:
    """Seal in crowds of 600, which go by COPY."""
    told = os.dup(1)
    os.dup2(2, 1)
    clock, folder = SystemClock(), StagedFolder(keys=home / "keys", checkpoints=home / "ledger" / "checkpoints")
    signer = folder.signer()
    writer = StagedWriter(await open_pool(url, LEDGER_WRITER, size=3), signer.name, lease_s=lease_s)
    writer.fate = folder.fate = Fate(step, 3, freeze)
    reader = LedgerReader(await open_pool(url, LEDGER_READER, size=2), signer.name)
    ledger = Ledger(writer, reader, signer=FileSigner(signer), folder=folder, clock=clock, publish_every_s=0.1)
    await ledger.start(is_standby=True)
    await ledger.wait_leading()
    say(told, "leading")

    async def seal(number: int) -> None:
        event = security_event(clock, "crowd", category="process", grid={"padding": PADDING, "number": number})
        try:
            receipt = await ledger.record(event)
        except UnavailableError as refusal:
            say(told, f"refused {type(refusal).__name__}")
        else:
            say(told, f"{receipt.seq} {receipt.entry_hash.hex()} {event['event']['id']}")

    for number in count():
        await asyncio.gather(*(seal(number) for _ in range(600 if number % 2 else 1)))
        await asyncio.sleep(0.05)


asyncio.run(main(sys.argv[1], Path(sys.argv[2]), float(sys.argv[3]), sys.argv[4]))
