"""Processes that seal and erase until they are killed. Run by test_erasure_crash.py: URL, home, `between` or a number.

`between` kills itself after the erasure's entry and before the key's destruction; a number is how many forks live, one
after the other, each killed soon after its second erasure. Prints how each ended.
"""

import asyncio
import os
import random
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from audit_ledger.adapters.subject_key_file import SubjectKeyFile
from audit_ledger.store.subject_keys import SubjectKeys
from control_plane.database.pools import open_pool
from control_plane.database.roles import LEDGER_READER, LEDGER_WRITER
from tests.audit_ledger.rig import Rig, folder_of
from tests.audit_ledger.sealing_rig import SealingRig
from tests.conftest import START_US
from tests.frozen_clock import FrozenClock


class MortalKeys(SubjectKeys):
    """Dies where a key would be destroyed."""

    async def destroy(self, commitments: Sequence[str], at_us: int) -> int:
        os.kill(os.getpid(), signal.SIGKILL)
        return await super().destroy(commitments, at_us)


async def live(url: str, home: Path, keeping: type[SubjectKeys], told: int) -> None:
    """Complete what the last life left, then seal with five hands and erase with a sixth."""
    folder = folder_of(home)
    pools = [await open_pool(url, role, size=4) for role in (LEDGER_WRITER, LEDGER_READER)]
    desk = SealingRig(Rig(url, folder, folder.signer(), FrozenClock(START_US), *pools),
                      SubjectKeyFile(home / "keys").key(), keeping)
    await desk.ledger.start()
    await desk.erasure.finish()

    async def hand() -> None:
        while True:
            await desk.seal("ada")

    async with asyncio.TaskGroup() as hands:
        for _ in range(5):
            hands.create_task(hand())
        while True:
            await desk.seal("ada")
            if (await desk.erasure.erase("ada", reason="asked")).keys:  # else nobody had sealed anything meanwhile
                os.write(told, b".")


def die_often(url: str, home: Path, lives: int) -> None:
    """Fork, wait for two erasures and a moment, kill."""
    for _ in range(lives):
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            asyncio.run(live(url, home, SubjectKeys, writing))
            os._exit(1)
        os.close(writing)
        for _ in range(2):
            os.read(reading, 1)
        time.sleep(random.random() * 0.03)  # noqa: S311 - when to kill is no secret
        os.kill(child, signal.SIGKILL)
        os.close(reading)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        print(f"\nended {status}", flush=True)  # noqa: T201 - the test reads it


def main(url: str, home: str, fate: str) -> None:
    """Die between, or so many times."""
    if fate == "between":
        asyncio.run(live(url, Path(home), MortalKeys, 1))
    die_often(url, Path(home), int(fate))


main(*sys.argv[1:])
