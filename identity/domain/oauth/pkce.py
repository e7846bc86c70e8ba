"""Proof Key for Code Exchange, S256 only (RFC 7636): challenge = BASE64URL(SHA-256(verifier))."""

import hashlib
import hmac
import re

from identity.domain.jose.compact import encoded

_VERIFIER = re.compile(r"[A-Za-z0-9\-._~]{43,128}", re.ASCII)
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)


def challenge_of(verifier: str) -> str:
    """Return the S256 challenge (RFC 7636 section 4.2)."""
    return encoded(hashlib.sha256(verifier.encode()).digest())


def is_challenge(text: str) -> bool:
    """Whether a text can be an S256 challenge: 32 bytes, base64url, unpadded."""
    return _CHALLENGE.fullmatch(text) is not None


def is_verifier(text: str) -> bool:
    """Whether a text has a verifier's alphabet and length, 43 to 128 (RFC 7636 section 4.1)."""
    return _VERIFIER.fullmatch(text) is not None


def proves(verifier: str, challenge: str) -> bool:
    """Whether the verifier is the one behind the challenge, in constant time."""
    return hmac.compare_digest(challenge_of(verifier), challenge)
