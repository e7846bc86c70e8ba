"""A bundle: the Rego files and the data.json that decide together, and the revision that names them.

    revision = SHA-256( for each file by name:  len(name) || name || len(content) || content )

Lengths are 8 bytes, big-endian, so that no two different bundles share a preimage.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

from shared_kernel.errors import InvalidInputError, UnprocessableError
from shared_kernel.strict_json import parse_strict

DATA_FILE = "data.json"
POLICY_SUFFIX = ".rego"
TEST_SUFFIX = "_test.rego"
_DATA_KEY = re.compile(r"[a-z][a-z0-9_]*")
_RESERVED = frozenset({"gateway", "gridwarden_entry", "gridwarden_revision"})


class RefusedBundleError(UnprocessableError):
    """The bundle must not decide; the last good one goes on."""

    def __init__(self, why: str) -> None:
        super().__init__(f"the policy bundle is refused: {why}")
        self.why = why


@dataclass(frozen=True)
class Bundle:
    """Files by their name relative to the bundle's folder; what an author calls it, and when and as which it was built.

    Of a folder only the files are known. `sequence` grows with every later bundle of an author; `roots` are the trees
    below data that it says are its own.
    """

    files: Mapping[str, bytes]
    name: str = ""
    built_at_us: int | None = None
    sequence: int | None = None
    roots: tuple[str, ...] = ("",)

    @cached_property
    def revision(self) -> str:
        """The SHA-256 of everything in it, in hexadecimal."""
        digest = hashlib.sha256()
        for name, content in sorted(self.files.items()):
            for part in (name.encode(), content):
                digest.update(len(part).to_bytes(8, "big") + part)
        return digest.hexdigest()

    @cached_property
    def policies(self) -> Mapping[str, str]:
        """The Rego texts by name; raise RefusedBundleError when there is none or one is not UTF-8."""
        found = {name: _text(name, raw) for name, raw in sorted(self.files.items()) if name.endswith(POLICY_SUFFIX)}
        if not found:
            raise RefusedBundleError("it holds no .rego file")
        return found

    @cached_property
    def data(self) -> dict[str, Any]:
        """The facts the policies read; raise RefusedBundleError when data.json is no JSON object."""
        try:
            found = parse_strict(self.files.get(DATA_FILE, b"{}"))
        except InvalidInputError as cause:
            raise RefusedBundleError(f"{DATA_FILE}: {cause}") from cause
        if not isinstance(found, dict):
            raise RefusedBundleError(f"{DATA_FILE} must hold an object")
        for key in found:
            if not _DATA_KEY.fullmatch(key) or key in _RESERVED:
                raise RefusedBundleError(f"{DATA_FILE}: {key!r} cannot name data: use lower-case letters and _")
        return found

    def whole(self) -> Self:
        """Return it with all its parts read, or raise RefusedBundleError.

        100,000 role bindings take a second: who answers others lets another thread read them.
        """
        _ = self.revision, self.policies, self.data
        return self


def _text(name: str, raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as cause:
        raise RefusedBundleError(f"{name} is not UTF-8 at byte {cause.start}") from cause
