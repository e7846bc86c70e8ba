"""Form bodies, read strictly: one content type, UTF-8, in order, duplicates kept for the domain to refuse."""

from starlette.requests import Request

from identity.domain.oauth.parameters import read_pairs, unique
from shared_kernel.errors import InvalidInputError

FORM_TYPE = "application/x-www-form-urlencoded"
MAX_FORM = 16_384


async def form_pairs(request: Request) -> list[tuple[str, str]]:
    """Return the pairs of the body; raise InvalidInputError for anything but a form."""
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != FORM_TYPE:
        raise InvalidInputError(f"send the parameters as {FORM_TYPE}")
    try:
        text = (await request.body()).decode("ascii")
    except UnicodeDecodeError as cause:
        raise InvalidInputError("the body is not a URL-encoded form") from cause
    return read_pairs(text, MAX_FORM)


async def form_fields(request: Request) -> dict[str, str]:
    """Return the fields of one of our own forms; raise InvalidInputError when one stands twice."""
    fields, broken = unique(await form_pairs(request))
    if broken:
        raise InvalidInputError("a form field stands twice or holds control characters")
    return fields
