"""A process that seals and erases until it is killed. Run by test_erasure_crash.py: URL, home, `between` or `loop`.

`between` kills itself after the erasure's entry and before the key's destruction; `loop` waits to be killed.
"""

import asyncio
import os
import signal
import sys
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


async def main(url: str, home: Path, fate: str) -> None:
    """Complete what the last life left, then seal with five hands and erase with a sixth."""
    folder = folder_of(home)
    pools = [await open_pool(url, role, size=4) for role in (LEDGER_WRITER, LEDGER_READER)]
    desk = SealingRig(Rig(url, folder, folder.signer(), FrozenClock(START_US), *pools),
                      SubjectKeyFile(home / "keys").key(), MortalKeys if fate == "between" else SubjectKeys)
    await desk.ledger.start()
    await desk.erasure.finish()

    async def hand() -> None:
        while True:
            await desk.seal("ada")

    async with asyncio.TaskGroup() as hands:
        for _ in range(5):
            hands.create_task(hand())
        while True:
            await asyncio.sleep(0.02)
            await desk.erasure.erase("ada", reason="asked")
            os.write(1, b"erased\n")


asyncio.run(main(sys.argv[1], Path(sys.argv[2]), sys.argv[3]))
