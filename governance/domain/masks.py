"""Masks: the Iceberg REST catalog's read-restriction actions, as functions of one value.

Every mask keeps null null. A value that a mask is not made for becomes null, never itself. Two masks on one
column: the stricter. An action that is not in the table denies the read.
Where Iceberg's show-last-4 shows texts of up to four characters whole, ours hides them.
"""

import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from hashlib import sha256
from typing import Any

from governance.domain.errors import UnknownMaskError

NULL_MASK = "replace-with-null"
_KEPT = frozenset("(),.-@")
_DIGITS = frozenset("0123456789")
_SHOWN = 4
_ISO_DATE = re.compile(r"(\d{4})-(0[1-9]|1[0-2])-\d\d(?:[T ].*)?")

Masking = Callable[[Any, bytes], Any]


@dataclass(frozen=True, slots=True)
class Mask:
    """One action; a higher `strictness` tells less. `apply` takes a value and the pseudonym key."""

    action: str
    strictness: int
    apply: Masking


def _null(_value: object, _key: bytes) -> None:
    """Everything becomes null."""


def _mask_alphanum(value: object, _key: bytes) -> str | None:
    """Digits become n, `( ) , . - @` stay, everything else becomes x; length stays."""
    return "".join(map(_hidden, value)) if isinstance(value, str) else None


def _hidden(char: str) -> str:
    if char in _DIGITS:
        return "n"
    return char if char in _KEPT else "x"


def _show_last_4(value: object, _key: bytes) -> str | None:
    if not isinstance(value, str):
        return None
    hidden = len(value) - _SHOWN if len(value) > _SHOWN else len(value)
    return "".join(map(_hidden, value[:hidden])) + value[hidden:]


def _pseudonym(value: object, key: bytes) -> str | None:
    """HMAC-SHA-256 under a key of the installation: equal values stay equal, guessing them needs the key."""
    if value is None:
        return None
    return hmac.new(key, f"{type(value).__name__}:{value}".encode(), sha256).hexdigest()


def _truncate_to_month(value: object, _key: bytes) -> object:
    if isinstance(value, datetime):
        return value.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    if isinstance(value, date):
        return value.replace(day=1)
    found = _ISO_DATE.fullmatch(value) if isinstance(value, str) else None
    return f"{found[1]}-{found[2]}-01" if found else None


MASKS: dict[str, Mask] = {mask.action: mask for mask in (
    Mask("show-last-4", 1, _show_last_4),
    Mask("truncate-to-month", 2, _truncate_to_month),
    Mask("sha-256-global", 3, _pseudonym),
    Mask("mask-alphanum", 4, _mask_alphanum),
    Mask(NULL_MASK, 5, _null),
)}


def mask_named(action: str) -> Mask:
    """Return the mask of an action; an unknown one raises UnknownMaskError."""
    try:
        return MASKS[action]
    except KeyError:
        raise UnknownMaskError(action) from None


def strictest(*actions: str) -> str:
    """Return the action that tells least; every one of them must be known."""
    return max(map(mask_named, actions), key=lambda mask: mask.strictness).action
