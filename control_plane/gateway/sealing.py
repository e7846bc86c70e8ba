"""Step 4: the decision is sealed before any answer leaves."""

from typing import Any

import structlog

from control_plane.gateway.deadlines import DEADLINES
from control_plane.gateway.judge import Asked
from control_plane.gateway.sealed_question import about_the_policy, rest_of
from control_plane.gateway.verdict import UNKNOWN_ACTION, NotSealedError, Verdict
from shared_kernel.clock import Clock
from shared_kernel.context import RequestContext
from shared_kernel.errors import UnavailableError
from shared_kernel.events import Event, Receipt, Recorder, security_event

DEADLINE_S = 5.0
_log = structlog.get_logger("gridwarden.gateway")


async def seal(recorder: Recorder, event: Event) -> Receipt:
    """Return the receipt of a sealed decision; raise NotSealedError when the ledger fails in whatever way."""
    try:
        with DEADLINES.within(DEADLINE_S):
            return await recorder.record(event)
    except (UnavailableError, TimeoutError) as error:
        _log.error("decision_not_sealed", error=type(error).__name__)
        raise NotSealedError from error
    except Exception as error:
        _log.exception("decision_not_sealed", error=type(error).__name__)
        raise NotSealedError from error


def decision_event(clock: Clock, asked: Asked, verdict: Verdict, context: RequestContext) -> Event:
    """Return the `access_decision` of one request; there is one a request, so it carries the request's id."""
    endpoint = asked.endpoint
    resource: dict[str, Any] = {"path": endpoint.path if endpoint else asked.path, "method": asked.method}
    if endpoint and endpoint.dataset:
        resource["dataset"] = endpoint.dataset
    decision: dict[str, Any] = {
        "allow": verdict.allow, "reasons": list(verdict.reasons),
        "obligations": {name: dict(parameters) for name, parameters in verdict.obligations.items()},
        "revision": verdict.revision, "action": endpoint.action if endpoint else UNKNOWN_ACTION,
        "risk": verdict.risk, "risk_reasons": list(verdict.risk_reasons),
    }
    if asked.purpose is not None:
        decision["purpose"] = asked.purpose
    grid: dict[str, Any] = {"decision": decision, "resource": resource}
    if verdict.question is not None and verdict.digest:
        decision |= about_the_policy(verdict)
        grid["question"] = rest_of(verdict.question, verdict.digest)
    return security_event(
        clock, "access_decision", category="web", types=("access", "allowed" if verdict.allow else "denied"),
        outcome="success" if verdict.allow else "failure", reason=verdict.reasons[0] if verdict.reasons else None,
        context=context, event_id=context.request_id, url={"path": asked.path},
        grid=grid,
        http={"request": {"method": asked.method, "id": context.request_id}},
    )
