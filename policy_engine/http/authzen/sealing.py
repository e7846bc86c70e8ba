"""What others were told is sealed before they are told it: one event a call, beside the gateway's own about it."""

from collections.abc import Mapping, Sequence
from typing import Any

from policy_engine.http.authzen.city import City
from policy_engine.http.authzen.digests import digest_of
from policy_engine.http.authzen.evaluating import Answered, allowed
from policy_engine.http.authzen.messages import Entity, Evaluation
from policy_engine.http.authzen.searching import Found
from shared_kernel.context import RequestContext
from shared_kernel.events import security_event

TOLD_IN_FULL = 10
_SHORT = 200


async def seal_evaluations(found: Sequence[Answered], caller: RequestContext, request_id: str | None,
                           city: City) -> None:
    """Seal the questions and answers of a call: the first in words, all of them by their hash."""
    whole = [[_asked_in_full(each.asked), each.answer.to_json()] for each in found]
    await _seal("access_evaluated", caller, request_id, city, {
        "asked": len(found), "allowed": allowed(found), "sha256": digest_of(whole).hex(),
        "answers": [_in_words(each) for each in found[:TOLD_IN_FULL]],
    })


async def seal_search(about: str, asked: Evaluation, found: Found, caller: RequestContext,  # noqa: PLR0913, PLR0917 - what is sealed
                      request_id: str | None, city: City) -> None:
    """Seal what was looked for and what was found."""
    await _seal("access_searched", caller, request_id, city, {
        "searched": about, "tried": found.tried, "found": len(found.results),
        "sha256": digest_of(list(found.results)).hex(),
        "subject": _named(asked.subject), "action_name": asked.action[:_SHORT], "resource": _named(asked.resource),
    })


async def _seal(action: str, caller: RequestContext, request_id: str | None, city: City,
                evaluation: Mapping[str, Any]) -> None:
    told = {**evaluation, "revision": city.policy.revision, "permit": caller.permit}
    if request_id is not None:
        told["pep_request_id"] = request_id[:_SHORT]
    await city.recorder.record(security_event(
        city.clock, action, category="web", types=("access",), context=caller, grid={"evaluation": told}))


def _in_words(each: Answered) -> dict[str, Any]:
    return {
        "subject": _named(each.asked.subject), "action_name": each.asked.action[:_SHORT],
        "resource": _named(each.asked.resource), "allow": each.answer.allow,
        "reason": str(each.answer.context.get("reason", ""))[:_SHORT],
    }


def _asked_in_full(asked: Evaluation) -> Mapping[str, Any]:
    return {"subject": _entity(asked.subject), "action": asked.action, "resource": _entity(asked.resource),
            "context": asked.context}


def _entity(entity: Entity) -> Mapping[str, Any]:
    return {"type": entity.type, "id": entity.id, "properties": entity.properties}


def _named(entity: Entity) -> str:
    return f"{entity.type}:{entity.id}"[:_SHORT]
