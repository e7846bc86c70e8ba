"""Runs over HTTP: the list, one run with its journal, and the two answers an approval can get."""

from typing import Annotated

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from shared_kernel.context import context_of
from shared_kernel.endpoint import Endpoint
from soar_playbooks.http.answers import answer, body_of, number_of, summary, whole
from soar_playbooks.service.responder import Responder, Ruling

_DEFAULT_PAGE = 50
_MAX_PAGE = 200
_MAX_NUMBER = 2**63 - 1


class RulingBody(msgspec.Struct, forbid_unknown_fields=True):
    """What a person sends to approve or deny; `plan_hash` says which plan they read."""

    comment: Annotated[str, msgspec.Meta(max_length=500, pattern=r"^[^\x00]*$")] = ""
    plan_hash: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")] | None = None


def run_endpoints(responder: Responder) -> tuple[Endpoint, ...]:
    """Return the routes about runs."""

    async def list_runs(request: Request) -> Response:
        limit = number_of(request.query_params, "limit", _MAX_PAGE) or _DEFAULT_PAGE
        runs = await responder.runs(number_of(request.query_params, "before", _MAX_NUMBER), limit)
        following = runs[-1].number if len(runs) == limit else None
        return answer({"items": [summary(run) for run in runs], "next": following})

    async def show_run(request: Request) -> Response:
        return answer(whole(await responder.story(request.path_params["run_id"])))

    async def approve(request: Request) -> Response:
        return await rule(request, granting=True)

    async def deny(request: Request) -> Response:
        return await rule(request, granting=False)

    async def rule(request: Request, *, granting: bool) -> Response:
        body, context = body_of(await request.body(), RulingBody), context_of(request.scope)
        run_id = request.path_params["run_id"]
        ruling = Ruling(granting, body.comment, body.plan_hash)
        await responder.decide(run_id, ruling, by=context.principal, context=context)
        return answer(whole(await responder.story(run_id)))

    return (
        Endpoint("GET", "/api/v1/playbooks/runs", "playbooks.read", list_runs),
        Endpoint("GET", "/api/v1/playbooks/runs/{run_id}", "playbooks.read", show_run),
        Endpoint("POST", "/api/v1/playbooks/runs/{run_id}/approve", "playbooks.approve", approve, max_body=4_096),
        Endpoint("POST", "/api/v1/playbooks/runs/{run_id}/deny", "playbooks.approve", deny, max_body=4_096),
    )
