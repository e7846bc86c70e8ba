"""Receipts as producers keep them: one JSON object a line, as the ledger answered when the event was appended."""

import re
from typing import Any

import orjson

from audit_ledger.domain.errors import MalformedNoteError

_HASH = re.compile("[0-9a-f]{64}", re.ASCII)


def read_receipts(content: bytes) -> dict[int, bytes]:
    """Return the entry hash by position; MalformedNoteError names the line that is no receipt."""
    found: dict[int, bytes] = {}
    for number, line in enumerate(content.splitlines(), start=1):
        if not line.strip():
            continue
        seq, entry_hash = _fields(line, number)
        if found.setdefault(seq, entry_hash) != entry_hash:
            raise MalformedNoteError(f"line {number} of the receipts contradicts an earlier one about entry {seq}")
    return found


def _fields(line: bytes, number: int) -> tuple[int, bytes]:
    try:
        told: Any = orjson.loads(line)
    except orjson.JSONDecodeError as cause:
        raise MalformedNoteError(f"line {number} of the receipts is not JSON") from cause
    seq, entry_hash = (told.get("seq"), told.get("entry_hash")) if isinstance(told, dict) else (None, None)
    if type(seq) is not int or seq < 0 or not isinstance(entry_hash, str) or not _HASH.fullmatch(entry_hash):
        raise MalformedNoteError(f"line {number} of the receipts does not hold a seq and an entry_hash")
    return seq, bytes.fromhex(entry_hash)
