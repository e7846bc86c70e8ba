"""A witness as a process: killed at every step, raced by another, served by the command line."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx2 as httpx
import pytest

from audit_ledger.adapters.witness_files import WitnessFolder
from audit_ledger.domain.c2sp.add_checkpoint import OutdatedSizeError
from audit_ledger.domain.c2sp.checkpoint import Checkpoint, read_unverified
from audit_ledger.domain.c2sp.cosignature import accepted_cosignature
from audit_ledger.domain.c2sp.note import VerifierKey
from audit_ledger.service.witness.witness import Witness
from tests.audit_ledger.toy_log import ToyLog
from tests.audit_ledger.witness_victim import logs
from tests.frozen_clock import FrozenClock

LOG = ToyLog()
ROOT = Path(__file__).resolve().parents[2]
ROUNDS = 25
COMMAND = (sys.executable, "-m", "control_plane", "ledger", "witness")


def victim(*arguments: object) -> subprocess.Popen[str]:
    """Start the witness process."""
    return subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("witness_victim.py")), *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def seen(home: Path) -> list[Checkpoint]:
    return [read_unverified(note) for note in WitnessFolder(home).notes()]


@pytest.mark.slow
def test_killed_at_any_step_it_knows_at_least_what_it_cosigned_and_goes_on(tmp_path: Path, clock: FrozenClock) -> None:
    folder = WitnessFolder(tmp_path / "before")
    witness = Witness(folder.cosigner(), [LOG.signer.verifier], folder, clock)
    asyncio.run(witness.add_checkpoint(LOG.request(0, 10)))
    reached = []

    for step in range(1, 40):
        home = tmp_path / f"killed{step}"
        shutil.copytree(tmp_path / "before", home)
        process = victim("die", home, step)
        line, errors = process.communicate(timeout=60)
        assert process.returncode in {0, -signal.SIGKILL}, errors
        [last] = seen(home)
        reached.append((last.size, bool(line)))
        if line:
            break
        again = WitnessFolder(home)
        restarted = Witness(again.cosigner(), [LOG.signer.verifier], again, clock)
        try:
            asyncio.run(restarted.add_checkpoint(LOG.request(10, 20)))
        except OutdatedSizeError as conflict:
            assert (last.size, conflict.size) == (20, 20)  # noqa: PT017 - killed early there is no conflict
            asyncio.run(restarted.add_checkpoint(LOG.request(20, 20)))
        assert seen(home) == [LOG.checkpoint(20)]

    assert reached == sorted(reached)
    assert {(10, False), (20, False), (20, True)} == set(reached)
    assert len(reached) > 5


def test_of_two_processes_that_race_one_is_cosigned_whatever_the_moment(tmp_path: Path) -> None:
    WitnessFolder(tmp_path).cosigner()
    sides = [victim("race", tmp_path, side, ROUNDS) for side in (0, 1)]
    assert [process.stdout.readline() for process in sides if process.stdout] == ["ready\n"] * 2

    start = f"{time.time() + 0.3}\n"
    with ThreadPoolExecutor(2) as both:
        told = list(both.map(lambda process: process.communicate(start, timeout=60)[0], sides))
    won = [{int(line) for line in each.split()} for each in told]

    assert won[0] | won[1] == set(range(ROUNDS))
    assert not won[0] & won[1]
    kept = {found.origin: found for found in seen(tmp_path)}
    for number, log in enumerate(logs(ROUNDS)):
        side = 0 if number in won[0] else 1
        assert kept[log.signer.name] == log.forked_after(10 + side).checkpoint(40)


@contextmanager
def served(home: Path) -> Iterator[tuple[subprocess.Popen[str], VerifierKey, str]]:
    """Run `gridwarden ledger witness serve`; give process, verifier key and URL."""
    process = subprocess.Popen(
        [*COMMAND, "serve", "--home", str(home), "--port", "0", "--log", str(LOG.signer.verifier)], cwd=ROOT,
        stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        key, _, url = process.stdout.readline().strip().partition(" at ")
        yield process, VerifierKey.parse(key), url
    finally:
        process.kill()
        process.wait(10)


def run(*arguments: object) -> str:
    """Run `gridwarden ledger witness ...` to its end."""
    return subprocess.run([*COMMAND, *map(str, arguments)], cwd=ROOT, check=True, capture_output=True, text=True,
                          timeout=60).stdout


@pytest.mark.slow
def test_the_command_line_serves_a_witness_that_survives_kill_9(tmp_path: Path) -> None:
    home = tmp_path / "witness"
    with served(home) as (process, key, url):
        first = httpx.post(f"{url}/add-checkpoint", content=LOG.request(0, 20))
        process.send_signal(signal.SIGKILL)
        process.wait(10)
    with served(home) as (process, same, url):
        conflict = httpx.post(f"{url}/add-checkpoint", content=LOG.request(0, 20))
        grown = httpx.post(f"{url}/add-checkpoint", content=LOG.request(20, 50))
        process.send_signal(signal.SIGTERM)
        process.wait(10)

    assert same == key
    assert accepted_cosignature(LOG.note(20), first.content, key).witness == key
    assert (conflict.status_code, conflict.text, conflict.headers["content-type"]) == (409, "20\n", "text/x.tlog.size")
    assert accepted_cosignature(LOG.note(50), grown.content, key).witness == key
    assert process.returncode == 0
    assert run("key", "--home", home) == f"{key}\n"
    assert run("status", "--home", home).startswith(f"{LOG.signer.name}: 50 entries, root ")
