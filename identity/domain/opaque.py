"""Opaque credentials: `gw_<kind>_<id>.<256 random bits>`. The id finds the row, only the SHA-256 is stored.

A fast hash suffices: the secret has 256 bits of entropy, so there is nothing to guess.
"""

import hashlib
import re
import secrets
from dataclasses import dataclass, field
from enum import StrEnum


class Kind(StrEnum):
    """What the credential is for; it is part of the text, so that a leak says what leaked."""

    CODE = "code"
    DEVICE = "device"
    REFRESH = "refresh"
    SESSION = "session"
    LINK = "link"
    REQUEST = "request"
    STEP = "step"
    BROWSER = "browser"
    INITIAL = "initial"
    REGISTRATION = "registration"
    SECRET = "secret"  # noqa: S105 - the name of a kind


_SHAPE = re.compile(rf"gw_({'|'.join(Kind)})_([0-9a-f]{{32}})\.([A-Za-z0-9_-]{{43}})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Opaque:
    """A credential in clear, on its way to or from its holder; never logged, never stored."""

    kind: Kind
    id: str
    text: str = field(repr=False)

    @property
    def sha256(self) -> bytes:
        """What is stored."""
        return sha256(self.text)


def mint(kind: Kind, found_by: str | None = None) -> Opaque:
    """Return a new credential with a 256-bit secret and a random id, or a new secret for a row that has its id."""
    found_by = found_by or secrets.token_hex(16)
    return Opaque(kind, found_by, f"gw_{kind}_{found_by}.{secrets.token_urlsafe(32)}")


def read(text: str, kind: Kind) -> Opaque | None:
    """Return the credential a text spells, or None when it is not one of this kind."""
    match = _SHAPE.fullmatch(text)
    return Opaque(kind, match[2], text) if match and match[1] == kind else None


def sha256(text: str) -> bytes:
    """Return the digest under which a secret is stored."""
    return hashlib.sha256(text.encode()).digest()
