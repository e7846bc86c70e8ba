"""Events that this process sealed a moment ago, as they were recorded: whoever follows the ledger needs no second look.

Reading an entry back (PostgreSQL, JSON, opening its sealed fields) costs a fifth of deciding the request it is about.
Only what JSON gives back unchanged is kept, and for no longer than FRESH_S, so that an erasure holds. Whoever is given
an event leaves it as it is.
"""

from collections import OrderedDict, deque
from collections.abc import Callable
from time import monotonic

from audit_ledger.domain.canonical import is_plain
from shared_kernel.events import Event, Receipt, SealedEvent

FRESH_S = 2.0
MAX_KEPT, MAX_BATCHES = 4_096, 1_024


class Recent:
    """The newest events by position, with the times of the batches that sealed them."""

    def __init__(self, now_s: Callable[[], float] = monotonic) -> None:
        self._now_s = now_s
        self._events: OrderedDict[int, tuple[float, Event, bytes]] = OrderedDict()
        self._batches: deque[tuple[int, int, int]] = deque(maxlen=MAX_BATCHES)
        self._era = 0

    def batch(self, first: int, end: int, at_us: int) -> None:
        """Note when the entries from `first` to before `end` were sealed."""
        self._batches.append((first, end, at_us))

    def keep(self, receipt: Receipt, event: Event, era: int) -> None:
        """Keep an event sealed in this era, if JSON would give it back as it is."""
        if era == self._era and is_plain(event):
            self._events[receipt.seq] = (self._now_s(), event, receipt.entry_hash)
            if len(self._events) > MAX_KEPT:
                self._events.popitem(last=False)

    def enter(self, era: int) -> int:
        """Drop everything of the eras before: a personal field may be closed by now. Return the era."""
        if era != self._era:
            self._era = era
            self._events.clear()
        return era

    def read(self, after: int, end: int) -> list[SealedEvent]:
        """Return the events from `after` on that are at hand without a gap, none beyond `end`."""
        fresh_s = self._now_s() - FRESH_S
        found: list[SealedEvent] = []
        for first, stop, at_us in self._batches:
            for seq in range(max(first, after), min(stop, end)):
                kept = self._events.get(seq)
                if kept is None or kept[0] < fresh_s or seq != after + len(found):
                    return found
                found.append(SealedEvent(seq, at_us, kept[1], kept[2]))
        return found
