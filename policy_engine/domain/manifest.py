"""A bundle's `.manifest`, as OPA writes it, and the two facts of ours in its `metadata`.

`built_at` (RFC 3339) tells a bundle's age. `sequence` is a number that every later bundle exceeds, by which an older
one brought back is recognised; without one it is the build's time in microseconds.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from policy_engine.domain.bundle import RefusedBundleError
from shared_kernel.clock import from_iso, to_iso
from shared_kernel.errors import InvalidInputError
from shared_kernel.strict_json import parse_strict

MANIFEST_FILE = ".manifest"
MAX_NAME = 200
MAX_SEQUENCE = 2**63 - 1
_KNOWN = frozenset({"revision", "roots", "rego_version", "file_rego_versions", "metadata"})
_REGO_V1 = 1


@dataclass(frozen=True, slots=True)
class Manifest:
    """What the author calls the bundle, the trees it owns (OPA's `roots`), when it was built, and its place in line."""

    name: str
    roots: tuple[str, ...]
    built_at_us: int | None
    sequence: int | None

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Return the manifest; raise RefusedBundleError for one that OPA or we would not know how to follow."""
        found = _object(raw)
        if unknown := found.keys() - _KNOWN:
            raise RefusedBundleError(f"{MANIFEST_FILE} names {', '.join(sorted(unknown))}, which only OPA follows")
        versions = [found.get("rego_version", _REGO_V1), *_mapping(found, "file_rego_versions").values()]
        if any(version != _REGO_V1 for version in versions):
            raise RefusedBundleError(f"{MANIFEST_FILE} asks for Rego v0: write the policies in v1 (`opa fmt --v0-v1`)")
        metadata = _mapping(found, "metadata")
        built_at_us = _built_at(metadata.get("built_at"))
        return cls(_name(found.get("revision", "")), _roots(found.get("roots", [""])), built_at_us,
                   _sequence(metadata.get("sequence", built_at_us)))

    def to_json(self) -> bytes:
        """Return the file."""
        metadata: dict[str, Any] = {"sequence": self.sequence}
        if self.built_at_us is not None:
            metadata["built_at"] = to_iso(self.built_at_us)
        return json.dumps({
            "revision": self.name, "roots": list(self.roots), "rego_version": _REGO_V1, "metadata": metadata,
        }, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _object(raw: bytes) -> dict[str, Any]:
    try:
        found = parse_strict(raw)
    except InvalidInputError as cause:
        raise RefusedBundleError(f"{MANIFEST_FILE}: {cause}") from cause
    if not isinstance(found, dict):
        raise RefusedBundleError(f"{MANIFEST_FILE} must hold an object")
    return found


def _mapping(found: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = found.get(key) or {}
    if not isinstance(value, dict):
        raise RefusedBundleError(f"{MANIFEST_FILE}: {key} must be an object")
    return value


def _name(value: object) -> str:
    if not isinstance(value, str) or len(value) > MAX_NAME or not value.isprintable():
        raise RefusedBundleError(f"{MANIFEST_FILE}: revision must be a printable text of at most {MAX_NAME} characters")
    return value


def _roots(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(root, str) for root in value):
        raise RefusedBundleError(f"{MANIFEST_FILE}: roots must be a list of paths")
    return tuple(value)


def _built_at(value: object) -> int | None:
    if value is None:
        return None
    try:
        return from_iso(str(value))
    except (ValueError, OverflowError) as cause:
        raise RefusedBundleError(f"{MANIFEST_FILE}: metadata.built_at is no RFC 3339 time with its zone") from cause


def _sequence(value: object) -> int | None:
    if value is None:
        return None
    if type(value) is not int or not 0 < value <= MAX_SEQUENCE:
        raise RefusedBundleError(f"{MANIFEST_FILE}: metadata.sequence must be a whole number from 1 to 2^63-1")
    return value
