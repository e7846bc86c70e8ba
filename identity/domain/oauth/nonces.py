"""Server nonces for DPoP (RFC 9449 section 8): nothing is stored, every process makes and accepts the same ones.

    nonce(t) = base64url( HMAC-SHA-256(key, "dpop-nonce " || floor(t / 120 s)) )[:24]

The nonce of the window before and of the one after is accepted too: a client has two to four minutes to use one, and
two machines may disagree about the time.
"""

import hashlib
import hmac

from identity.domain.jose.compact import encoded

WINDOW_US = 120_000_000
NONCE_LIFE_US = 3 * WINDOW_US
_LENGTH, _KEPT = 24, 3


class Nonces:
    """Makes and recognises nonces; `key` is the same in every process."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._made: dict[int, str] = {}

    def now(self, now_us: int) -> str:
        """Return the nonce of this window."""
        return self._of(now_us // WINDOW_US)

    def is_fresh(self, nonce: object, now_us: int) -> bool:
        """Whether this is a nonce of ours that still counts."""
        window = now_us // WINDOW_US
        return isinstance(nonce, str) and any(
            hmac.compare_digest(nonce.encode("utf-8", "surrogatepass"), self._of(window + step).encode())
            for step in (0, -1, 1))

    def _of(self, window: int) -> str:
        made = self._made.get(window)
        if made is None:
            digest = hmac.digest(self._key, f"dpop-nonce {window}".encode(), hashlib.sha256)
            made = encoded(digest)[:_LENGTH]
            self._made = {at: text for at, text in self._made.items() if abs(at - window) < _KEPT} | {window: made}
        return made
