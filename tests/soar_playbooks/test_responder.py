"""From an alert to sealed steps: once, in order, and never without being told."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from control_plane.database.pools import open_pool
from control_plane.database.roles import APP
from shared_kernel.errors import InvalidInputError, NotFoundError, UnavailableError
from shared_kernel.events import SealedEvent
from soar_playbooks.domain.connector import ConnectorKind, Reconciled
from soar_playbooks.domain.errors import SwitchedOffError, TooManyTargetsError, UnknownPlaybookError
from soar_playbooks.domain.run import RunStatus, StepState
from soar_playbooks.service import responder as responder_module
from tests.frozen_clock import FrozenClock
from tests.soar_playbooks.house import (
    LOCK,
    City,
    alert,
    city,
    one_step,
    only_run,
    person,
)

ANA = person("ana")


async def test_an_alert_locks_the_account_then_revokes_its_sessions(here: City) -> None:
    await here.responder.observe("ledger", [alert("mallory")])

    story = await here.work_off(await only_run(here))

    assert [step.state for step in story.steps] == [StepState.DONE, StepState.DONE]
    assert here.connectors["lock_account"].calls == [{"account": "mallory", "reason": "GR-001 Credential stuffing"}]
    assert here.connectors["revoke_sessions"].calls[0]["account"] == "mallory"


async def test_every_step_is_sealed_before_and_after(here: City) -> None:
    await here.responder.observe("ledger", [alert("mallory")])
    await here.work_off(await only_run(here))

    assert here.ledger.actions() == [
        "playbook_run_started", "playbook_step_intended", "playbook_step_done", "playbook_step_intended",
        "playbook_step_done", "playbook_run_finished",
    ]
    about = here.ledger.events[1]["grid"]["playbook"]
    assert (about["name"], about["step"], about["connector"], about["targets"]) == (
        LOCK, "lock", "lock_account", ["mallory"],
    )


async def test_a_trigger_delivered_a_hundred_times_is_one_run(here: City) -> None:
    for seq in range(100):
        await here.responder.observe("ledger", [alert("mallory", seq=seq)])
    await here.work_off(await only_run(here))

    assert len(here.connectors["lock_account"].calls) == 1
    assert here.ledger.actions().count("playbook_run_started") == 1
    assert await here.responder.position("ledger") == 100


async def test_a_trigger_delivered_at_once_to_many_is_one_run(here: City) -> None:
    await asyncio.gather(*(here.responder.observe("ledger", [alert("mallory", seq=seq)]) for seq in range(20)))

    assert await only_run(here)


async def test_other_events_open_nothing_and_move_the_position(here: City) -> None:
    other = SealedEvent(41, 0, {"event": {"action": "user_login"}})

    await here.responder.observe("ledger", [other])

    assert await here.responder.runs(None, 10) == []
    assert await here.responder.position("ledger") == 42


async def test_an_alert_without_targets_finishes_with_nothing_to_do(here: City) -> None:
    await here.responder.observe("ledger", [alert()])

    (run,) = await here.responder.runs(None, 10)
    assert run.status is RunStatus.DONE
    assert "nothing to do" in run.reason


async def test_a_poison_alert_is_skipped_and_the_next_one_runs(here: City) -> None:
    poison = SealedEvent(0, 0, {"event": {"action": "alert_raised"}, "grid": {"alert": {
        "playbook": LOCK, "targets": ["not", "a", "mapping"]}}, "rule": "GR-001"})

    await here.responder.observe("ledger", [poison, alert("mallory", seq=1)])

    assert (await here.work_off(await only_run(here))).run.status is RunStatus.DONE


async def test_a_rule_the_playbook_does_not_name_needs_a_human(here: City) -> None:
    await here.responder.observe("ledger", [alert("mallory", rule="GR-099")])

    (run,) = await here.responder.runs(None, 10)
    assert run.status is RunStatus.NEEDS_HUMAN
    assert "GR-099" in run.reason


async def test_an_alert_for_a_playbook_that_is_not_there_is_kept_for_a_human(here: City) -> None:
    await here.responder.observe("ledger", [alert("mallory", playbook="no-such-thing")])

    (run,) = await here.responder.runs(None, 10)
    assert run.status is RunStatus.NEEDS_HUMAN
    assert here.ledger.actions() == ["playbook_run_started", "playbook_run_finished"]


async def test_more_targets_than_the_blast_radius_touch_nothing(here: City) -> None:
    await here.responder.observe("ledger", [alert(*"abcdef")])

    (run,) = await here.responder.runs(None, 10)
    assert run.status is RunStatus.NEEDS_HUMAN
    with pytest.raises(TooManyTargetsError, match="6 targets"):
        await here.responder.start_run(LOCK, list("abcdef"), reason="test", by=ANA)


@pytest.mark.parametrize("name", ["mallory\x00", "", "x" * 300, "a\nb"])
async def test_a_target_nobody_can_act_on_needs_a_human_and_stops_nothing(here: City, name: str) -> None:
    await here.responder.observe("ledger", [alert(name), alert("mallory", alert_id="alert-2", seq=1)])

    statuses = [run.status for run in await here.responder.runs(None, 10)]
    assert statuses == [RunStatus.READY, RunStatus.NEEDS_HUMAN]


async def test_a_database_lost_in_mid_step_costs_time_and_repeats_nothing(
    make_database: Callable[..., Awaitable[str]], clock: FrozenClock, tmp_path: Path,
) -> None:
    url = await make_database("soar_playbooks")
    pool = await open_pool(url, APP, size=4)
    here = city(pool, clock, tmp_path, lease_s=0.2)
    (tmp_path / "mine.yml").write_text(one_step("mine", timeout_s="1"))
    connector = here.connectors["act"]

    async def lose_the_database(_params: Mapping[str, str], _key: str) -> Mapping[str, Any]:
        owner = await asyncpg.connect(url)
        await owner.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )
        await owner.close()
        return {}

    connector.behave = lose_the_database
    run = await here.responder.start_run("mine", ["x"], reason="test", by=ANA)

    async with here.working():
        await asyncio.sleep(0.5)
        story = await here.until(run.run_id, RunStatus.DONE)

    assert len(connector.calls) == 1
    assert story.steps[0].state is StepState.DONE
    await pool.close()


@pytest.mark.parametrize("targets", [[], [""], ["x" * 300], ["a\x00"]])
async def test_a_start_without_usable_targets_is_refused(here: City, targets: list[str]) -> None:
    with pytest.raises(InvalidInputError, match="at least one target"):
        await here.responder.start_run(LOCK, targets, reason="test", by=ANA)


async def test_without_a_sealed_start_nothing_is_opened_and_the_alert_comes_again(here: City) -> None:
    here.ledger.is_down = True

    with pytest.raises(UnavailableError):
        await here.responder.observe("ledger", [alert("mallory")])

    assert await here.responder.runs(None, 10) == []
    assert await here.responder.position("ledger") == 0


async def test_a_step_that_cannot_be_sealed_does_not_happen_and_happens_later(here: City) -> None:
    await here.responder.observe("ledger", [alert("mallory")])
    here.ledger.is_down = True
    async with here.working():
        await asyncio.sleep(0.3)
        calls_while_down = len(here.connectors["lock_account"].calls)
        here.ledger.is_down = False
        story = await here.until(await only_run(here), RunStatus.DONE)

    assert calls_while_down == 0
    assert story.steps[0].attempts == 0


async def test_a_new_file_runs_without_a_restart_and_a_broken_one_is_shown(here: City) -> None:
    await here.responder.observe("ledger", [])
    (here.folder / "mine.yml").write_text(one_step("mine"))
    (here.folder / "broken.yml").write_text("name: broken\nsteps: [")

    run = await here.responder.start_run("mine", ["x"], reason="test", by=ANA)
    await here.work_off(run.run_id)

    problems = {volume.name: volume.problem for volume in here.responder.library.volumes()}
    assert "not YAML" in (problems["broken"] or "")
    assert problems["mine"] is None
    with pytest.raises(UnknownPlaybookError, match="broken"):
        await here.responder.start_run("broken", ["x"], reason="test", by=ANA)


async def test_an_operators_file_overrides_the_shipped_one_even_when_it_is_broken(here: City) -> None:
    (here.folder / f"{LOCK}.yml").write_text("broken")

    with pytest.raises(NotFoundError, match="its file is broken"):
        await here.responder.start_run(LOCK, ["x"], reason="test", by=ANA)


async def test_a_playbook_edited_mid_run_changes_nothing_under_way(here: City) -> None:
    (here.folder / "mine.yml").write_text(one_step("mine", approval="another-person"))
    run = await here.responder.start_run("mine", ["x"], reason="test", by=ANA)
    (here.folder / "mine.yml").write_text(one_step("mine", who="somebody else"))
    await here.responder.library.refresh()
    await here.responder.approve(run.run_id, person("bob"))

    story = await here.work_off(run.run_id)

    assert here.connectors["act"].calls == [{"who": "x"}]
    assert story.run.plan.version_hash == run.plan.version_hash
    assert story.content is not None
    assert "${target}" in story.content


async def test_a_target_that_looks_like_a_template_is_only_a_name(here: City) -> None:
    evil = "${reason} {{7*7}} $(id) '; DROP TABLE x"
    await here.responder.observe("ledger", [alert(evil)])

    await here.work_off(await only_run(here))

    assert here.connectors["lock_account"].calls[0]["account"] == evil


async def test_a_plan_changed_in_the_table_is_not_carried_out(
    make_database: Callable[..., Awaitable[str]], clock: FrozenClock, tmp_path: Path,
) -> None:
    url = await make_database("soar_playbooks")
    pool = await open_pool(url, APP, size=4)
    here = city(pool, clock, tmp_path)
    await here.responder.observe("ledger", [alert("mallory")])
    owner = await asyncpg.connect(url)
    await owner.execute(
        "UPDATE soar_playbooks.plans SET plan = jsonb_set(plan, '{calls,0,params,account}', '\"admin\"')",
    )
    await owner.close()

    story = await here.work_off(await only_run(here), RunStatus.NEEDS_HUMAN)

    assert here.connectors["lock_account"].calls == []
    assert "not the one" in story.run.reason
    await pool.close()


async def test_the_application_may_not_rewrite_the_journal(app_pool: asyncpg.Pool) -> None:
    for sql in ("UPDATE soar_playbooks.journal SET what = 'x'", "DELETE FROM soar_playbooks.journal",
                "UPDATE soar_playbooks.plans SET plan = '{}'", "UPDATE soar_playbooks.versions SET content = ''",
                "DELETE FROM soar_playbooks.runs"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await app_pool.execute(sql)


async def test_the_kill_switch_stops_a_run_before_its_next_step(here: City) -> None:
    async def flip(_params: Mapping[str, str], _key: str) -> Mapping[str, Any]:
        await here.responder.switch("global", is_on=True, reason="stop it", by=ANA)
        return {}

    here.connectors["lock_account"].behave = flip
    await here.responder.observe("ledger", [alert("mallory")])

    story = await here.work_off(await only_run(here), RunStatus.STOPPED)

    assert [step.state for step in story.steps] == [StepState.DONE, StepState.PLANNED]
    assert here.connectors["revoke_sessions"].calls == []
    assert "kill_switch_changed" in here.ledger.actions()


async def test_a_playbooks_own_switch_stops_only_that_playbook(here: City) -> None:
    (here.folder / "mine.yml").write_text(one_step("mine"))
    await here.responder.switch(f"playbook:{LOCK}", is_on=True, reason="stop it", by=ANA)

    with pytest.raises(SwitchedOffError, match="kill switch"):
        await here.responder.start_run(LOCK, ["x"], reason="test", by=ANA)
    run = await here.responder.start_run("mine", ["x"], reason="test", by=ANA)

    assert (await here.work_off(run.run_id)).run.status is RunStatus.DONE


async def test_an_unsealed_switch_is_not_turned(here: City) -> None:
    here.ledger.is_down = True

    with pytest.raises(UnavailableError):
        await here.responder.switch("global", is_on=False, reason="go on", by=ANA)

    assert await here.responder.switches() == []


async def test_a_refusal_fails_the_run_and_is_not_repeated(here: City) -> None:
    async def refuse(_params: Mapping[str, str], _key: str) -> Mapping[str, Any]:
        raise NotFoundError("there is no such account")

    here.connectors["lock_account"].behave = refuse
    await here.responder.observe("ledger", [alert("mallory")])

    story = await here.work_off(await only_run(here), RunStatus.FAILED)

    assert len(here.connectors["lock_account"].calls) == 1
    assert "no such account" in story.run.reason
    assert here.connectors["revoke_sessions"].calls == []


async def test_an_idempotent_step_is_tried_three_times_then_a_human_is_needed(here: City) -> None:
    async def fail(_params: Mapping[str, str], _key: str) -> Mapping[str, Any]:
        raise UnavailableError("identity is down")

    here.connectors["lock_account"].behave = fail
    await here.responder.observe("ledger", [alert("mallory")])

    story = await here.work_off(await only_run(here), RunStatus.NEEDS_HUMAN)

    assert len(here.connectors["lock_account"].calls) == 3
    assert story.steps[0].state is StepState.NEEDS_HUMAN


@pytest.mark.parametrize(("kind", "answer"), [
    (ConnectorKind.UNSAFE, Reconciled.RETRY), (ConnectorKind.UNSAFE, Reconciled.HUMAN),
    (ConnectorKind.RECONCILABLE, Reconciled.HUMAN),
])
async def test_what_may_not_be_repeated_goes_to_a_human_after_one_call(
    here: City, kind: ConnectorKind, answer: Reconciled,
) -> None:
    async def fail(_params: Mapping[str, str], _key: str) -> Mapping[str, Any]:
        raise ConnectionError("secret-token-in-a-message")

    connector = here.connectors["lock_account"]
    connector.behave, connector.kind, connector.answer = fail, kind, answer
    await here.responder.observe("ledger", [alert("mallory")])

    await here.work_off(await only_run(here), RunStatus.NEEDS_HUMAN)

    assert len(connector.calls) == 1
    assert "secret-token" not in str(here.ledger.events)


async def test_a_time_out_after_success_is_not_repeated(here: City) -> None:
    (here.folder / "slow.yml").write_text(one_step("slow", timeout_s="1"))
    connector = here.connectors["act"]
    connector.kind = ConnectorKind.RECONCILABLE

    async def succeed_and_hang(_params: Mapping[str, str], key: str) -> Mapping[str, Any]:
        connector.done.add(key)
        await asyncio.sleep(60)
        return {}

    connector.behave = succeed_and_hang
    run = await here.responder.start_run("slow", ["x"], reason="test", by=ANA)

    story = await here.work_off(run.run_id)

    assert len(connector.calls) == 1
    assert story.steps[0].result == {"reconciled": True}


def test_the_responder_is_the_kernels_subscriber(here: City) -> None:
    from shared_kernel.events import Subscriber

    subscriber: Subscriber = here.responder

    assert subscriber is here.responder
    assert responder_module.HOUSEKEEPING_S <= 1.0
