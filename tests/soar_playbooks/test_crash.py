"""kill -9 at every point of a step, twenty times each: nothing is lost and nothing is done twice."""

import asyncio
import os
import sys
from collections import Counter
from importlib.resources import files
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from control_plane.database.pools import open_pool
from control_plane.database.roles import APP
from shared_kernel.clock import SystemClock
from soar_playbooks.adapters.folders import PlaybookFolders
from soar_playbooks.service import Responder
from soar_playbooks.store import PlaybookStore
from tests.soar_playbooks.dying_worker import DurableConnector, DurableLedger, Fate
from tests.soar_playbooks.house import LOCK, alert

WORKER = Path(__file__).with_name("dying_worker.py")
ROOT = Path(__file__).resolve().parents[2]
KILLS = 20
RUNS = 150
POINTS = (
    "before:playbook_step_intended",  # the intent is written, not yet sealed
    "before:effect",                  # sealed, nothing done yet
    "after:effect",                   # done, nobody was told
    "after:playbook_step_done",       # sealed, the outcome not yet written
    "before:playbook_run_finished",   # every outcome written, the run not yet ended
)
TABLES = (
    "CREATE SCHEMA crash",
    "CREATE TABLE crash.keys (key text PRIMARY KEY)",
    "CREATE TABLE crash.effects (connector text, account text)",
    "CREATE TABLE crash.sealed (action text, event jsonb)",
    f"GRANT USAGE ON SCHEMA crash TO {APP}",
    f"GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA crash TO {APP}",
)


async def _prepared(url: str) -> None:
    owner = await asyncpg.connect(url)
    for statement in TABLES:
        await owner.execute(statement)
    await owner.close()


async def _worker(url: str, folder: Path, rounds: int, *points: str) -> list[int]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(WORKER), url, str(folder), str(rounds), *points, env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )
    out, _ = await process.communicate()
    return [int(line[5:]) for line in out.splitlines() if line.startswith(b"exit ")]


async def _opened(pool: asyncpg.Pool, folder: Path) -> None:
    shipped = files("soar_playbooks").joinpath("playbooks", f"{LOCK}.yml").read_text()
    # A short time-out is a short lease: the next life need not wait for the dead one.
    hasty = shipped.replace("    params:", "    timeout_s: 1\n    params:")
    (folder / f"{LOCK}.yml").write_text(hasty)
    fate = Fate("never", 0)
    connectors = {name: DurableConnector(name, pool, fate) for name in ("lock_account", "revoke_sessions")}
    responder = Responder(
        PlaybookStore.on(pool), PlaybookFolders([folder]), connectors, DurableLedger(pool, fate), SystemClock(),
    )
    await responder.observe(
        "ledger", [alert(f"user-{n}", alert_id=f"alert-{n}", seq=n) for n in range(RUNS)],
    )


async def _sealed(pool: asyncpg.Pool) -> Counter[str]:
    rows = await pool.fetch("SELECT DISTINCT action, event #>> '{event,id}' AS id FROM crash.sealed")
    return Counter(row["action"] for row in rows)


@pytest.mark.slow
async def test_a_hundred_kills_lose_nothing_and_repeat_nothing(make_database: Any, tmp_path: Path) -> None:
    url = await make_database("soar_playbooks")
    await _prepared(url)
    pool = await open_pool(url, APP, size=4)
    await _opened(pool, tmp_path)

    deaths = await _worker(url, tmp_path, KILLS, *POINTS)
    (survivor,) = await _worker(url, tmp_path, 1, "none")

    assert deaths == [-9] * (KILLS * len(POINTS))
    assert survivor == 0
    statuses = await pool.fetch("SELECT status, count(*) FROM soar_playbooks.runs GROUP BY 1")
    assert {row["status"]: row["count"] for row in statuses} == {"done": RUNS}
    effects = Counter((row["connector"], row["account"]) for row in await pool.fetch("SELECT * FROM crash.effects"))
    expected = {(name, f"user-{n}"): 1 for n in range(RUNS) for name in ("lock_account", "revoke_sessions")}
    assert effects == expected
    assert await pool.fetchval("SELECT count(*) FROM soar_playbooks.steps WHERE state <> 'done'") == 0
    sealed = await _sealed(pool)
    assert sealed["playbook_step_intended"] == 2 * RUNS
    assert sealed["playbook_step_done"] == 2 * RUNS
    assert sealed["playbook_run_finished"] == RUNS
    await pool.close()
