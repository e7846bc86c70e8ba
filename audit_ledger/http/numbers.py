"""Numbers in a request: plain decimals, since `int` alone would take `+5`, `1_000` and foreign digits."""

from typing import TypeVar

from starlette.requests import Request

from shared_kernel.errors import InvalidInputError

_MAX_DIGITS = 18
_Default = TypeVar("_Default", int, None)


def number(request: Request, name: str, default: _Default) -> int | _Default:
    """Return a query parameter, or the default when it is not given."""
    given = request.query_params.get(name)
    return default if given is None else decimal(given, name)


def decimal(text: str, name: str) -> int:
    """Read a plain decimal of at most 18 digits."""
    if not (text.isascii() and text.isdecimal() and len(text) <= _MAX_DIGITS):
        raise InvalidInputError(f"{name} is a plain decimal number, not {text[:40]!r}")
    return int(text)
