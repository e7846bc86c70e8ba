"""A page of entries as the server packs it: two long strings instead of a dozen small values an entry.

    record  = int64 seq || int64 recorded_at_us || uint32 bytes of payload || prev_hash || entry_hash
              || uint32 bytes of content || uint32 columns that are NULL
    content = payload || the columns, each (0x1D if it is NULL) followed by 0x1F || 0x1E

The three control characters are no part of canonical JSON. Where their number says that they occur elsewhere too, or
a field is missing or has another width, a page cannot be taken apart without doubt: its entries are read one by one.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from audit_ledger.domain.columns import Columns

NULL, AFTER_ENTRY, AFTER_COLUMN = 0x1D, 0x1E, 0x1F
NUMBERS_BYTES = 20
_RECORD = np.dtype([
    ("seq", ">i8"), ("recorded_at_us", ">i8"), ("payload_bytes", ">u4"), ("prev_hash", "V32"), ("entry_hash", "V32"),
    ("content_bytes", ">u4"), ("nulls", ">u4"),
])
_HASHED = np.dtype({"names": ["numbers"], "formats": [f"V{NUMBERS_BYTES}"], "itemsize": _RECORD.itemsize})

Row = Sequence[Any]
"""seq, recorded_at_us, prev_hash, entry_hash, payload, then the columns in the order of `Columns`."""


class Page:
    """Entries in the order in which the server gave them; nothing about them is proven."""

    def __init__(self, records: Any, content: bytes, ends: Any) -> None:  # noqa: ANN401 - arrays
        self._records, self.content, self._ends = records, content, ends

    @classmethod
    def unpacked(cls, count: int, records: bytes | None, content: bytes | None) -> "Page | None":
        """Return the page of `count` entries; None when it cannot be taken apart without doubt."""
        if not records or not content or len(records) != count * _RECORD.itemsize:
            return None
        fields = np.frombuffer(records, _RECORD)
        lengths = fields["content_bytes"].astype(np.int64)
        ends = lengths.cumsum()
        if ends[-1] != len(content) or (fields["payload_bytes"] >= lengths).any():
            return None
        values = np.frombuffer(content, np.uint8)
        is_plain = (
            (values[ends - 1] == AFTER_ENTRY).all() and np.count_nonzero(values == AFTER_ENTRY) == count
            and np.count_nonzero(values == AFTER_COLUMN) == count * len(Columns._fields)
            and np.count_nonzero(values == NULL) == fields["nulls"].sum()
        )
        return cls(fields, content, ends) if is_plain else None

    def __len__(self) -> int:
        return len(self._records)

    @property
    def seqs(self) -> Any:  # noqa: ANN401 - an array
        """The positions."""
        return self._records["seq"]

    @property
    def times(self) -> Any:  # noqa: ANN401 - an array
        """When each was recorded, in microseconds."""
        return self._records["recorded_at_us"]

    @property
    def previous_hashes(self) -> Any:  # noqa: ANN401 - an array
        """The hashes that the entries name as their predecessors'."""
        return self._records["prev_hash"]

    @property
    def hashes(self) -> bytes:
        """The stored hashes, joined."""
        return bytes(self._records["entry_hash"].tobytes())

    @property
    def numbers(self) -> Any:  # noqa: ANN401 - an array
        """Position, time and length of each as they are hashed."""
        return self._records.view(_HASHED)["numbers"]

    @property
    def longest(self) -> int:
        """How many bytes the longest payload has."""
        return int(self._records["payload_bytes"].max())

    @cached_property
    def bounds(self) -> list[int]:
        """Where in the content each entry begins, and where the last one ends."""
        return [0, *self._ends.tolist()]

    @cached_property
    def payload_ends(self) -> list[int]:
        """Where in the content each payload ends."""
        fields = self._records
        return list((self._ends - fields["content_bytes"] + fields["payload_bytes"]).tolist())

    def row(self, place: int) -> Row:
        """Return one entry value by value."""
        record, end = self._records[place], self.payload_ends[place]
        columns = self.content[end:self.bounds[place + 1] - 1].split(bytes((AFTER_COLUMN,)))[:-1]
        return (
            int(record["seq"]), int(record["recorded_at_us"]), record["prev_hash"].tobytes(),
            record["entry_hash"].tobytes(), self.content[self.bounds[place]:end],
            *(None if column == bytes((NULL,)) else column.decode() for column in columns),
        )

    def rows(self) -> list[Row]:
        """Return every entry value by value."""
        return [self.row(place) for place in range(len(self))]
