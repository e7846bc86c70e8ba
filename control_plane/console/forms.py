"""Reading a posted form: URL-encoded, small, each field once."""

from http import HTTPStatus
from urllib.parse import parse_qsl

from starlette.exceptions import HTTPException
from starlette.requests import Request

MAX_BYTES = 16_384
MAX_FIELDS = 32
_TYPE = "application/x-www-form-urlencoded"


async def form_of(request: Request) -> dict[str, str]:
    """Return the form's fields; raise 413, 415 or 400 for what is none of ours."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _TYPE:
        raise HTTPException(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "This page takes a form.")
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BYTES:
            raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "This form is larger than any of ours.")
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="strict")
    except ValueError as cause:
        raise HTTPException(HTTPStatus.BAD_REQUEST, "This form cannot be read.") from cause
    if len(dict(pairs)) != len(pairs):
        raise HTTPException(HTTPStatus.BAD_REQUEST, "This form has a field twice.")
    return dict(pairs)
