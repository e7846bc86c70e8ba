"""The receiver over HTTP: a security event token is pushed, 202 says that it took effect (RFC 8935)."""

from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from identity.domain.signals.received import RefusedSetError
from identity.domain.signals.tokens import MEDIA_TYPE
from identity.http.oauth.protocol import json_response
from identity.service import IdentityProvider
from shared_kernel.context import context_of
from shared_kernel.endpoint import Endpoint

PATH = "/signals/events"
MAX_TOKEN = 16_384


def receiver_endpoints(provider: IdentityProvider) -> tuple[Endpoint, ...]:
    """Return the route below the path of the issuer."""

    async def receive(request: Request) -> Response:
        try:
            await provider.signal_receiver.receive(await _token(request), context_of(request.scope))
        except RefusedSetError as error:
            return json_response({"err": error.code, "description": error.detail}, 400,
                                 headers={"Content-Language": "en"})
        return Response(status_code=202, headers={"Cache-Control": "no-store"})

    base = urlsplit(provider.issuer).path
    return (Endpoint("POST", base + PATH, "signals.receive", receive, max_body=MAX_TOKEN, own_credentials=True),)


async def _token(request: Request) -> str:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != MEDIA_TYPE:
        raise RefusedSetError("invalid_request", f"send the token as {MEDIA_TYPE}")
    try:
        return (await request.body()).decode("ascii").strip()
    except UnicodeDecodeError as cause:
        raise RefusedSetError("invalid_request", "the body is not a token") from cause
