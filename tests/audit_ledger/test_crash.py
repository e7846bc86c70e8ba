"""kill -9 at every step of sealing and publishing: no acknowledged entry is lost, nothing forks, ever.

`--kills N` (or GRIDWARDEN_KILLS) kills more often than the 200 times of every run.
"""

import asyncio
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.audit_ledger.rig import Rig, kinds
from tests.audit_ledger.stages import PUBLISHING, SEALING


@pytest.mark.slow
async def test_kill_9_at_every_step_loses_no_acknowledged_entry_and_forks_nothing(
    rig: Rig, tmp_path: Path, kills: int,
) -> None:
    command = [sys.executable, str(Path(__file__).with_name("crash_loop.py")), rig.url, str(tmp_path), str(kills)]
    ran = await asyncio.to_thread(lambda: subprocess.run(command, capture_output=True, text=True, check=False))
    lives = [json.loads(line) for line in ran.stdout.splitlines()]
    acknowledged = [(seq, found) for life in lives for seq, found in life["acknowledged"]]

    assert [life["error"] for life in lives if life["error"]] == []
    assert [life["killed"] for life in lives] == [True] * kills
    assert set(Counter(life["step"] for life in lives)) == {*SEALING, *PUBLISHING, "any"}
    head = await rig.reader.head()
    assert head is not None
    stored = {entry.seq: entry.entry_hash.hex() for entry in await rig.reader.entries(0, head.size)}
    assert len(acknowledged) > kills
    assert len(dict(acknowledged)) == len(acknowledged)
    assert {seq: stored.get(seq) for seq, _ in acknowledged} == dict(acknowledged)
    assert kinds(await rig.verify()) == []
