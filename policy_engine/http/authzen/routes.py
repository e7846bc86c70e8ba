"""The routes of the AuthZEN Authorization API 1.0: ask once, ask often, search, and find out where to ask.

Enforcement points are OAuth clients: with the role `pep` they may ask, with `pep_search` they may search, for a search
tells who may do what.
"""

from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from policy_engine.http.authzen import searching
from policy_engine.http.authzen.city import City
from policy_engine.http.authzen.door import body_of, request_id_of, told
from policy_engine.http.authzen.evaluating import Answered, all_answered, answered
from policy_engine.http.authzen.messages import evaluation_of, evaluations_of
from policy_engine.http.authzen.metadata import MAX_AGE_S, PATHS, WELL_KNOWN, metadata
from policy_engine.http.authzen.pages import PageTokens
from policy_engine.http.authzen.sealing import seal_evaluations, seal_search
from policy_engine.http.authzen.searching import Found, Search, searched
from shared_kernel.context import context_of
from shared_kernel.endpoint import Endpoint

MAX_BODY = 262_144
EVALUATE, SEARCH = "authzen.evaluate", "authzen.search"


def endpoints(city: City) -> tuple[Endpoint, ...]:
    """Return the routes."""

    async def configuration(_: Request) -> Response:
        return Response(orjson.dumps(metadata(city.origin)), media_type="application/json",
                        headers={"cache-control": f"public, max-age={MAX_AGE_S}"})

    async def evaluation(request: Request) -> Response:
        found = await answered(evaluation_of(await body_of(request)), city)
        await _seal([found], request)
        return told(found.answer.to_json())

    async def evaluations(request: Request) -> Response:
        asked = evaluations_of(await body_of(request))
        found = await all_answered(asked, city)
        await _seal(found, request)
        if asked.is_single:
            return told(found[0].answer.to_json())
        return told({"evaluations": [each.answer.to_json() for each in found]})

    async def _seal(found: list[Answered], request: Request) -> None:
        await seal_evaluations(found, context_of(request.scope), request_id_of(request), city)

    return (
        Endpoint("GET", WELL_KNOWN, "authzen.metadata", configuration, max_body=0, echoes_request_id=True),
        _post("access_evaluation_endpoint", EVALUATE, evaluation),
        _post("access_evaluations_endpoint", EVALUATE, evaluations),
        _post("search_subject_endpoint", SEARCH, _search("subject", searching.subjects, city)),
        _post("search_resource_endpoint", SEARCH, _search("resource", searching.resources, city)),
        _post("search_action_endpoint", SEARCH, _search("action", searching.actions, city)),
    )


def _post(name: str, action: str, handler: Any) -> Endpoint:  # noqa: ANN401 - Starlette's handlers
    return Endpoint("POST", PATHS[name], action, handler, max_body=MAX_BODY, echoes_request_id=True)


def _search(about: str, search: Search, city: City) -> Any:  # noqa: ANN401 - Starlette's handlers
    async def handler(request: Request) -> Response:
        given, caller = await body_of(request), context_of(request.scope)
        asked = evaluation_of(given, searched=about)
        tokens = PageTokens(city.token_key, caller.principal.subject, given)
        found = await searched(search, asked, tokens.page, city)
        await seal_search(about, asked, found, caller, request_id_of(request), city)
        return told(_page(found, tokens.next_token(found.after)))

    return handler


def _page(found: Found, next_token: str) -> dict[str, Any]:
    """Return a page, itself first, as 8.3 recommends."""
    page: dict[str, Any] = {"page": {"next_token": next_token, "count": len(found.results)}}
    if found.why is not None:
        page["context"] = {"reason": found.why}
    return page | {"results": list(found.results)}
