"""Lives and dies many times: each life is a fork that seals and publishes until fate kills it. Run by test_crash.py.

Prints one JSON line a life: {"step": ..., "killed": true, "acknowledged": [[seq, hash], ...], "error": ...}.
"""

import asyncio
import json
import os
import random
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from audit_ledger.adapters.key_file import FileSigner
from audit_ledger.service import Ledger
from audit_ledger.store.reader import LedgerReader
from control_plane.database.pools import open_pool
from control_plane.database.roles import LEDGER_READER, LEDGER_WRITER
from shared_kernel.clock import SystemClock
from shared_kernel.events import security_event
from tests.audit_ledger.stages import (
    PADDING,
    PUBLISHING,
    ROWS_IN_FLIGHT,
    SEALING,
    Fate,
    StagedFolder,
    StagedWriter,
    die,
)

STEPS = (*SEALING, *PUBLISHING, "any")
HASH_DIGITS, LIFE_S = 64, 30
CROWDS = (1, 3, 40, 600)
DICE = random.Random()  # noqa: S311 - chance, not secrecy


async def live(url: str, home: Path, fate: Fate, told: int) -> None:
    """Seal in crowds and publish, until fate strikes."""
    clock = SystemClock()
    folder = StagedFolder(keys=home / "keys", checkpoints=home / "ledger" / "checkpoints")
    signer = folder.signer()
    writer = StagedWriter(await open_pool(url, LEDGER_WRITER, size=2), signer.name)
    writer.fate = folder.fate = fate
    reader = LedgerReader(await open_pool(url, LEDGER_READER, size=1), signer.name)
    ledger = Ledger(writer, reader, signer=FileSigner(signer), folder=folder, clock=clock, publish_every_s=3600)
    await ledger.start()
    if fate.step == "any":
        asyncio.get_running_loop().call_later(DICE.random() * 0.03, die)

    async def seal(padding: str) -> None:
        receipt = await ledger.record(security_event(clock, "crowd", category="process", grid={"padding": padding}))
        os.write(told, f"{receipt.seq} {receipt.entry_hash.hex()}\n".encode())

    while True:
        crowd = 600 if fate.step == "copying" else DICE.choice(CROWDS)
        await asyncio.gather(*(seal(PADDING if crowd > ROWS_IN_FLIGHT else "") for _ in range(crowd)))
        await ledger.publish_checkpoint()


def one_life(url: str, home: Path, fate: Fate) -> dict[str, object]:
    """Fork, wait for the end, and return what was acknowledged by then."""
    hears, told = os.pipe()
    if (child := os.fork()) == 0:
        os.dup2(2, 1)
        signal.alarm(LIFE_S)
        try:
            asyncio.run(live(url, home, fate, told))
        except BaseException as error:  # noqa: BLE001 - told to the parent, which fails
            os.write(told, f"! {error!r}\n".encode())
        os._exit(1)
    os.close(told)
    with os.fdopen(hears) as heard:
        lines = [line.split(" ", 1) for line in heard.read().splitlines()]
    _, status = os.waitpid(child, 0)
    return {"step": fate.step, "killed": os.waitstatus_to_exitcode(status) == -signal.SIGKILL,
            "acknowledged": [[int(seq), found] for seq, found in lines if seq != "!" and len(found) == HASH_DIGITS],
            "error": next((found for seq, found in lines if seq == "!"), None)}


def main(url: str, home: Path, lives: int) -> None:
    """Die at every step in turn, early and late."""
    for number in range(lives):
        step = STEPS[number % len(STEPS)]
        life = one_life(url, home, Fate(step, DICE.randint(1, 4), die))
        sys.stdout.write(f"{json.dumps(life)}\n")
        sys.stdout.flush()


main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
