"""A compact JWS taken apart: capped, in canonical base64url, its header a strict JSON object (RFC 7515 section 7.1).

Nothing here trusts anything: the parts are readable, not verified.
"""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from typing import Any, TypeAlias

from identity.domain.oauth.errors import InvalidTokenError
from shared_kernel.errors import InvalidInputError
from shared_kernel.strict_json import parse_strict

Claims: TypeAlias = dict[str, Any]

MAX_TOKEN_BYTES = 8_192
MAX_FOREIGN_BYTES = 16_384
_SHAPE = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]*)\.([A-Za-z0-9_-]+)", re.ASCII)


@dataclass(frozen=True, slots=True)
class CompactJws:
    """The parts; `signed` is what the signature is over."""

    header: Claims
    payload: bytes
    signed: bytes
    signature: bytes

    def claims(self) -> Claims:
        """Return the payload of a JWT (RFC 7519 section 7.2); raise InvalidTokenError unless it is a JSON object."""
        return json_object(self.payload, "payload")


def taken_apart(token: str, *, max_bytes: int = MAX_TOKEN_BYTES) -> CompactJws:
    """Return the parts; raise InvalidTokenError. A JWE, with its five parts, is not a token here."""
    if len(token) > max_bytes:
        raise InvalidTokenError(f"it is longer than {max_bytes} bytes")
    shape = _SHAPE.fullmatch(token)
    if shape is None:
        raise InvalidTokenError("it is not a compact JWS: three parts in base64url")
    header, payload, signature = (decoded(part) for part in shape.groups())
    return CompactJws(json_object(header, "header"), payload, token[:shape.end(2)].encode(), signature)


def encoded(raw: bytes) -> str:
    """Return base64url without padding."""
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def decoded(part: str) -> bytes:
    """Return the bytes of canonical base64url; raise InvalidTokenError."""
    try:
        found = urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except ValueError as cause:
        raise InvalidTokenError("it is not base64url") from cause
    if urlsafe_b64encode(found).rstrip(b"=") != part.encode():
        raise InvalidTokenError("its base64url is not canonical")
    return found


def json_object(text: bytes, name: str) -> Claims:
    """Return a strict JSON object; raise InvalidTokenError."""
    try:
        found = parse_strict(text)
    except InvalidInputError as cause:
        raise InvalidTokenError(f"its {name} is not strict JSON") from cause
    if not isinstance(found, dict):
        raise InvalidTokenError(f"its {name} is not a JSON object")
    return found
