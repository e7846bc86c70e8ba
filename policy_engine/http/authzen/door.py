"""How requests arrive: JSON by its media type, parsed strictly, from a caller who may name its request."""

from typing import Any, ClassVar

import orjson
from starlette.requests import Request
from starlette.responses import Response

from policy_engine.http.authzen.messages import Json, MalformedRequestError
from shared_kernel.errors import InvalidInputError
from shared_kernel.strict_json import parse_strict

MEDIA_TYPE = "application/json"
REQUEST_ID = "x-request-id"


class UnsupportedMediaTypeError(InvalidInputError):
    """The body is not announced as JSON (415)."""

    kind: ClassVar[str] = "unsupported-media-type"

    def __init__(self) -> None:
        super().__init__("send the request as Content-Type: application/json")


async def body_of(request: Request) -> Json:
    """Return the body, an object; raise InvalidInputError with what is wrong in it."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != MEDIA_TYPE:
        raise UnsupportedMediaTypeError
    given: Any = parse_strict(await request.body())
    if not isinstance(given, dict):
        raise MalformedRequestError("the body", "an object")
    return given


def request_id_of(request: Request) -> str | None:
    """Return what the caller named its request, which the gateway repeats in the answer."""
    return request.headers.get(REQUEST_ID)


def told(content: object) -> Response:
    """Return an answer."""
    return Response(orjson.dumps(content), media_type=MEDIA_TYPE)
