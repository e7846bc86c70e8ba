"""What a witness keeps: its key, and the last checkpoint it cosigned of each log.

witness.key              the secret note signing key, mode 0600
witness.vkey             the cosignature key: what policies name
logs/<sha256 of origin>  the signed note cosigned last
*.lock                   empty; who writes the file beside it holds its lock
"""

import fcntl
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from audit_ledger.adapters.durable_file import replace_durably
from audit_ledger.domain.c2sp.cosignature import Cosigner
from audit_ledger.domain.c2sp.ed25519 import KEY_BYTES
from audit_ledger.domain.c2sp.note import NoteSigner, is_key_name
from audit_ledger.domain.errors import MalformedNoteError
from shared_kernel.errors import UnavailableError

_PATIENCE_S = 5.0
_LOOK_AGAIN_S = 0.005


class Memory:
    """What is remembered of one log, while its lock is held."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def note(self) -> bytes | None:
        """Return the checkpoint cosigned last, None for a log never cosigned."""
        try:
            return self._path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as cause:
            raise UnavailableError(f"the witness cannot read what it saw last ({cause.strerror})") from cause

    def keep(self, note: bytes) -> None:
        """Remember this checkpoint instead; returns when the disk holds it."""
        replace_durably(self._path, note)


class WitnessFolder:
    """One witness's folder; several processes may share it, each origin is one file under one lock."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._logs = home / "logs"

    def cosigner(self, name: str | None = None) -> Cosigner:
        """Return the witness's key, created at first use with this name or `gridwarden-witness/<8 hex digits>`."""
        with _held(self._home / "witness.key"):
            cosigner = self._read_key() or self._new_key(name)
        if name is not None and cosigner.verifier.name != name:
            raise MalformedNoteError(f"this witness is called {cosigner.verifier.name}: use another home for {name}")
        return cosigner

    def _read_key(self) -> Cosigner | None:
        try:
            return Cosigner(NoteSigner.parse((self._home / "witness.key").read_text().strip()))
        except FileNotFoundError:
            return None

    def _new_key(self, name: str | None) -> Cosigner:
        signer = NoteSigner(name or f"gridwarden-witness/{secrets.token_hex(4)}", os.urandom(KEY_BYTES))
        if not is_key_name(signer.name):
            raise MalformedNoteError(f"a witness's name has neither spaces nor plus signs: {signer.name!r}")
        cosigner = Cosigner(signer)
        replace_durably(self._home / "witness.vkey", f"{cosigner.verifier}\n".encode())
        replace_durably(self._home / "witness.key", f"{signer.to_secret_text()}\n".encode(), mode=0o600)
        return cosigner

    def notes(self) -> list[bytes]:
        """Return the last checkpoint of every log."""
        paths = [path for path in sorted(self._logs.glob("*")) if not path.suffix]
        return [path.read_bytes() for path in paths]

    @contextmanager
    def remembered(self, origin: str) -> Iterator[Memory]:
        """Hold one log's memory alone, against threads and processes alike; the kernel frees it even after kill -9."""
        path = self._logs / sha256(origin.encode()).hexdigest()
        with _held(path):
            yield Memory(path)


@contextmanager
def _held(path: Path) -> Iterator[None]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as cause:
        raise UnavailableError(f"the witness cannot use its folder ({cause.strerror}): nothing was done") from cause
    try:
        _lock(handle)
        yield
    finally:
        os.close(handle)


def _lock(handle: int) -> None:
    """Wait for the lock, but not for ever: its holder may be stopped."""
    until = time.monotonic() + _PATIENCE_S
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as cause:
            if time.monotonic() > until:
                raise UnavailableError("another process holds the witness's memory: retry later") from cause
            time.sleep(_LOOK_AGAIN_S)
        else:
            return
