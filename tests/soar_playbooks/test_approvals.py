"""Two people for the grid: the second one really is another person, in time, for the plan they read."""

import asyncio
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest

from shared_kernel.errors import UnavailableError
from shared_kernel.principal import PrincipalKind
from soar_playbooks.domain.errors import (
    AlreadyDecidedError,
    NotAPersonError,
    OwnApprovalError,
    PlanChangedError,
    UnknownRunError,
)
from soar_playbooks.domain.run import Run, RunStatus
from soar_playbooks.service import Ruling
from tests.frozen_clock import FrozenClock
from tests.soar_playbooks.house import LOCK, QUARANTINE, City, alert, city, person

ANA, BOB = person("ana"), person("bob")


@pytest.fixture
def here(app_pool: asyncpg.Pool, clock: FrozenClock, tmp_path: Path) -> City:
    return city(app_pool, clock, tmp_path)


async def _asked(here: City) -> Run:
    return await here.responder.start_run(QUARANTINE, ["M-7"], reason="readings jump", by=ANA)


async def test_nothing_happens_before_the_approval(here: City) -> None:
    run = await _asked(here)
    async with here.working():
        await asyncio.sleep(0.3)

    assert here.connectors["quarantine_meter"].calls == []
    assert (await here.responder.story(run.run_id)).run.status is RunStatus.WAITING_APPROVAL
    assert here.ledger.actions() == ["playbook_run_started", "approval_requested"]


async def test_another_person_approves_and_the_meter_is_quarantined(here: City) -> None:
    run = await _asked(here)

    await here.responder.approve(run.run_id, BOB, comment="I see it too")
    story = await here.work_off(run.run_id)

    assert here.connectors["quarantine_meter"].calls == [{"meter": "M-7", "reason": "readings jump"}]
    assert story.approval is not None
    assert (story.approval.decided_by, story.approval.comment) == ("id-bob", "I see it too")
    assert here.ledger.actions()[2] == "approval_granted"


async def test_the_requester_may_not_approve_and_may_withdraw(here: City) -> None:
    run = await _asked(here)

    with pytest.raises(OwnApprovalError, match="another person must"):
        await here.responder.approve(run.run_id, ANA)
    await here.responder.deny(run.run_id, ANA, comment="my mistake")

    assert (await here.responder.story(run.run_id)).run.status is RunStatus.DENIED


async def test_the_requester_under_another_session_and_name_is_still_the_requester(here: City) -> None:
    run = await _asked(here)

    with pytest.raises(OwnApprovalError):
        await here.responder.approve(run.run_id, replace(ANA, name="bob", session_id="other", token_id="other"))


@pytest.mark.parametrize("kind", [PrincipalKind.SERVICE, PrincipalKind.ANONYMOUS])
async def test_only_a_person_decides(here: City, kind: PrincipalKind) -> None:
    run = await _asked(here)

    with pytest.raises(NotAPersonError):
        await here.responder.approve(run.run_id, replace(BOB, kind=kind))


async def test_an_alert_that_asks_for_quarantine_waits_for_a_person(here: City) -> None:
    await here.responder.observe("ledger", [alert("M-7", playbook=QUARANTINE, rule="GR-050", target_field="meter.id")])
    (run,) = await here.responder.runs(None, 1)

    await here.responder.approve(run.run_id, ANA)

    assert (await here.work_off(run.run_id)).run.status is RunStatus.DONE


async def test_an_approval_replayed_is_refused(here: City) -> None:
    run = await _asked(here)
    await here.responder.approve(run.run_id, BOB)
    await here.work_off(run.run_id)

    with pytest.raises(AlreadyDecidedError, match="granted"):
        await here.responder.approve(run.run_id, BOB)

    assert len(here.connectors["quarantine_meter"].calls) == 1


async def test_of_twenty_simultaneous_approvals_one_counts(here: City) -> None:
    run = await _asked(here)

    answers = await asyncio.gather(
        *(here.responder.approve(run.run_id, person(f"p{n}")) for n in range(20)), return_exceptions=True,
    )

    assert sum(isinstance(found, Run) for found in answers) == 1
    assert here.ledger.actions().count("approval_granted") == 1


async def test_a_denied_run_never_runs(here: City) -> None:
    run = await _asked(here)
    await here.responder.deny(run.run_id, BOB, comment="the meter is fine")

    with pytest.raises(AlreadyDecidedError, match="denied"):
        await here.responder.approve(run.run_id, person("eve"))
    async with here.working():
        await asyncio.sleep(0.2)

    assert here.connectors["quarantine_meter"].calls == []


async def test_after_a_day_the_answer_is_no(here: City) -> None:
    run = await _asked(here)
    here.clock.advance(24 * 3_600)

    with pytest.raises(AlreadyDecidedError, match="expired"):
        await here.responder.approve(run.run_id, BOB)
    await here.responder.expire_approvals()

    story = await here.responder.story(run.run_id)
    assert story.run.status is RunStatus.EXPIRED
    assert here.ledger.actions()[-2:] == ["approval_denied", "playbook_run_finished"]


async def test_an_approval_for_another_plan_is_refused(here: City) -> None:
    run = await _asked(here)

    with pytest.raises(PlanChangedError, match="read the run again"):
        await here.responder.decide(run.run_id, Ruling(granting=True, plan_hash="0" * 64), by=BOB)


async def test_an_approval_that_cannot_be_sealed_does_not_count(here: City) -> None:
    run = await _asked(here)
    here.ledger.is_down = True

    with pytest.raises(UnavailableError):
        await here.responder.approve(run.run_id, BOB)

    assert (await here.responder.story(run.run_id)).run.status is RunStatus.WAITING_APPROVAL


async def test_a_run_that_waits_for_nothing_cannot_be_approved(here: City) -> None:
    run = await here.responder.start_run(LOCK, ["mallory"], reason="test", by=ANA)

    with pytest.raises(AlreadyDecidedError, match="waits for no approval"):
        await here.responder.approve(run.run_id, BOB)
    with pytest.raises(UnknownRunError):
        await here.responder.approve("nope", BOB)
