"""The one byte form of an event: RFC 8785 canonical JSON, behind a door that admits nothing ambiguous.

Fast path: strings, booleans, null, integers to 2^53-1, lists and objects with ASCII keys serialise under orjson with
sorted keys exactly as RFC 8785 demands (ASCII sorts alike in UTF-8 and UTF-16). Everything else goes to `rfc8785`.
"""

import unicodedata
from typing import Any

import orjson
import rfc8785

from audit_ledger.domain.errors import RefusedEventError

MAX_PAYLOAD = 65_535
MAX_DEPTH = 64
MAX_SAFE_INTEGER = 2**53 - 1
_SCALARS = frozenset({str, int, bool, type(None)})
_CONTAINERS = (dict, list)


def canonical(value: Any) -> bytes:  # noqa: ANN401 - JSON is any JSON value
    """Return the RFC 8785 bytes of a JSON value, floats and non-ASCII keys included."""
    return bytes(rfc8785.dumps(value))


def payload_of(event: dict[str, Any]) -> bytes:
    """Return the bytes that are hashed and stored; raise RefusedEventError when the door policy says no.

    Refused: floats (send scaled integers or decimal strings), NaN, integers beyond 2^53-1, text that is not NFC or
    holds half a surrogate pair, keys that are not strings, nesting beyond 64, more than 65,535 bytes.
    """
    try:
        payload = _plain_payload(event)
        if payload is None:
            plain = _admit(event, "", MAX_DEPTH)
            payload = orjson.dumps(event, option=orjson.OPT_SORT_KEYS) if plain else canonical(event)
    except (TypeError, UnicodeEncodeError, rfc8785.CanonicalizationError) as cause:
        raise RefusedEventError("", f"is not JSON: {cause}") from cause
    if len(payload) > MAX_PAYLOAD:
        raise RefusedEventError("", f"has {len(payload)} bytes, at most {MAX_PAYLOAD}: store the evidence elsewhere "
                                    "and seal its SHA-256")
    return payload


def _plain_payload(event: dict[str, Any]) -> bytes | None:
    """Return the payload of an event that plainly needs no second look, as almost all do; None when it may."""
    if type(event) is not dict or not _has_plain_types(event, MAX_DEPTH):
        return None
    try:
        payload = orjson.dumps(event, option=orjson.OPT_SORT_KEYS | orjson.OPT_STRICT_INTEGER)
    except TypeError:
        return None
    return payload if payload.isascii() else None


def is_plain(event: dict[str, Any]) -> bool:
    """Tell whether JSON gives an event back exactly as it is: of types it has, and no subclass of them."""
    return type(event) is dict and _has_plain_types(event, MAX_DEPTH)


def _has_plain_types(value: dict[Any, Any] | list[Any], depth: int) -> bool:
    for each in value.values() if type(value) is dict else value:
        kind = type(each)
        if kind in _SCALARS:
            continue
        if kind not in _CONTAINERS or depth == 1 or not _has_plain_types(each, depth - 1):
            return False
    return True


def is_canonical(payload: bytes, value: Any) -> bool:  # noqa: ANN401 - JSON is any JSON value
    """Tell whether `payload`, which parses to `value`, is what the door makes of that value."""
    try:
        return payload_of(value) == payload
    except (RefusedEventError, RecursionError):
        return False


def _admit(value: Any, where: str, depth: int) -> bool:  # noqa: ANN401 - JSON is any JSON value
    """Tell whether the fast path may serialise `value`; raise when nothing may."""
    kind = type(value)
    if kind is str:
        return value.isascii() or _is_clean(value, where)
    if kind is bool or value is None:
        return True
    if kind is dict:
        return _admit_object(value, where, depth)
    if kind is int:
        if -MAX_SAFE_INTEGER <= value <= MAX_SAFE_INTEGER:
            return True
        raise RefusedEventError(where, "is an integer beyond 2^53-1: send a decimal string")
    if kind is list or kind is tuple:
        return _admit_list(value, where, depth)
    return _admit_subclass(value, where, depth)


def _admit_object(value: dict[Any, Any], where: str, depth: int) -> bool:
    if not depth:
        raise RefusedEventError(where, f"nests deeper than {MAX_DEPTH} levels")
    plain = True
    for key, held in value.items():
        if not isinstance(key, str):
            raise RefusedEventError(where, f"has the key {key!r}, and keys are strings")
        if not key.isascii():
            plain = False
            _is_clean(key, f"{where}.{key}")
        if type(held) is str and held.isascii():
            continue
        plain &= _admit(held, f"{where}.{key}" if where else key, depth - 1)
    return plain


def _admit_list(value: list[Any] | tuple[Any, ...], where: str, depth: int) -> bool:
    if not depth:
        raise RefusedEventError(where, f"nests deeper than {MAX_DEPTH} levels")
    plain = True
    for index, held in enumerate(value):
        plain &= _admit(held, f"{where}[{index}]", depth - 1)
    return plain


def _admit_subclass(value: Any, where: str, depth: int) -> bool:  # noqa: ANN401 - JSON is any JSON value
    if isinstance(value, str):
        return _admit(str.__str__(value), where, depth)
    if isinstance(value, int):
        return _admit(int(value), where, depth)
    if isinstance(value, float):
        raise RefusedEventError(where, f"is the float {value!r}: send a scaled integer or a decimal string")
    raise RefusedEventError(where, f"is a {type(value).__name__}, which JSON does not have")


def _is_clean(text: str, where: str) -> bool:
    if not unicodedata.is_normalized("NFC", text):
        raise RefusedEventError(where, "is not in Unicode normalisation form C")
    return True
