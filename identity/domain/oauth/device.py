"""The device grant's two codes and its pace (RFC 8628): one for the machine, one that a person types.

    user code = 8 letters of 20 consonants: 20**8 = 2.6e10, 34 bits

No vowels, so that no code is a word; shown as BCDF-GHJK, read whatever the case and the dashes (section 6.1). Guessing
is bounded by the code's life, the tries of a session and of an address (section 5.1).
"""

import re
import secrets
from dataclasses import dataclass, field

from identity.domain.oauth.errors import OAuthError
from identity.domain.records import GrantTerms

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:device_code"
LIFETIME_S = 600
INTERVAL_S = 5
SLOWER_S = 5
"""What `slow_down` adds to the interval (RFC 8628 section 3.5)."""
MAX_INTERVAL_S = 60

ATTEMPT_WINDOW_US = 600 * 1_000_000
MAX_TRIES_OF_SESSION = 5
MAX_TRIES_OF_ADDRESS = 20

_ALPHABET = "BCDFGHJKLMNPQRSTVWXZ"
_LETTERS = 8
_NOISE = re.compile(r"[^A-Z]")


@dataclass(frozen=True, slots=True)
class DeviceRequest:
    """A device that waits. `status` is `pending`, `allowed`, `denied` or `used`; allowed, it has a grant."""

    id: str
    user_code: str
    client_id: str
    scopes: frozenset[str]
    status: str
    expires_at_us: int
    interval_s: int = INTERVAL_S
    grant_id: str | None = None
    terms: GrantTerms = field(default_factory=GrantTerms)


def new_user_code() -> str:
    """Return eight letters nobody can foretell."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(_LETTERS))


def shown(user_code: str) -> str:
    """Return a user code as people read it."""
    return f"{user_code[:4]}-{user_code[4:]}"


def read_user_code(text: str) -> str | None:
    """Return the code a person typed, None when it can be none."""
    found = _NOISE.sub("", text.upper()) if len(text) <= 4 * _LETTERS else ""
    return found if len(found) == _LETTERS and all(letter in _ALPHABET for letter in found) else None


def check_allowed(request: DeviceRequest, *, is_too_fast: bool, now_us: int) -> None:
    """Raise OAuthError unless the person allowed it; the order of RFC 8628 section 3.5."""
    if request.expires_at_us <= now_us:
        raise OAuthError("expired_token", "nobody allowed this device in time: start again")
    if request.status == "denied":
        raise OAuthError("access_denied", "the person said no")
    if request.status == "pending" and is_too_fast:
        raise OAuthError("slow_down", f"poll every {request.interval_s} seconds")
    if request.status == "pending":
        raise OAuthError("authorization_pending", "nobody has allowed this device yet")
