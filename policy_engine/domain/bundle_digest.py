"""The digest of a bundle's file, as OPA takes it (its `v1/bundle/hash.go`).

    policy text:                the hash of its bytes
    data.json and .manifest:    the hash of the value, keys sorted, no white space, numbers as they are written

So a signature outlives re-formatting of JSON, and two texts of one value have one digest.
"""

import hashlib
import json
from contextlib import suppress
from typing import Any, NoReturn

from policy_engine.domain.bundle import RefusedBundleError
from shared_kernel.errors import InvalidInputError
from shared_kernel.strict_json import parse_strict

DEFAULT = "SHA-256"
_HASHES = {"SHA-256": "sha256", "SHA-384": "sha384", "SHA-512": "sha512"}
"""OPA also takes MD5 and SHA-1, which prove nothing any more."""
_STRUCTURED = frozenset({"data.json", ".manifest"})
_ESCAPED = str.maketrans({"\u2028": "\\u2028", "\u2029": "\\u2029"})
"""Go escapes these two in every text; Python does not."""


_PLAIN_DIGITS = 18


class _OddNumberError(Exception):
    """A number that Python would write in another way: the value is written by hand, which takes ten times as long."""


class _Literal(str):
    """A number as it is written: 1.0 and 1 are two texts, and OPA keeps them apart."""

    __slots__ = ()


def digest_of(name: str, raw: bytes, algorithm: str = DEFAULT) -> str:
    """Return the hexadecimal digest; raise RefusedBundleError for an algorithm that is weak or unknown."""
    if algorithm not in _HASHES:
        raise RefusedBundleError(f"{name} is hashed with {algorithm!r}: sign with {', '.join(_HASHES)}")
    hashed = _canonical(name, raw) if name.rpartition("/")[2] in _STRUCTURED else raw
    return hashlib.new(_HASHES[algorithm], hashed).hexdigest()


def _canonical(name: str, raw: bytes) -> bytes:
    try:
        parse_strict(raw)
    except InvalidInputError as cause:
        raise RefusedBundleError(f"{name}: {cause}") from cause
    with suppress(_OddNumberError):
        value = json.loads(raw, parse_int=_plain, parse_float=_odd)
        told = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        return told.translate(_ESCAPED).encode()
    return "".join(_texts(json.loads(raw, parse_int=_Literal, parse_float=_Literal))).encode()


def _plain(text: str) -> int:
    """Return a number that is written back as it stands."""
    value = int(text) if len(text) <= _PLAIN_DIGITS else 0
    return value if str(value) == text else _odd(text)


def _odd(text: str) -> NoReturn:
    raise _OddNumberError(text)


def _texts(value: Any) -> list[str]:  # noqa: ANN401 - any JSON
    if isinstance(value, dict):
        members = (["," if place else "", _text(key), ":", *_texts(value[key])]
                   for place, key in enumerate(sorted(value)))
        return ["{", *(part for member in members for part in member), "}"]
    if isinstance(value, list):
        items = (["," if place else "", *_texts(item)] for place, item in enumerate(value))
        return ["[", *(part for item in items for part in item), "]"]
    return [str(value) if isinstance(value, _Literal) else _text(value)]


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False).translate(_ESCAPED)
