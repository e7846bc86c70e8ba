"""WebAuthn challenges that nobody has to remember: the challenge itself says that it is ours, for whom, and since when.

    challenge = nonce(16) || issued at, seconds(8) || HMAC-SHA-256(key, "webauthn" 0x00 purpose 0x00 browser 0x00 user
                0x00 nonce || issued at)

It verifies for one purpose, in one browser and for ten minutes; whoever takes an answer claims the challenge's digest,
so that it is good once (WebAuthn 3 section 13.4.3). Nothing is written before a signature was right: strangers cannot
fill the database.
"""

import hashlib
import hmac
import secrets
from enum import StrEnum

LIFETIME_S = 600
_NONCE, _TIME, _MAC = 16, 8, 32


class Ceremony(StrEnum):
    """What a challenge is good for."""

    ENROL = "enrol"
    SIGN_IN = "sign-in"
    SECOND_FACTOR = "second-factor"


def new_challenge(ceremony: Ceremony, *, key: bytes, browser: str, user_id: str, now_s: int,  # noqa: PLR0913 - what it is bound to
                  form: str | None = None) -> bytes:
    """Return a challenge for a ceremony in a browser; `user_id` is empty while nobody has said who they are.

    With `form`, the seal of the page it stands on, which nobody can guess, the page is the same however often it is
    shown: a refused login looks like any other, byte for byte.
    """
    nonce = hmac.digest(key, form.encode(), hashlib.sha256)[:_NONCE] if form else secrets.token_bytes(_NONCE)
    head = nonce + now_s.to_bytes(_TIME)
    return head + _mac(head, ceremony, key=key, browser=browser, user_id=user_id)


def is_ours(challenge: bytes, ceremony: Ceremony, *, key: bytes, browser: str, user_id: str, now_s: int) -> bool:  # noqa: PLR0913 - what it is bound to
    """Whether we made this challenge for this ceremony, browser and person, not too long ago."""
    if len(challenge) != _NONCE + _TIME + _MAC or not browser:
        return False
    head, mac = challenge[:-_MAC], challenge[-_MAC:]
    age_s = now_s - int.from_bytes(head[_NONCE:])
    return hmac.compare_digest(mac, _mac(head, ceremony, key=key, browser=browser, user_id=user_id)) and (
        0 <= age_s <= LIFETIME_S)


def _mac(head: bytes, ceremony: Ceremony, *, key: bytes, browser: str, user_id: str) -> bytes:
    about = b"\0".join((b"webauthn", ceremony.encode(), browser.encode(), user_id.encode(), head))
    return hmac.digest(key, about, hashlib.sha256)
