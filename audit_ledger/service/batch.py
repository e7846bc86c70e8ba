"""Records that wait, bounded in number and bytes, and the batch that a commit takes of them."""

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from audit_ledger.domain.columns import Columns
from audit_ledger.domain.entry import hasher
from audit_ledger.domain.errors import LedgerFullError
from audit_ledger.domain.head import Head
from audit_ledger.domain.merkle import Frontier, Subtree
from audit_ledger.service import metrics
from shared_kernel.events import Receipt

MAX_BATCH_BYTES = 8_000_000
MAX_QUEUE_BYTES = 128_000_000


Origin = tuple[int, int]
"""The row of the inbox (sender, number) that goes with the commit."""


@dataclass(slots=True)
class Pending:
    """A record that waits for its commit."""

    payload: bytes
    columns: Columns
    receipt: asyncio.Future[Receipt]
    origin: Origin | None = None


@dataclass(slots=True)
class Batch:
    """Seals records one after the other while they stream to the database."""

    stream: str
    head: Head
    frontier: Frontier
    at_us: int
    records: Sequence[Pending]
    hashes: list[bytes] = field(default_factory=list)

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of the entries, hashing each on the way."""
        entry_hash, previous, stream, at_us = hasher(self.stream), self.head.entry_hash, self.stream, self.at_us
        for seq, record in enumerate(self.records, start=self.head.size):
            found = entry_hash(previous, seq, at_us, record.payload)
            self.hashes.append(found)
            yield (stream, seq, at_us, previous, found, record.payload, *record.columns)
            previous = found

    def origins(self) -> list[Origin]:
        """Return the rows of the inbox that this batch seals."""
        return [record.origin for record in self.records if record.origin is not None]

    def sealed(self) -> tuple[Head, list[tuple[Subtree, bytes]]]:
        """Return the new head and the subtrees completed, once all rows are drained."""
        return self.reached, self.frontier.extend(self.hashes)

    @property
    def reached(self) -> Head:
        """The head after what was hashed so far."""
        return Head(self.head.size + len(self.hashes), self.hashes[-1]) if self.hashes else self.head


class Queue:
    """Takes what a commit can follow; refuses the rest at once."""

    def __init__(self, limit: int, batch_limit: int) -> None:
        self._limit, self._batch_limit = limit, batch_limit
        self._waiting: deque[Pending] = deque()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, payload: bytes, columns: Columns, origin: Origin | None = None) -> asyncio.Future[Receipt]:
        """Queue a record and return the promise of its receipt; LedgerFullError."""
        if len(self._waiting) >= self._limit or self._bytes > MAX_QUEUE_BYTES:
            metrics.REFUSED.inc()
            raise LedgerFullError(len(self._waiting))
        receipt: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        self._waiting.append(Pending(payload, columns, receipt, origin))
        self._bytes += len(payload)
        return receipt

    def add_own(self, record: tuple[bytes, Columns]) -> None:
        """Queue an entry of the ledger's own, whether there is room or not."""
        self._waiting.append(self._unheard(*record))

    def add_own_first(self, record: tuple[bytes, Columns]) -> None:
        """Queue an entry of the ledger's own before all others."""
        self._waiting.appendleft(self._unheard(*record))

    def take(self) -> list[Pending]:
        """Take the next batch."""
        taken: list[Pending] = []
        size = 0
        while self._waiting and len(taken) < self._batch_limit and size < MAX_BATCH_BYTES:
            record = self._waiting.popleft()
            size += len(record.payload)
            taken.append(record)
        self._bytes -= size
        return taken

    def clear(self) -> list[Pending]:
        """Take everything."""
        waiting = list(self._waiting)
        self._waiting.clear()
        self._bytes = 0
        return waiting

    def _unheard(self, payload: bytes, columns: Columns) -> Pending:
        """Return a record for whose receipt nobody waits."""
        receipt: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        receipt.add_done_callback(lambda done: done.exception())
        self._bytes += len(payload)
        return Pending(payload, columns, receipt)
