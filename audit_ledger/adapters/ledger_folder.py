"""What a ledger keeps outside its database: its signing key and every checkpoint it ever published.

ledger.key               the secret note signing key, mode 0600
ledger.vkey              the verifier key: hand it to your auditors
checkpoints/history      signed notes, one after the other, appended and fsynced
checkpoints/latest       the newest one
checkpoints/<size>.tsr   what a timestamp authority answered to the note of that size

Two processes that take turns in leading may share the folder.
"""

import errno
import fcntl
import os
import secrets
from io import FileIO
from pathlib import Path
from time import monotonic, sleep

from audit_ledger.adapters.durable_file import put_durably
from audit_ledger.domain.c2sp.checkpoint import read_unverified
from audit_ledger.domain.c2sp.ed25519 import KEY_BYTES
from audit_ledger.domain.c2sp.note import NoteSigner, VerifierKey
from audit_ledger.domain.errors import MalformedNoteError
from shared_kernel.errors import UnavailableError

_LOCK_PATIENCE_S = 1.0
_SIGNATURE = b"\xe2\x80\x94 "


class NotKeptError(UnavailableError):
    """The disk does not take what must be kept outside the database."""

    def __init__(self, name: str, cause: OSError) -> None:
        super().__init__(f"{name} cannot be kept outside the database ({cause.strerror}): look at the checkpoints "
                         "folder; it is tried again, entries are sealed meanwhile")


class LedgerFolder:
    """Two folders: copy `checkpoints` off the machine, and nobody can rewrite what it covers."""

    def __init__(self, *, keys: Path, checkpoints: Path) -> None:
        self._keys = keys
        self._history = checkpoints / "history"
        self._whole_bytes = -1

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

    def remember(self, key: VerifierKey) -> None:
        """Write the public key of a signer whose secret is elsewhere; the first one stays."""
        self._keys.mkdir(parents=True, exist_ok=True, mode=0o700)
        _write_new(self._keys / "ledger.vkey", f"{key}\n".encode(), mode=0o644)

    def keep(self, note: bytes) -> None:
        """Append a checkpoint and fsync it; NotKeptError when the disk does not take it whole."""
        try:
            self._history.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with self._history.open("a+b", buffering=0) as file:
                _lock(file)
                if self._is_news(note):
                    self._append(file, note)
                    put_durably(self._history.with_name("latest"), note)
        except OSError as cause:
            raise NotKeptError("a checkpoint", cause) from cause

    def keep_timestamp(self, size: int, token: bytes) -> None:
        """Write a timestamp authority's answer beside the checkpoints."""
        try:
            put_durably(self._history.with_name(f"{size}.tsr"), token)
        except OSError as cause:
            raise NotKeptError(f"the timestamp {size}.tsr", cause) from cause

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

    def _is_news(self, note: bytes) -> bool:
        """A process that wakes when another leads may hold an older checkpoint than the newest kept."""
        latest = self.latest()
        try:
            return latest is None or read_unverified(latest).size < read_unverified(note).size
        except MalformedNoteError:
            return True

    def _append(self, file: FileIO, note: bytes) -> None:
        end = self._cut_torn_end(file)
        self._whole_bytes = -1
        _write_whole(file, note)
        self._whole_bytes = end + len(note)

    def _cut_torn_end(self, file: FileIO) -> int:
        """Drop a half-written note, which nobody was ever told of; return where the file ends."""
        end = file.seek(0, os.SEEK_END)
        if end != self._whole_bytes:
            file.seek(0)
            end = _notes(file.readall())[1]
            file.truncate(end)
        return end


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
    with os.fdopen(handle, "wb", buffering=0) as file:
        _write_whole(file, content)


def _lock(file: FileIO) -> None:
    """A process that is paused in here must not stop the one that leads now: that one says so and tries again."""
    deadline = monotonic() + _LOCK_PATIENCE_S
    while True:
        try:
            return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as cause:
            if monotonic() > deadline:
                raise OSError(errno.EAGAIN, "another process, which may be paused, is writing it") from cause
            sleep(0.02)


def _write_whole(file: FileIO, content: bytes) -> None:
    """A disk that is nearly full takes a part, and says so only by the count."""
    if file.write(content) != len(content):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    os.fsync(file.fileno())
