"""Reading the bodies and pages of the administrators' JSON API, strictly."""

from typing import TypeVar

import msgspec
from starlette.requests import Request

from shared_kernel.errors import InvalidInputError, UnprocessableError
from shared_kernel.strict_json import parse_strict

MAX_PAGE = 200
T = TypeVar("T")


def read_body(raw: bytes, shape: type[T]) -> T:
    """Return a body in its shape; raise InvalidInputError for no JSON, UnprocessableError for another shape."""
    try:
        return msgspec.convert(parse_strict(raw), shape)
    except msgspec.ValidationError as cause:
        raise UnprocessableError(f"the body does not fit: {cause}") from cause


def listing_page(request: Request) -> tuple[int, str]:
    """Return how many items a listing shall have, and after which."""
    text, after = request.query_params.get("limit", "50"), request.query_params.get("after", "")
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:6]) <= MAX_PAGE):
        raise InvalidInputError(f"limit must be a whole number from 1 to {MAX_PAGE}")
    if not (after.isascii() and after.isprintable()):
        raise InvalidInputError("after must be the `next` of the page before")
    return int(text), after
