"""What a ledger keeps outside its database: its signing key and every checkpoint it ever published.

ledger.key               the secret note signing key, mode 0600
ledger.vkey              the verifier key: hand it to your auditors
checkpoints/history      signed notes, one after the other, appended and fsynced
checkpoints/latest       the newest one
"""

import contextlib
import os
import secrets
from pathlib import Path

from audit_ledger.domain.ed25519 import KEY_BYTES
from audit_ledger.domain.errors import LedgerDownError
from audit_ledger.domain.note import NoteSigner, VerifierKey

_SIGNATURE = b"\xe2\x80\x94 "


class LedgerFolder:
    """Two folders: copy `checkpoints` off the machine, and nobody can rewrite what it covers."""

    def __init__(self, *, keys: Path, checkpoints: Path) -> None:
        self._keys = keys
        self._history = checkpoints / "history"
        self._is_whole = False

    def signer(self) -> NoteSigner:
        """Return the ledger's key, created at first use with a new ledger name `gridwarden/<8 hex digits>`."""
        path = self._keys / "ledger.key"
        if not path.exists():
            self._keys.mkdir(parents=True, exist_ok=True, mode=0o700)
            signer = NoteSigner(f"gridwarden/{secrets.token_hex(4)}", os.urandom(KEY_BYTES))
            _write_new(path, f"{signer.to_secret_text()}\n".encode(), mode=0o600)
            _write_new(self._keys / "ledger.vkey", f"{signer.verifier}\n".encode(), mode=0o644)
        return NoteSigner.parse(path.read_text().strip())

    def verifier(self) -> VerifierKey | None:
        """Return the public key, None when this folder has none."""
        try:
            return VerifierKey.parse((self._keys / "ledger.vkey").read_text().strip())
        except FileNotFoundError:
            return None

    def keep(self, note: bytes) -> None:
        """Append a checkpoint and fsync it; LedgerDownError when the disk does not take it."""
        try:
            self._history.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._cut_torn_end()
            with self._history.open("ab", buffering=0) as file:
                file.write(note)
                os.fsync(file.fileno())
            fresh = self._history.with_name("latest.new")
            fresh.write_bytes(note)
            fresh.replace(self._history.with_name("latest"))
        except OSError as cause:
            raise LedgerDownError(f"cannot write {self._history.name}: {cause.strerror}") from cause

    def checkpoints(self) -> list[bytes]:
        """Return every note ever kept, oldest first, and whatever else stands between them."""
        try:
            return _notes(self._history.read_bytes())[0]
        except FileNotFoundError:
            return []

    def latest(self) -> bytes | None:
        """Return the newest note kept."""
        try:
            return self._history.with_name("latest").read_bytes()
        except FileNotFoundError:
            return None

    def _cut_torn_end(self) -> None:
        """Drop the half-written note of a crash, which nobody was ever told of; once a process is enough."""
        if self._is_whole:
            return
        self._is_whole = True
        with contextlib.suppress(FileNotFoundError):
            _, whole = _notes(self._history.read_bytes())
            if whole < self._history.stat().st_size:
                os.truncate(self._history, whole)


def _notes(history: bytes) -> tuple[list[bytes], int]:
    """Split after each run of signature lines; return the notes and where the last whole one ends."""
    notes, start, signed, whole = [], 0, False, 0
    at = 0
    while (end := history.find(b"\n", at) + 1) > 0:
        is_signature = history.startswith(_SIGNATURE, at)
        if signed and not is_signature:
            notes.append(history[start:at])
            start = at
        signed, at = is_signature, end
        whole = end if is_signature else whole
    if signed:
        notes.append(history[start:at])
    return notes, whole


def _write_new(path: Path, content: bytes, *, mode: int) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
