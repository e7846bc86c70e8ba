"""What somebody unfair does to the members of a bundle: entries, manifest, the zip itself."""

import json
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from audit_ledger.domain.canonical import canonical
from tests.audit_ledger.bundles import Members

ENTRIES = f"entries/{0:019}.bin"
NOTE = f"checkpoints/{20:019}.note"


def split(chunk: bytes) -> list[bytes]:
    """Return the leaf data of each record."""
    leaves, at = [], 0
    while at < len(chunk):
        length = int.from_bytes(chunk[at:at + 2], "big")
        leaves.append(chunk[at + 2:at + 2 + length])
        at += 2 + length
    return leaves


def joined(leaves: list[bytes]) -> bytes:
    """Return the records."""
    return b"".join(struct.pack(">H", len(leaf)) + leaf for leaf in leaves)


def on_entries(change: Callable[[list[bytes]], object]) -> Callable[[Members], None]:
    """Change the list of entries."""
    def attack(members: Members) -> None:
        leaves = split(members[ENTRIES])
        change(leaves)
        members[ENTRIES] = joined(leaves)
    return attack


def on_manifest(**changes: Any) -> Callable[[Members], None]:
    """Change what the manifest says; a function changes what is there."""
    def attack(members: Members) -> None:
        value = json.loads(members["manifest.json"])
        for name, change in changes.items():
            value[name] = change(value.get(name)) if callable(change) else change
        members["manifest.json"] = canonical(value)
    return attack


def edit(place: int) -> Callable[[list[bytes]], None]:
    """Change a word in one payload."""
    def change(leaves: list[bytes]) -> None:
        leaves[place] = leaves[place].replace(b"meter_readings", b"meter_writings")
    return change


def zipped(path: Path, *members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    """Write members one after the other, doubled names included."""
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path
