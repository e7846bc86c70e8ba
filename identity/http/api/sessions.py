"""Everybody's live sessions, for those who watch: listed, and ended one by one."""

import re

from starlette.requests import Request
from starlette.responses import Response

from identity.http.api.administration import session_document
from identity.http.api.bodies import listing_page
from identity.http.oauth.protocol import json_response
from identity.service import IdentityProvider
from identity.store.account_views import LiveSession
from shared_kernel.clock import to_iso
from shared_kernel.context import context_of
from shared_kernel.endpoint import Endpoint
from shared_kernel.errors import InvalidInputError

MAX_NAME = 64
_PLACE = re.compile(r"([0-9]{1,16})\.([!-~]{1,64})")
_END = (1 << 62, "~")


def session_endpoints(provider: IdentityProvider) -> tuple[Endpoint, ...]:
    """Return the routes."""

    async def listed(request: Request) -> Response:
        limit, after = listing_page(request)
        name = request.query_params.get("name", "")
        if len(name) > MAX_NAME:
            raise InvalidInputError(f"name must have at most {MAX_NAME} characters")
        found = await provider.accounts.live_sessions(name, _place(after), limit)
        return json_response({"items": [_document(session) for session in found],
                              "next": _next(found[-1]) if len(found) == limit else None})

    async def end(request: Request) -> Response:
        context = context_of(request.scope)
        await provider.accounts.end_any_session(
            request.path_params["session_id"], by=context.principal, context=context)
        return Response(status_code=204)

    return (
        Endpoint("GET", "/api/v1/sessions", "sessions.read", listed),
        Endpoint("DELETE", "/api/v1/sessions/{session_id}", "sessions.end", end, max_body=0),
    )


def _document(session: LiveSession) -> dict[str, object]:
    return {**session_document(session.view), "user": {"id": session.user_id, "name": session.user_name},
            "signed_in_at": to_iso(session.view.since_us), "expires_at": to_iso(session.expires_at_us),
            "applications": list(session.applications)}


def _next(session: LiveSession) -> str:
    return f"{session.view.since_us}.{session.view.id}"


def _place(after: str) -> tuple[int, str]:
    """Return where a page begins: below the last session of the page before."""
    if not after:
        return _END
    found = _PLACE.fullmatch(after)
    if found is None:
        raise InvalidInputError("after must be the `next` of the page before")
    return int(found[1]), found[2]
