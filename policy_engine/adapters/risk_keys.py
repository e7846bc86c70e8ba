"""The Ed25519 key that signs risk models: made at the first training, kept in the home, its public half beside it."""

import os
import stat
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from shared_kernel.errors import GridwardenError

SIGNATURE_BYTES = 64


class UnusableRiskKeyError(GridwardenError):
    """A key file that others can read, that is damaged, or that is missing."""


class RiskKeys:
    """`risk.key` signs, `risk.pub` verifies; a process that only scores needs the second."""

    def __init__(self, folder: Path) -> None:
        self._private, self._public = folder / "risk.key", folder / "risk.pub"

    def sign(self, message: bytes) -> bytes:
        """Return 64 bytes; make the pair when there is none."""
        if not self._private.exists():
            self._make()
        return self._signer().sign(message)

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Tell whether the signature is ours; raise UnusableRiskKeyError without a public key."""
        try:
            key = load_pem_public_key(self._public.read_bytes())
        except (OSError, ValueError) as cause:
            raise UnusableRiskKeyError(
                f"{self._public} holds no public key: restore it, or copy it from where the model was trained"
            ) from cause
        if not isinstance(key, Ed25519PublicKey):
            raise UnusableRiskKeyError(f"{self._public} is no Ed25519 key: restore it")
        try:
            key.verify(signature, message)
        except InvalidSignature:
            return False
        return True

    def _signer(self) -> Ed25519PrivateKey:
        if stat.S_IMODE(self._private.stat().st_mode) & 0o077:
            raise UnusableRiskKeyError(f"others can read {self._private}. If nobody did, run chmod 600 on it")
        try:
            key = load_pem_private_key(self._private.read_bytes(), None)
        except ValueError as cause:
            raise UnusableRiskKeyError(
                f"{self._private} is damaged: restore it, or delete both keys and train again") from cause
        if not isinstance(key, Ed25519PrivateKey):
            raise UnusableRiskKeyError(f"{self._private} is no Ed25519 key: restore it")
        return key

    def _make(self) -> None:
        key = Ed25519PrivateKey.generate()
        self._private.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write(self._private, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), 0o600)
        public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        self._public.unlink(missing_ok=True)
        _write(self._public, public, 0o644)


def _write(path: Path, raw: bytes, mode: int) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(raw)
        file.flush()
        os.fsync(file.fileno())
