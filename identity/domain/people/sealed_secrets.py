"""Secrets that we must read again, sealed at rest: AES-256-GCM under a key that is not in the database.

    key = HKDF-SHA-256(form key, info),        sealed = nonce(12) || AES-GCM(key, nonce, secret, AAD = owner)

The owner is bound in: a row moved to another person no longer opens.
"""

import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from shared_kernel.errors import UnavailableError

_NONCE = 12


class UnreadableSecretError(UnavailableError):
    """A sealed secret does not open: the key changed, or the row was tampered with."""

    def __init__(self) -> None:
        super().__init__("a stored factor cannot be opened: was the form key replaced? Use another factor")


def derived_key(form_key: bytes, purpose: str) -> bytes:
    """Return the key of one purpose."""
    return HKDF(SHA256(), 32, salt=None, info=f"gridwarden {purpose}".encode()).derive(form_key)


def sealed(secret: bytes, *, key: bytes, owner: str) -> bytes:
    """Return the secret as it may be stored."""
    nonce = secrets.token_bytes(_NONCE)
    return nonce + AESGCM(key).encrypt(nonce, secret, owner.encode())


def opened(stored: bytes, *, key: bytes, owner: str) -> bytes:
    """Return the secret; raise UnreadableSecretError."""
    try:
        return AESGCM(key).decrypt(stored[:_NONCE], stored[_NONCE:], owner.encode())
    except (InvalidTag, ValueError) as cause:
        raise UnreadableSecretError from cause
