"""Events that this process sealed a moment ago, as they were recorded: whoever follows the ledger needs no second look.

Reading an entry back (PostgreSQL, JSON, opening its sealed fields) costs a fifth of deciding the request it is about.
Only what JSON gives back unchanged is kept, and for no longer than FRESH_S, so that an erasure holds. What another
process handed over came with its personal fields sealed; it is kept closed, and opened whenever it is given. Whoever is
given an event leaves it as it is.
"""

from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

from audit_ledger.domain.canonical import is_plain
from shared_kernel.events import Event, Receipt, SealedEvent

FRESH_S = 2.0
MAX_KEPT, MAX_BATCHES = 4_096, 1_024


@dataclass(frozen=True, slots=True)
class _Kept:
    """An event, when it was kept, its entry's hash, and whether its personal fields are sealed."""

    at_s: float
    event: Event
    entry_hash: bytes
    is_closed: bool


class Recent:
    """The newest events by position, with the times of the batches that sealed them."""

    def __init__(self, now_s: Callable[[], float] = monotonic) -> None:
        self._now_s = now_s
        self._events: OrderedDict[int, _Kept] = OrderedDict()
        self._batches: deque[tuple[int, int, int]] = deque(maxlen=MAX_BATCHES)
        self._era = 0

    def batch(self, first: int, end: int, at_us: int) -> None:
        """Note when the entries from `first` to before `end` were sealed."""
        self._batches.append((first, end, at_us))

    def keep(self, receipt: Receipt, event: Event, era: int) -> None:
        """Keep an event sealed in this era, if JSON would give it back as it is."""
        if era == self._era and is_plain(event):
            self._put(receipt, event, is_closed=False)

    def keep_closed(self, receipt: Receipt, event: Event) -> None:
        """Keep an event that came as JSON, its personal fields sealed."""
        self._put(receipt, event, is_closed=True)

    def enter(self, era: int) -> int:
        """Drop everything of the eras before: a personal field may be closed by now. Return the era."""
        if era != self._era:
            self._era = era
            self._events.clear()
        return era

    def read(self, after: int, end: int) -> list[tuple[SealedEvent, bool]]:
        """Return the events from `after` on that are at hand without a gap, none beyond `end`, and which are closed."""
        fresh_s = self._now_s() - FRESH_S
        found: list[tuple[SealedEvent, bool]] = []
        for first, stop, at_us in self._since(after):
            for seq in range(max(first, after), min(stop, end)):
                kept = self._events.get(seq)
                if kept is None or kept.at_s < fresh_s or seq != after + len(found):
                    return found
                found.append((SealedEvent(seq, at_us, kept.event, kept.entry_hash), kept.is_closed))
        return found

    def gap(self, after: int, end: int) -> int:
        """Return how many events from `after` on are not at hand, none beyond `end` counted."""
        fresh_s = self._now_s() - FRESH_S
        for seq in range(after, end):
            kept = self._events.get(seq)
            if kept is not None and kept.at_s >= fresh_s:
                return seq - after
        return max(0, end - after)

    def _since(self, after: int) -> list[tuple[int, int, int]]:
        """Return the batches that reach beyond `after`, in order."""
        found = []
        for batch in reversed(self._batches):
            if batch[1] <= after:
                break
            found.append(batch)
        return found[::-1]

    def _put(self, receipt: Receipt, event: Event, *, is_closed: bool) -> None:
        self._events[receipt.seq] = _Kept(self._now_s(), event, receipt.entry_hash, is_closed)
        if len(self._events) > MAX_KEPT:
            self._events.popitem(last=False)
