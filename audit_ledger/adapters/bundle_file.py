"""Bundles as zip files: the same input gives the same bytes, and a hostile file costs no more than its size.

Written beside its place and renamed when the disk holds it. Read member by member, never extracted; what the verifier
in the bundle is made of lies beside this file.
"""

import hashlib
import os
import re
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from audit_ledger.adapters.durable_file import fsync_folder
from audit_ledger.domain.archive.bundle import (
    CHUNK,
    MANIFEST,
    MAX_MEMBER,
    README,
    VERIFIER,
    Manifest,
    NoBundleError,
    Record,
    chunk_name,
    note_name,
    path_name,
    payload_apart,
    payload_within,
    single_name,
)
from shared_kernel.errors import ConflictError, UnavailableError

UNREADABLE = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, RuntimeError, ValueError, KeyError,
              NoBundleError)
"""What reading a damaged member may raise."""
_EPOCH = (1980, 1, 1, 0, 0, 0)
_UNIX, _PLAIN_FILE = 3, 0o100644 << 16
_OWN_IMPORT = re.compile(r"from audit_ledger\.adapters\.offline_formats import \([^)]*\)\n")
_OWN_OPENING = re.compile(r'"""(.*)\n[^"]*"""\n# ruff: .*\n')
_BLOCK = 1 << 20
_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})

_README = """An export of an audit ledger that can be checked without the ledger, its operator or this product.

1. Take verify.py from a place you trust; the one in here came with what it is to judge. It needs Python 3.9 or newer.
2. Write your policy: whose log, which witnesses. The keys must not come from this file either.
       log <the ledger's verifier key>
       quorum none
3. python3 verify.py THIS_FILE.zip --policy POLICY

It prints what is proven and every finding. Exit code 0: good. 3: good, but the policy's witnesses are missing.
4: tampered with. 5: cannot check.
"""


def verifier_source() -> str:
    """Return the offline verifier as the one file that an auditor runs, which opens once."""
    folder = Path(__file__).parent
    formats = (folder / "offline_formats.py").read_text(encoding="utf-8")
    formats = _OWN_OPENING.sub(r"# ---- \1 ----\n", formats, count=1)
    return _OWN_IMPORT.sub(lambda _: formats, (folder / "offline_verifier.py").read_text(encoding="utf-8"))


@contextmanager
def scratch_file() -> Iterator[Path]:
    """Yield a place for a bundle that is handed on at once; it is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="gridwarden-bundle-") as folder:
        yield Path(folder) / "bundle.zip"


class BundleWriter:
    """Makes one bundle; the file appears under its name when the `with` block ends without an error."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fresh = path.with_name(f".{path.name}.{os.getpid()}.new")

    def __enter__(self) -> Self:
        with _disk_errors(self._path):
            if self._path.exists():
                raise ConflictError(f"{self._path} exists: name another file, a bundle is never overwritten")
            self._file = self._fresh.open("xb")
            self._zip = zipfile.ZipFile(self._file, "w", zipfile.ZIP_DEFLATED)
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        try:
            with _disk_errors(self._path):
                if kind is None:
                    self.add(README, _README.encode())
                    self.add(VERIFIER, verifier_source().encode())
                    self._zip.close()
                    self._file.flush()
                    os.fsync(self._file.fileno())
                    self._fresh.rename(self._path)
                    fsync_folder(self._path.parent)
        finally:
            self._zip.fp = None  # what is left of an aborted zip is not worth its directory
            self._file.close()
            self._fresh.unlink(missing_ok=True)

    def add(self, name: str, content: bytes) -> None:
        """Write a small member."""
        with self._member(name) as member:
            member.write(content)

    def add_single(self, seq: int, record: Record, path: Iterable[bytes]) -> None:
        """Write one entry and its inclusion proof."""
        self.add(single_name(seq), record.to_bytes())
        self.add(path_name(seq), b"".join(path))

    def add_note(self, size: int, note: bytes) -> None:
        """Write a checkpoint."""
        self.add(note_name(size), note)

    def add_manifest(self, manifest: Manifest) -> None:
        """Write the manifest."""
        self.add(MANIFEST, manifest.to_bytes())

    def chunk(self, first: int) -> AbstractContextManager["Member"]:
        """Open the member for the entries from `first` on; one at a time."""
        return self._member(chunk_name(first))

    @contextmanager
    def _member(self, name: str) -> Iterator["Member"]:
        info = zipfile.ZipInfo(name, _EPOCH)
        info.compress_type, info.create_system, info.external_attr = zipfile.ZIP_DEFLATED, _UNIX, _PLAIN_FILE
        with _disk_errors(self._path):
            file = self._zip.open(info, "w")
        try:
            yield Member(file, self._path)
        finally:
            with _disk_errors(self._path):
                file.close()


class Member:
    """A member being written; UnavailableError when the disk does not take it."""

    def __init__(self, file: IO[bytes], path: Path) -> None:
        self._file, self._path = file, path

    def write(self, content: bytes) -> None:
        """Append."""
        with _disk_errors(self._path):
            self._file.write(content)


class BundleFile:
    """Reads one bundle; close it. NoBundleError when the file is no zip of plain members with a manifest."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._zip = zipfile.ZipFile(path)
            if any(info.compress_type not in _METHODS for info in self._zip.infolist()):
                raise NoBundleError("it has members that are neither stored nor deflated")
            self.manifest = Manifest.parse(self.read(MANIFEST))
        except UNREADABLE as cause:
            raise NoBundleError(f"{path.name} is not a bundle: {cause}") from cause

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()

    def sha256(self) -> bytes:
        """Return the digest of the file."""
        digest = hashlib.sha256()
        with self._path.open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
        return digest.digest()

    @property
    def names(self) -> list[str]:
        """The names of all members."""
        return self._zip.namelist()

    def strays(self) -> list[str]:
        """Return the names of members that a bundle with this manifest does not have, or has once."""
        names = self.names
        held = self.manifest
        expected = {README, VERIFIER, MANIFEST, *map(note_name, held.checkpoints), *map(single_name, held.singles),
                    *map(path_name, held.singles), *map(chunk_name, held.chunks[:len(names)])}
        return sorted({name for name in names if name not in expected} | _doubled(names))

    def read(self, name: str) -> bytes:
        """Return a small member."""
        with self._zip.open(name) as member:
            content = member.read(MAX_MEMBER + 1)
        if len(content) > MAX_MEMBER:
            raise NoBundleError(f"{name} is larger than {MAX_MEMBER} bytes")
        return content

    def records(self, name: str) -> Iterator[Record]:
        """Yield the records of one member; one of UNREADABLE where it cannot be read further."""
        with self._zip.open(name) as member:
            for _ in range(CHUNK):
                length = member.read(2)
                if not length:
                    return
                yield _record(member, int.from_bytes(length, "big"))
            if member.read(1):
                raise NoBundleError("it holds more entries than it may")


def _record(member: IO[bytes], length: int) -> Record:
    leaf_data = member.read(length)
    apart = payload_apart(leaf_data)
    return Record(leaf_data, payload_within(leaf_data) if apart is None else member.read(apart))


def _doubled(names: list[str]) -> set[str]:
    seen: set[str] = set()
    return {name for name in names if name in seen or seen.add(name)}  # type: ignore[func-returns-value]


@contextmanager
def _disk_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as cause:
        raise UnavailableError(f"cannot write {path} ({cause.strerror}): nothing is left of it, make room and repeat",
                               ) from cause
