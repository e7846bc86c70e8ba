"""Where a ledger ends: how many entries, and the hash of the last."""

from dataclasses import dataclass

from audit_ledger.domain.columns import Columns
from audit_ledger.domain.entry import GENESIS


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a stream; a ledger without entries ends in the genesis hash."""

    size: int = 0
    entry_hash: bytes = GENESIS


@dataclass(frozen=True, slots=True)
class Entry:
    """A stored entry, with the exact bytes that were hashed."""

    seq: int
    recorded_at_us: int
    prev_hash: bytes
    entry_hash: bytes
    payload: bytes
    columns: Columns
