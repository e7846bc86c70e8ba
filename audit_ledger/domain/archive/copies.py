"""A copy of the ledger: untrusted bytes in another store, and in what way they can be other than the ledger's."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from shared_kernel.errors import ConflictError, NotFoundError, UnavailableError

MAX_RANGES = 1_000
PAST_ALL = 2**53 - 1
"""Past every position; the largest number that an entry can name."""
NOWHERE = -1
"""The position of what lies between the entries of a copy and is none."""


@dataclass(frozen=True, slots=True)
class CopiedEntry:
    """What a copy holds at a position: the leaf data, empty when unreadable, and the hash stored beside it."""

    seq: int
    leaf_data: bytes
    entry_hash: bytes


class Difference(StrEnum):
    """What is wrong at a position of a copy."""

    MISSING = "missing"
    DIFFERENT = "different"
    EXTRA = "extra"


@dataclass(frozen=True, slots=True)
class Divergence:
    """The positions `seq` to `last_seq` of a copy are not what the ledger sealed."""

    kind: Difference
    seq: int
    last_seq: int

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object."""
        return {"kind": str(self.kind), "seq": min(self.seq, PAST_ALL), "last_seq": min(self.last_seq, PAST_ALL)}

    def __str__(self) -> str:
        return f"{self.kind} {self.seq}" + (f" to {self.last_seq}" if self.last_seq > self.seq else "")


class Divergences:
    """Collects divergences in bounded memory: neighbours of a kind join, and beyond a thousand ranges all do."""

    def __init__(self) -> None:
        self._found: list[Divergence] = []

    def add(self, kind: Difference, seq: int, last_seq: int) -> None:
        """Take the next range, or lengthen the last."""
        if self._found:
            last = self._found[-1]
            is_neighbour = last.kind is kind and last.seq <= seq <= last.last_seq + 1
            if is_neighbour or len(self._found) >= MAX_RANGES:
                self._found[-1] = replace(last, last_seq=max(last.last_seq, last_seq))
                return
        self._found.append(Divergence(kind, seq, last_seq))

    def all(self) -> tuple[Divergence, ...]:
        """Return them by position."""
        return tuple(sorted(self._found, key=lambda each: (each.seq, each.kind)))


class CopyDownError(UnavailableError):
    """The store of a copy does not answer, or does not take more."""

    def __init__(self, name: str, cause: str) -> None:
        super().__init__(f"the copy {name} cannot be reached ({cause}): it catches up by itself when it is back")


class CopyDivergedError(ConflictError):
    """A copy holds other bytes than the ledger, or more; nothing of it was overwritten."""

    def __init__(self, name: str, divergence: Divergence, what: str) -> None:
        super().__init__(f"the copy {name} diverged ({divergence}): {what}; look at it, "
                         f"then run `gridwarden ledger mirror repair --copy {name}`")
        self.divergence = divergence


class UnprovenError(UnavailableError):
    """The ledger's own bytes are not under its signed checkpoint; they are copied nowhere."""

    def __init__(self, start: int, stop: int, size: int) -> None:
        super().__init__(f"PostgreSQL's entries {start} to {stop - 1} are not those under the signed checkpoint of "
                         f"size {size}: nothing was copied; run `gridwarden ledger verify`")


class GoneError(UnprovenError):
    """PostgreSQL does not hold the entries any more: pruned, or lost."""

    def __init__(self, start: int, stop: int) -> None:
        UnavailableError.__init__(
            self, f"PostgreSQL does not hold all of the entries {start} to {stop - 1}, so no copy can be made of them: "
                  "run `gridwarden ledger verify`; if they were pruned, bring the copy back from a backup of its own")


class UnknownCopyError(NotFoundError):
    """No copy of that name is configured."""

    def __init__(self, name: str, known: Sequence[str]) -> None:
        super().__init__(f"there is no copy {name[:40]!r}: this ledger has {', '.join(known) or 'none'}")
