"""GET the policy that decides, POST a question to try it without effect, of two revisions; and what risk.py offers."""

from typing import Any

import msgspec
import orjson
from starlette.requests import Request
from starlette.responses import Response

from policy_engine.http.risk import risk_endpoints
from policy_engine.service import Decision, MalformedQuestionError, PolicyEngine, Question, RiskScorer, to_input
from policy_engine.service.explaining import Explainer
from shared_kernel.clock import to_iso
from shared_kernel.endpoint import Endpoint
from shared_kernel.errors import UnprocessableError
from shared_kernel.strict_json import parse_strict

MAX_QUESTION = 65_536


class _Asked(msgspec.Struct, forbid_unknown_fields=True):
    """A question as the gateway would ask it; `bundle` names another revision to compare with."""

    subject: dict[str, Any]
    action: str
    resource: dict[str, Any]
    context: dict[str, Any]
    bundle: str | None = None


def endpoints(policy: PolicyEngine, risk: RiskScorer, explainer: Explainer) -> tuple[Endpoint, ...]:
    """Return the routes."""

    async def show(_: Request) -> Response:
        standing = policy.standing()
        return _json({
            "revision": standing.revision, "evaluator": standing.evaluator,
            "loaded_at": _time(standing.loaded_at_us), "refused": standing.refused, "name": standing.name,
            "built_at": _time(standing.built_at_us), "sequence": standing.sequence, "version": standing.version,
            "stale": standing.stale,
        })

    async def evaluate(request: Request) -> Response:
        asked = _asked(await request.body())
        question = _question(asked)
        decision = await policy.decide(question)
        if asked.bundle is None:
            return _json(_told(decision))
        other = await explainer.answer(question, asked.bundle)
        same = (decision.allow, decision.obligations) == (other.allow, other.obligations)
        return _json({**_told(decision), "compared": {**_told(other), "same": same}})

    return (
        *risk_endpoints(risk),
        Endpoint("GET", "/api/v1/policy", "policy.read", show),
        Endpoint("POST", "/api/v1/policy/evaluate", "policy.evaluate", evaluate, max_body=MAX_QUESTION),
    )


def _time(at_us: int | None) -> str | None:
    return to_iso(at_us) if at_us is not None else None


def _asked(body: bytes) -> _Asked:
    try:
        return msgspec.convert(parse_strict(body), _Asked)
    except msgspec.ValidationError as cause:
        raise UnprocessableError(f"the question is malformed: {cause}") from cause


def _told(decision: Decision) -> dict[str, Any]:
    return {
        "allow": decision.allow, "reasons": decision.reasons, "obligations": decision.obligations,
        "revision": decision.revision, "bundle_age_s": decision.bundle_age_s, "ttl_s": decision.ttl_s,
    }


def _question(asked: _Asked) -> Question:
    question = Question(asked.subject, asked.action, asked.resource, asked.context)
    try:
        to_input(question)
    except MalformedQuestionError as cause:
        raise UnprocessableError(str(cause)) from cause
    return question


def _json(content: object) -> Response:
    return Response(orjson.dumps(content), media_type="application/json")
