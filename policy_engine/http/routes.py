"""GET the policy that decides, POST a question to try it without effect; and what risk.py offers."""

from typing import Any

import msgspec
import orjson
from starlette.requests import Request
from starlette.responses import Response

from policy_engine.http.risk import risk_endpoints
from policy_engine.service import MalformedQuestionError, PolicyEngine, Question, RiskScorer, to_input
from shared_kernel.clock import to_iso
from shared_kernel.endpoint import Endpoint
from shared_kernel.errors import UnprocessableError
from shared_kernel.strict_json import parse_strict

MAX_QUESTION = 65_536


class _Asked(msgspec.Struct, forbid_unknown_fields=True):
    """A question as the gateway would ask it."""

    subject: dict[str, Any]
    action: str
    resource: dict[str, Any]
    context: dict[str, Any]


def endpoints(policy: PolicyEngine, risk: RiskScorer) -> tuple[Endpoint, ...]:
    """Return the routes."""

    async def show(_: Request) -> Response:
        standing = policy.standing()
        loaded_at = standing.loaded_at_us
        return _json({
            "revision": standing.revision, "evaluator": standing.evaluator,
            "loaded_at": to_iso(loaded_at) if loaded_at is not None else None, "refused": standing.refused,
        })

    async def evaluate(request: Request) -> Response:
        decision = await policy.decide(_question(await request.body()))
        return _json({
            "allow": decision.allow, "reasons": decision.reasons, "obligations": decision.obligations,
            "revision": decision.revision, "ttl_s": decision.ttl_s,
        })

    return (
        *risk_endpoints(risk),
        Endpoint("GET", "/api/v1/policy", "policy.read", show),
        Endpoint("POST", "/api/v1/policy/evaluate", "policy.evaluate", evaluate, max_body=MAX_QUESTION),
    )


def _question(body: bytes) -> Question:
    try:
        asked = msgspec.convert(parse_strict(body), _Asked)
    except msgspec.ValidationError as cause:
        raise UnprocessableError(f"the question is malformed: {cause}") from cause
    question = Question(asked.subject, asked.action, asked.resource, asked.context)
    try:
        to_input(question)
    except MalformedQuestionError as cause:
        raise UnprocessableError(str(cause)) from cause
    return question


def _json(content: object) -> Response:
    return Response(orjson.dumps(content), media_type="application/json")
