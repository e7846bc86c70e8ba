"""Time-based one-time passwords (RFC 6238 over RFC 4226), six digits of HMAC-SHA-1 every 30 seconds.

    HOTP(K, C) = Truncate(HMAC-SHA-1(K, C)) mod 10^6,        TOTP = HOTP(K, floor(unix time / 30))

SHA-1 is what every authenticator app speaks; HMAC does not lean on its collision resistance (RFC 6238 section 1.2).
A code is good once: its step must be later than the last one taken (section 5.2).
"""

import hmac
import re
import secrets
from base64 import b32encode
from urllib.parse import quote, urlencode

STEP_S = 30
DIGITS = 6
WINDOW = 1
"""Steps before and after now that are tried too: clocks drift (RFC 6238 section 6)."""
_SECRET_BYTES = 20
_CODE = re.compile(r"[0-9]{6}", re.ASCII)


def new_secret() -> bytes:
    """Return a shared secret as long as the hash (RFC 4226 section 4, R6)."""
    return secrets.token_bytes(_SECRET_BYTES)


def code_at(secret: bytes, step: int, *, digits: int = DIGITS, algorithm: str = "sha1") -> str:
    """Return the code of a step."""
    digest = hmac.digest(secret, step.to_bytes(8), algorithm)
    offset = digest[-1] & 0x0F
    number = int.from_bytes(digest[offset:offset + 4]) & 0x7FFF_FFFF
    return str(number % 10**digits).zfill(digits)


def is_code(text: str) -> bool:
    """Whether a text has the shape of a code."""
    return _CODE.fullmatch(text) is not None


def step_of(secret: bytes, code: str, *, now_s: int, last_step: int) -> int | None:
    """Return the step this code belongs to, None unless it is near now and later than the last one taken."""
    now = now_s // STEP_S
    found = None
    for step in range(max(0, now - WINDOW), now + WINDOW + 1):
        is_right = hmac.compare_digest(code_at(secret, step).encode(), code.encode())
        if is_right and step > last_step:
            found = step
    return found


def provisioning_uri(secret: bytes, *, account: str, issuer: str) -> str:
    """Return the `otpauth` URI that authenticator apps read (Google Authenticator's key URI format)."""
    label = quote(f"{issuer}:{account}", safe=":@")
    query = urlencode({"secret": shown_secret(secret), "issuer": issuer, "algorithm": "SHA1", "digits": DIGITS,
                       "period": STEP_S}, quote_via=quote)
    return f"otpauth://totp/{label}?{query}"


def shown_secret(secret: bytes) -> str:
    """Return the secret as a person types it, for a phone that cannot scan."""
    return b32encode(secret).decode().rstrip("=")
