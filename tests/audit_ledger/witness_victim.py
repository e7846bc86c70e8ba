"""A witness process that is killed or raced: `die N` kills itself before its N-th look at the disk, `race` competes.

python witness_victim.py die HOME STEP          asks for 10 -> 20 and prints the cosignature
python witness_victim.py race HOME SIDE ROUNDS  asks for 0 -> 40 of a log a round, prints who was cosigned; says "ready"
                                                first, and is told on its standard input when the first round begins
"""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from audit_ledger.adapters.witness_files import WitnessFolder
from audit_ledger.domain.c2sp.add_checkpoint import OutdatedSizeError
from audit_ledger.domain.c2sp.note import NoteSigner
from audit_ledger.service.witness.witness import Witness
from shared_kernel.clock import SystemClock
from tests.audit_ledger.toy_log import ToyLog

STEPS = frozenset({"open", "os.rename", "os.mkdir", "fcntl.flock", "answer"})
ROUND_S = 0.03


def logs(rounds: int) -> list[ToyLog]:
    """One log a round."""
    return [ToyLog(NoteSigner(f"gridwarden/{number}", bytes([number] * 32))) for number in range(rounds)]


def die(home: str, step: str) -> None:
    """Answer one request, and be dead before its N-th step."""
    folder, log, left = WitnessFolder(Path(home)), ToyLog(), int(step)
    witness = Witness(folder.cosigner(), [log.signer.verifier], folder, SystemClock())

    def watch(event: str, _arguments: object) -> None:
        nonlocal left
        if event in STEPS:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    async def answer() -> str:
        await asyncio.to_thread(int)  # the pool's first thread opens files of its own
        sys.addaudithook(watch)
        return await witness.add_checkpoint(log.request(10, 20))

    line = asyncio.run(answer())
    sys.audit("answer")
    sys.stdout.write(line)
    sys.stdout.flush()
    os._exit(0)


def race(home: str, side: str, rounds: str) -> None:
    """Show each log's other side at the same moments as the other process."""
    folder = WitnessFolder(Path(home))
    shown = logs(int(rounds))
    witness = Witness(folder.cosigner(), [log.signer.verifier for log in shown], folder, SystemClock())
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    start_s = float(sys.stdin.readline())
    for number, log in enumerate(shown):
        fork = log.forked_after(10 + int(side)).request(0, 40)
        while time.time() < start_s + number * ROUND_S:
            pass
        try:
            asyncio.run(witness.add_checkpoint(fork))
        except OutdatedSizeError:
            continue
        sys.stdout.write(f"{number}\n")


if __name__ == "__main__":
    deeds: dict[str, Callable[..., None]] = {"die": die, "race": race}
    deeds[sys.argv[1]](*sys.argv[2:])
