"""A service's event never passes for the product's, and an idempotency key never stands for two events."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from audit_ledger.service.intake import Intake, ReusedKeyError
from shared_kernel.context import RequestContext
from shared_kernel.errors import UnprocessableError
from shared_kernel.principal import Principal, PrincipalKind
from tests.audit_ledger.rig import Rig
from tests.audit_ledger.sealing_rig import KEK, STEWARD, SealingRig

BILLING = RequestContext(
    "request-9", principal=Principal("client-billing", "billing", PrincipalKind.SERVICE, roles=frozenset({"service"})))
MADE = {"event": {"action": "billing.invoice_made"}, "labels": {"invoice": "4711"}}


@pytest.fixture
async def desk(rig: Rig) -> AsyncIterator[SealingRig]:
    made = SealingRig(rig, KEK)
    await made.ledger.start()
    yield made
    await made.ledger.stop()


@pytest.fixture
def intake(desk: SealingRig) -> Intake:
    return Intake(desk.ledger, desk.rig.clock)


@pytest.mark.parametrize("forged", [
    {"event.action": "user_login", "event.outcome": "failure", "source.ip": "203.0.113.7", "user.id": "victim"},
    {"event.action": "ledger_verified", "event.outcome": "failure"},
    {"grid.data.classification": "RESTRICTED"}, {"event.provider": "gridwarden"}, {".": 1},
])
async def test_a_dotted_name_cannot_shadow_a_section_before_detection_rules(
    intake: Intake, forged: dict[str, Any],
) -> None:
    with pytest.raises(UnprocessableError, match="dotted name"):
        await intake.append(MADE | forged, context=BILLING)


@pytest.mark.parametrize("outcome", [["success"], {"is": "success"}, 1, None, True])
async def test_an_outcome_of_another_type_is_refused_in_words(intake: Intake, outcome: Any) -> None:
    with pytest.raises(UnprocessableError, match=r"event\.outcome is one of"):
        await intake.append({"event": {"action": "billing.made", "outcome": outcome}}, context=BILLING)


@pytest.mark.parametrize("other", [
    {"event": {"action": "billing.invoice_paid"}, "labels": {"invoice": "4711"}},
    {"event": {"action": "billing.invoice_made"}, "labels": {"invoice": "4712"}},
    {"event": {"action": "billing.invoice_made", "outcome": "failure"}, "labels": {"invoice": "4711"}},
    {"event": {"action": "billing.invoice_made"}},
])
async def test_a_key_that_sealed_one_event_is_refused_for_another(intake: Intake, other: dict[str, Any]) -> None:
    first = await intake.append(MADE, context=BILLING, key="4711")

    with pytest.raises(ReusedKeyError, match=f"entry {first.receipt.seq}"):
        await intake.append(other, context=BILLING, key="4711")

    again = await intake.append(MADE, context=BILLING, key="4711")
    assert (again.receipt, again.is_repeat) == (first.receipt, True)


async def test_a_repeat_is_known_also_when_its_person_was_erased_meanwhile(intake: Intake, desk: SealingRig) -> None:
    event = MADE | {"user": {"id": "ada", "name": "Ada", "email": "ada@example.org"}, "source": {"ip": "192.0.2.1"}}
    first = await intake.append(event, context=BILLING, key="4711")
    await desk.erasure.erase("ada", reason="asked", context=STEWARD)

    again = await intake.append(event, context=BILLING, key="4711")

    assert (again.receipt, again.is_repeat) == (first.receipt, True)
