"""The Detector on a real database: exactly once through crashes, and rules that come and go while it runs."""

import asyncio
import contextlib
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from shared_kernel.errors import UnavailableError
from siem_rules.domain.errors import StalePositionError
from siem_rules.service import Detector, shipped_rules
from siem_rules.store.alerts import AlertFilter, AlertStore
from siem_rules.store.progress import ProgressStore
from tests.conftest import DatabaseMaker
from tests.frozen_clock import FrozenClock
from tests.siem_rules.consume import ATTACKS, story
from tests.siem_rules.sealed import START_US, ListLedger, event, login, sealed

ROOT = Path(__file__).resolve().parents[2]
OURS = "logsource: {product: gridwarden}\n"
MY_RULE = f"title: mine\n{OURS}detection: {{s: {{event.action: meter_released}}, condition: s}}\n"
BOMB = "title: bomb\nlogsource: {product: gridwarden}\ndetection: {s: {a|re: '(?=x)x'}, condition: s}\n"
ATTACK = [login(at, at, f"user{at}", "203.0.113.9", failed=at != 5) for at in range(12)]


def detector_of(pool: asyncpg.Pool, ledger: ListLedger, *folders: Path, **more: Any) -> Detector:
    return Detector(
        ProgressStore(pool), AlertStore(pool), folders=[shipped_rules(), *folders], recorder=ledger,
        clock=FrozenClock(START_US), **more,
    )


async def raised(pool: asyncpg.Pool) -> list[tuple[str, str]]:
    found = await AlertStore(pool).find(AlertFilter(), 500)
    return sorted((alert.rule_id, alert.event["rule"]["name"]) for alert in found)


async def test_an_attack_is_alerted_sealed_and_names_its_target(app_pool: asyncpg.Pool) -> None:
    ledger = ListLedger()
    detector = detector_of(app_pool, ledger)
    await detector.start()

    await detector.observe("ledger", sealed(ATTACK))

    told = [item for item in ledger.events if item["event"]["action"] == "alert_raised"]
    assert [item["rule"]["id"] for item in told] == ["GR-001", "GR-001"]
    assert told[1]["grid"]["alert"]["targets"] == {"user.name": ["user5"]}
    assert told[1]["grid"]["alert"]["playbook"] == "lock-account-and-revoke-sessions"
    assert told[1]["related"] == {"ip": ["203.0.113.9"], "user": ["user5"]}
    assert "float" not in {type(value).__name__ for value in _leaves(told)}


def _leaves(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [leaf for item in value.values() for leaf in _leaves(item)]
    if isinstance(value, list):
        return [leaf for item in value for leaf in _leaves(item)]
    return [value]


async def test_what_was_consumed_is_not_asked_for_again(app_pool: asyncpg.Pool) -> None:
    ledger = ListLedger()
    first = detector_of(app_pool, ledger)
    await first.start()
    await first.observe("ledger", sealed(ATTACK))

    second = detector_of(app_pool, ledger)
    await second.start()
    await second.observe("ledger", sealed(ATTACK))

    assert await second.position("ledger") == len(ATTACK)
    assert len(await raised(app_pool)) == 2
    assert ledger.actions().count("alert_raised") == 2


async def test_a_window_begun_before_a_restart_completes_after_it(app_pool: asyncpg.Pool) -> None:
    events = sealed(ATTACK)
    first = detector_of(app_pool, ListLedger())
    await first.start()
    await first.observe("ledger", events[:6])

    second = detector_of(app_pool, ListLedger())
    await second.start()
    await second.observe("ledger", events[6:])

    assert len(await raised(app_pool)) == 2


async def test_a_ledger_that_is_down_gets_the_alert_later_and_once(app_pool: asyncpg.Pool) -> None:
    ledger = ListLedger()
    detector = detector_of(app_pool, ledger)
    await detector.start()
    ledger.down = True
    await detector.observe("ledger", sealed(ATTACK))
    ledger.down = False

    task = asyncio.create_task(detector.run())
    async with asyncio.timeout(10):
        while ledger.actions().count("alert_raised") < 2:  # noqa: ASYNC110 - watched from outside
            await asyncio.sleep(0.05)
    await asyncio.sleep(1.2)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task

    assert ledger.actions().count("alert_raised") == 2


async def test_an_alert_sealed_just_before_a_crash_is_not_sealed_again(app_pool: asyncpg.Pool) -> None:
    ledger = ListLedger()
    first = detector_of(app_pool, ledger)
    await first.start()
    await first.observe("ledger", sealed(ATTACK))
    await app_pool.execute("UPDATE siem_rules.alerts SET sealed_seq = NULL")

    await detector_of(app_pool, ledger, reader=ledger).start()

    assert ledger.actions().count("alert_raised") == 2
    assert await AlertStore(app_pool).unsealed(10) == []


async def test_a_dropped_in_rule_fires_and_removed_is_silent(app_pool: asyncpg.Pool, tmp_path: Path) -> None:
    ledger = ListLedger()
    detector = detector_of(app_pool, ledger, tmp_path)
    await detector.start()
    released = [event(at, "meter_released", number=at) for at in range(3)]
    await detector.observe("ledger", sealed(released[:1]))
    (tmp_path / "mine.yml").write_text(MY_RULE)
    await detector.reload()
    await detector.observe("ledger", sealed(released[1:2], first=1))
    (tmp_path / "mine.yml").unlink()
    await detector.reload()
    await detector.observe("ledger", sealed(released[2:], first=2))

    found = await raised(app_pool)

    assert found == [("mine", "mine")]
    assert [item["grid"]["rules"]["added"] for item in ledger.events if "rules" in item.get("grid", {})][1:] == [
        ["mine"], []]


async def test_open_windows_survive_another_rules_arrival(app_pool: asyncpg.Pool, tmp_path: Path) -> None:
    detector = detector_of(app_pool, ListLedger(), tmp_path)
    await detector.start()
    events = sealed(ATTACK)
    await detector.observe("ledger", events[:6])
    (tmp_path / "mine.yml").write_text(MY_RULE)
    await detector.reload()

    await detector.observe("ledger", events[6:])

    assert len(await raised(app_pool)) == 2


async def test_a_broken_file_is_named_and_the_others_go_on(app_pool: asyncpg.Pool, tmp_path: Path) -> None:
    (tmp_path / "bomb.yml").write_text(BOMB)
    (tmp_path / "binary.yml").write_bytes(bytes(range(256)))
    (tmp_path / "mine.yml").write_text(MY_RULE)
    (tmp_path / "twin.yml").write_text(MY_RULE + "# another file, the same id\n")
    ledger = ListLedger()
    detector = detector_of(app_pool, ledger, tmp_path)
    await detector.start()

    await detector.observe("ledger", sealed([event(0, "meter_released", number=1)]))

    status = await detector.status()
    assert await raised(app_pool) == [("mine", "mine")]
    assert {broken.label for broken in status.broken} == {"bomb.yml", "binary.yml", "twin.yml"}
    assert ledger.actions().count("rule_error") == 3


async def test_rules_do_not_change_while_the_ledger_cannot_say_so(app_pool: asyncpg.Pool, tmp_path: Path) -> None:
    ledger = ListLedger()
    detector = detector_of(app_pool, ledger, tmp_path)
    await detector.start()
    (tmp_path / "mine.yml").write_text(MY_RULE)
    ledger.down = True

    with pytest.raises(UnavailableError):
        await detector.reload()

    assert "mine" not in {rule.rule_id for rule in detector.rules()}


async def test_two_detectors_on_one_database_do_not_both_count(app_pool: asyncpg.Pool) -> None:
    one, other = detector_of(app_pool, ListLedger()), detector_of(app_pool, ListLedger())
    await one.start()
    await other.start()
    events = sealed(ATTACK)
    await one.observe("ledger", events[:6])

    with pytest.raises(StalePositionError):
        await other.observe("ledger", events[:6])

    await other.observe("ledger", events)
    assert len(await raised(app_pool)) == 2


async def test_hostile_names_do_not_stop_detection(app_pool: asyncpg.Pool) -> None:
    detector = detector_of(app_pool, ListLedger())
    await detector.start()
    names = ["\x00", "\ud800", "x" * 100_000]

    await detector.observe("ledger", sealed(
        [login(at, at, names[at % 3], "203.0.113.9", failed=True) for at in range(30)]))

    assert await detector.position("ledger") == 30


@pytest.mark.slow
async def test_killed_ten_times_no_alert_is_lost_or_doubled(make_database: DatabaseMaker, tmp_path: Path) -> None:
    url, log = await make_database("siem_rules"), tmp_path / "log"
    log.touch()
    for attempt in range(10):
        victim = _consumer(url, log)
        _wait_for(log, "started", attempt + 1)
        await asyncio.sleep(0.02 * attempt)
        victim.send_signal(signal.SIGKILL)
        victim.wait()

    assert _consumer(url, log).wait(60) == 0

    connection = await asyncpg.connect(url)
    rows = await connection.fetch("SELECT event FROM siem_rules.alerts")
    await connection.close()
    found = sorted((json.loads(row["event"])["grid"]["alert"]["detection"],
                    json.loads(row["event"])["grid"]["alert"]["group"]["source.ip"]) for row in rows)
    assert len(story()) == ATTACKS * 9
    assert found == sorted((detection, f"192.0.2.{attack}") for attack in range(ATTACKS)
                           for detection in ("stuffing", "compromised"))


def _consumer(url: str, log: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.siem_rules.consume", url, str(log)], cwd=ROOT,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )


def _wait_for(log: Path, word: str, count: int) -> None:
    deadline = time.monotonic() + 30
    while log.read_text().count(word) < count:
        assert time.monotonic() < deadline, "the consumer did not start"
        time.sleep(0.005)
