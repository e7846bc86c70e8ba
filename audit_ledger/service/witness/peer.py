"""A witness as its log sees it: what it said last, and when it is asked again."""

import asyncio
from dataclasses import dataclass

import structlog

from audit_ledger.domain.c2sp.cosignature import Cosignature
from audit_ledger.domain.c2sp.tlog_policy import KnownWitness
from audit_ledger.store.cosignatures import LastWord

log = structlog.get_logger()

_LONGEST_PAUSE_S = 300.0
_MOST_DOUBLINGS = 16


@dataclass(frozen=True, slots=True)
class WitnessStatus:
    """One witness as last heard of; `doubt` stays, `error` goes with the next cosignature."""

    name: str
    url: str | None
    size: int
    time_s: int | None
    error: str | None
    doubt: str | None


class Peer:
    """One witness of the policy; failures double the pause before the next question."""

    def __init__(self, known: KnownWitness, retry_s: float) -> None:
        self.known, self._retry_s = known, retry_s
        self.size = 0
        self.signed_size = 0
        self.found: Cosignature | None = None
        self.is_contradicting = False
        self._time_s: int | None = None
        self._error = None if known.url else "the policy names no URL for it"
        self._doubt: str | None = None
        self._failures = 0
        self._due = 0.0

    def status(self) -> WitnessStatus:
        """Return what is known now."""
        return WitnessStatus(self.known.name, self.known.url, self.size, self._time_s, self._error, self._doubt)

    def is_wanted(self, size: int) -> bool:
        """Whether its cosignature on a checkpoint of this size is missing in this run."""
        return self.known.url is not None and self.signed_size < size

    def due_in_s(self) -> float:
        """Return how long it is still left alone."""
        return max(self._due - asyncio.get_running_loop().time(), 0.0)

    def recall(self, word: LastWord | None) -> None:
        """Start from what it said to an earlier run."""
        if word is not None:
            self.size, self._time_s = word.size, word.time_s

    def hear(self, size: int) -> None:
        """Take note of what it says it saw last; less than it cosigned is a reason to doubt it."""
        if size < self.size:
            self._doubt = f"it cosigned {self.size} entries and then knew of {size}: restored from an old backup?"
            log.warning("witness_went_back", witness=self.known.name, cosigned=self.size, says=size)

    def succeed(self, size: int, found: Cosignature) -> None:
        """Note its cosignature."""
        self.size = self.signed_size = size
        self.found, self._time_s, self.is_contradicting = found, found.time_s, False
        self._error, self._failures, self._due = None, 0, 0.0

    def fail(self, why: str) -> None:
        """Note why it did not cosign, and leave it alone for longer than last time."""
        pause_s = min(self._retry_s * 2**min(self._failures, _MOST_DOUBLINGS), _LONGEST_PAUSE_S)
        self._error, self._failures = why, self._failures + 1
        self._due = asyncio.get_running_loop().time() + pause_s
