"""A bundle as one file, OPA's bundle format: a gzipped tar of policies, `data.json`, `.manifest`, `.signatures.json`.

An archive is a stranger's until its signature is verified, so nothing in it reaches a disk, it is unpacked up to a
limit and no further, and everything in it that is no plain file of a bundle refuses the whole. OPA writes names with
one leading slash; names mean the same with and without it.
"""

import gzip
import io
import re
import tarfile
import zlib
from collections.abc import Mapping

from policy_engine.domain.bundle import DATA_FILE, POLICY_SUFFIX, TEST_SUFFIX, Bundle, RefusedBundleError
from policy_engine.domain.bundle_signature import SIGNATURES_FILE, VerificationKey, verify
from policy_engine.domain.manifest import MANIFEST_FILE, Manifest

MAX_PACKED = 8 * 2**20
MAX_UNPACKED = 64 * 2**20
MAX_MEMBERS = 1_000
_SEGMENT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
_ROOT_FILES = frozenset({DATA_FILE, MANIFEST_FILE, SIGNATURES_FILE})
_GZIP = 16 + zlib.MAX_WBITS


def packed(files: Mapping[str, bytes]) -> bytes:
    """Return the archive of these files; the same files give the same bytes."""
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, raw in sorted(files.items()):
            member = tarfile.TarInfo(f"/{name}")
            member.size, member.mode = len(raw), 0o600
            archive.addfile(member, io.BytesIO(raw))
    return gzip.compress(tar.getvalue(), mtime=0)


def unpacked(raw: bytes) -> dict[str, bytes]:
    """Return an archive's files by name; raise RefusedBundleError for anything that no honest builder writes."""
    if len(raw) > MAX_PACKED:
        raise RefusedBundleError(f"it has {len(raw):,} bytes: {MAX_PACKED:,} are the most")
    files: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(_inflated(raw)), mode="r:") as archive:
            for number, member in enumerate(archive):
                if number >= MAX_MEMBERS:
                    raise RefusedBundleError(f"it holds more than {MAX_MEMBERS:,} files and folders")
                if member.isdir():
                    continue
                name = _named(member)
                if name in files:
                    raise RefusedBundleError(f"it holds {name} twice")
                files[name] = _content(archive, member)
    except (tarfile.TarError, EOFError, ValueError, OverflowError, RecursionError) as cause:
        raise RefusedBundleError(f"it is no tar archive ({cause})") from cause
    return files


def opened(archive: bytes, key: VerificationKey | None) -> Bundle:
    """Return the bundle of an archive, verified if there is a key, and read whole; raise RefusedBundleError."""
    return bundle_from(unpacked(archive), key).whole()


def bundle_from(files: Mapping[str, bytes], key: VerificationKey | None) -> Bundle:
    """Return the bundle of an archive's files, verified if there is a key; raise RefusedBundleError.

    A signed bundle must tell its place in line, or an old one could not be told from a new one.
    """
    if key is not None:
        verify(files, key)
    manifest = Manifest.parse(files.get(MANIFEST_FILE, b"{}"))
    if key is not None and (manifest.built_at_us is None or manifest.sequence is None):
        raise RefusedBundleError(f"its {MANIFEST_FILE} has no metadata.built_at, by which an old bundle would be told "
                                 "from a new one: build it with `gridwarden policy build`")
    deciding = {name: raw for name, raw in files.items()
                if name == DATA_FILE or (name.endswith(POLICY_SUFFIX) and not name.endswith(TEST_SUFFIX))}
    return Bundle(deciding, name=manifest.name, built_at_us=manifest.built_at_us, sequence=manifest.sequence,
                  roots=manifest.roots)


def _inflated(raw: bytes) -> bytes:
    inflating = zlib.decompressobj(_GZIP)
    try:
        found = inflating.decompress(raw, MAX_UNPACKED + 1)
    except zlib.error as cause:
        raise RefusedBundleError(f"it is no gzip file ({cause})") from cause
    if len(found) > MAX_UNPACKED:
        raise RefusedBundleError(f"it unpacks to more than {MAX_UNPACKED:,} bytes")
    if not inflating.eof or inflating.unused_data:
        raise RefusedBundleError("its gzip stream is cut off" if not inflating.eof else "something follows its end")
    return found


def _named(member: tarfile.TarInfo) -> str:
    """Return a member's name in the bundle; only plain files of a bundle have one."""
    name = member.name.removeprefix("/")
    shown = repr(member.name[:100])
    if not member.isreg() or member.issparse() or member.linkname:
        raise RefusedBundleError(f"{shown} is no plain file: a bundle holds no links, devices or sparse files")
    if name in _ROOT_FILES:
        return name
    if not all(_SEGMENT.fullmatch(segment) for segment in name.split("/")):
        raise RefusedBundleError(f"{shown} is no name for a file of a bundle: use letters, digits, _, - and .")
    if not name.endswith(POLICY_SUFFIX):
        raise RefusedBundleError(f"{shown} is neither a {POLICY_SUFFIX} file nor {DATA_FILE} at the top: "
                                 "`opa build` and `gridwarden policy build` merge data into one")
    return name


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    stream = archive.extractfile(member)
    found = stream.read() if stream else b""
    if len(found) != member.size:
        raise RefusedBundleError(f"{member.name[:100]!r} is cut off")
    return found
