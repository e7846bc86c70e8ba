"""Reads query parameters; what is not understood is refused with the parameter's name."""

from collections.abc import Mapping

from shared_kernel.errors import InvalidInputError


def only(query: Mapping[str, str], *names: str) -> None:
    """Refuse parameters nobody reads."""
    for name in query:
        if name not in names:
            raise InvalidInputError(f"the parameter {name!r} is not known here: use {', '.join(names)}")
        if not query[name].isprintable():
            raise InvalidInputError(f"the parameter {name!r} must be printable text")


def whole(query: Mapping[str, str], name: str, *, default: int, highest: int) -> int:
    """Return a whole number from 0 to `highest`."""
    text = query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(highest)) and int(text) <= highest):
        raise InvalidInputError(f"the parameter {name!r} must be a whole number up to {highest}")
    return int(text)
