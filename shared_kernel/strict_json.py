"""The one JSON door: RFC 8259 without its ambiguities (duplicate keys, NaN, deep nesting, invalid UTF-8)."""

import json
from typing import Any, NoReturn

from shared_kernel.errors import InvalidInputError

MAX_DEPTH = 64


def parse_strict(body: bytes) -> Any:  # noqa: ANN401 - JSON is any JSON value
    """Return the value of a JSON text; raise InvalidInputError with what is wrong in it."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as cause:
        raise InvalidInputError(f"the body is not UTF-8 at byte {cause.start}") from cause
    if text.startswith("\ufeff"):
        raise InvalidInputError("the body starts with a byte order mark; send plain UTF-8")
    _refuse_depth(text)
    try:
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite)
        if "\\u" in text:
            json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as cause:
        raise InvalidInputError("the body holds half of a surrogate pair") from cause
    except ValueError as cause:
        raise InvalidInputError(f"the body is not JSON: {cause}") from cause
    return value


def _refuse_depth(text: str) -> None:
    """Bound nesting before the recursive parser sees it; brackets inside strings do not count."""
    depth, quoted, escaped = 0, False, False
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return
    for char in text:
        if quoted:
            escaped, quoted = (not escaped and char == "\\"), (escaped or char != '"')
        elif char == '"':
            quoted = True
        elif char in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise InvalidInputError(f"the body nests deeper than {MAX_DEPTH} levels")
        elif char in "]}":
            depth -= 1


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise InvalidInputError(f"the key {twice!r} stands twice in one object")
    return found


def _no_constant(name: str) -> NoReturn:
    raise InvalidInputError(f"{name} is not JSON")


def _finite(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise InvalidInputError(f"the number {text[:40]} is out of range")
    return value
