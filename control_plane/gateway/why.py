"""Why was this decided so? A sealed decision, asked again and told in words to its subject and to auditors."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import orjson
from starlette.requests import Request
from starlette.responses import Response

from control_plane.gateway.decisions import ACTION, NoSuchDecisionError, explained
from control_plane.gateway.sealed_question import ErasedQuestionError, question_of
from policy_engine.service import Decision
from policy_engine.service.explaining import Met, Sealed, Turned, Why
from shared_kernel.context import RequestContext, context_of
from shared_kernel.endpoint import Endpoint
from shared_kernel.events import EventReader, SealedEvent
from shared_kernel.principal import PrincipalKind, Role

EXPLAIN = "policy.explain"
_READERS = frozenset({Role.AUDITOR, Role.ADMIN})
_NOT_ASKED = "no policy was asked: the enforcement point refused by itself, for the reasons given"
_ERASED = "the caller's address was erased, and without it the question cannot be put together again"
_UNREADABLE = "the sealed decision cannot be read as one: run `gridwarden ledger verify`"
MAX_VALUE = 2_000


class Explains(Protocol):
    """Asks a sealed decision again (policy_engine)."""

    async def explain(self, sealed: Sealed) -> Why:
        """Return why."""


def endpoints(ledger: EventReader, explainer: Explains) -> tuple[Endpoint, ...]:
    """Return the explainer's route."""

    async def why(request: Request) -> Response:
        found = await ledger.find(action=ACTION, request_id=request.path_params["request_id"], limit=1)
        if not found or not _may_read(context_of(request.scope), found[0]):
            raise NoSuchDecisionError
        return Response(orjson.dumps(await told(found[0], explainer)), media_type="application/json")

    return (Endpoint("GET", "/api/v1/decisions/{request_id}/why", EXPLAIN, why),)


async def told(sealed: SealedEvent, explainer: Explains) -> dict[str, Any]:
    """Return a sealed decision with its why."""
    why = await _why(sealed.event, explainer)
    return {
        "decision": explained(sealed), "agrees": why.agrees, "differences": why.differences, "obstacle": why.obstacle,
        "replay": _decision(why.replayed), "now": _decision(why.now),
        "rules": [_rule(met) for met in why.rules], "changes": [_change(turned) for turned in why.turned],
    }


async def _why(event: Mapping[str, Any], explainer: Explains) -> Why:
    try:
        sealed = sealed_of(event)
    except ErasedQuestionError:
        return Why(obstacle=_ERASED)
    except (KeyError, TypeError, AttributeError):
        return Why(obstacle=_UNREADABLE)
    return Why(obstacle=_NOT_ASKED) if sealed is None else await explainer.explain(sealed)


def sealed_of(event: Mapping[str, Any]) -> Sealed | None:
    """Return what was asked and answered, None when no policy was; the policy's own answer, before what we made of it.

    A *yes* with a demand that nobody could meet was made a *no* by the enforcement point, which put its reason first.
    """
    question = question_of(event)
    if question is None:
        return None
    decision, digest = event["grid"]["decision"], event["grid"]["question"]["digest"]
    unfulfilled = frozenset(decision.get("unfulfilled", ()))
    reasons = tuple(decision["reasons"])
    return Sealed(question, digest, decision["revision"], decision["allow"] or bool(unfulfilled),
                  reasons[1:] if unfulfilled else reasons, decision["obligations"], unfulfilled)


def _may_read(context: RequestContext, sealed: SealedEvent) -> bool:
    """Everybody may know why they were judged; about others, auditors: it tells of the rules and of the person."""
    principal = context.principal
    if principal.kind is PrincipalKind.ANONYMOUS:
        return False
    return sealed.event.get("user", {}).get("id") == principal.subject or not _READERS.isdisjoint(principal.roles)


def _decision(decision: Decision | None) -> dict[str, Any] | None:
    return None if decision is None else {
        "allow": decision.allow, "reasons": decision.reasons, "obligations": decision.obligations,
        "revision": decision.revision,
    }


def _rule(met: Met) -> dict[str, Any]:
    rule = met.rule
    return {"name": rule.name, "holds": met.holds, "value": _short(met.value), "file": rule.file, "line": rule.line,
            "note": rule.note, "needs": rule.needs}


def _change(turned: Turned) -> dict[str, Any]:
    return {"kind": turned.change.kind, "words": turned.change.words, "allow": turned.decision.allow,
            "reasons": turned.decision.reasons, "obligations": turned.decision.obligations}


def _short(value: object) -> object:
    """Return a rule's value, or how large it is: a table of a hundred thousand roles explains nothing."""
    if len(orjson.dumps(value)) <= MAX_VALUE:
        return value
    return f"{len(value)} values" if isinstance(value, Sequence | Mapping) else "a long value"
