"""GET what scores, GET what is usual for a subject, DELETE it: the right to be forgotten, and a new place confirmed."""

import orjson
from starlette.requests import Request
from starlette.responses import Response

from policy_engine.service.risk_scorer import RiskScorer
from shared_kernel.endpoint import Endpoint


def risk_endpoints(risk: RiskScorer) -> tuple[Endpoint, ...]:
    """Return the routes."""

    async def standing(_: Request) -> Response:
        return _json(_told(risk))

    async def show(request: Request) -> Response:
        return _json({**risk.known_of(request.path_params["subject"]), "scored_by": _told(risk)["scored_by"]})

    async def forget(request: Request) -> Response:
        await risk.forget(request.path_params["subject"])
        return Response(status_code=204)

    return (
        Endpoint("GET", "/api/v1/policy/risk", "risk.read", standing),
        Endpoint("GET", "/api/v1/policy/risk/{subject}", "risk.read", show),
        Endpoint("DELETE", "/api/v1/policy/risk/{subject}", "risk.forget", forget, max_body=0),
    )


def _told(risk: RiskScorer) -> dict[str, object]:
    found = risk.standing()
    return {
        "scored_by": found.model.sentence,
        "model": {"digest": found.model.digest, "trained_at": found.model.trained_at, "samples": found.model.samples,
                  "refused": found.model.refused},
        "countries": found.countries, "subjects": found.subjects, "requests": found.requests,
        "drift": {name: round(index, 4) for name, index in found.drift.items()}, "shifted": list(found.shifted),
    }


def _json(content: object) -> Response:
    return Response(orjson.dumps(content), media_type="application/json")
