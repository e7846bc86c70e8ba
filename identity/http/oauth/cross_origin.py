"""Cross-origin requests: single-page applications call these endpoints with a token, never with a cookie.

Any origin may ask, because nothing a browser adds by itself counts here (Fetch, CORS protocol); DPoP nonces and
challenges must be readable to be of use (RFC 9449 section 8, RFC 6750 section 3).
"""

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

OPEN: dict[str, str] = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "WWW-Authenticate, DPoP-Nonce",
}
_PREFLIGHT: Mapping[str, str] = {
    **OPEN,
    "Access-Control-Allow-Methods": "GET, POST",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, DPoP",
    "Access-Control-Max-Age": "7200",
    "Cache-Control": "no-store",
}


async def preflight(_: Request) -> Response:
    """Allow what the endpoint takes anyway."""
    return Response(status_code=204, headers=dict(_PREFLIGHT))
