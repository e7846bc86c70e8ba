"""The walk of a verification: rows in order of position, every payload rehashed, one finding for one damage.

After damage the walk resynchronises on the next entry that is true to itself. What entry n+1 commits to is the
best witness of entry n, so the tree takes `prev_hash` of n+1 as leaf n, and later checkpoints still say what holds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import orjson

from audit_ledger.domain.audit.finding import Finding, Findings, Kind
from audit_ledger.domain.audit.page import Page, Row
from audit_ledger.domain.audit.shapes import Shapes
from audit_ledger.domain.canonical import is_canonical
from audit_ledger.domain.columns import Columns, columns_of
from audit_ledger.domain.entry import hasher, page_hasher
from audit_ledger.domain.merkle import HASH_BYTES

_MAX_SUSPECTS = 64
"""Rows kept to find out where they were moved from; more damaged rows than that are reported as edited."""


class Leaves(Protocol):
    """What takes the leaves: a tree, or who keeps them for one."""

    leaves: list[bytes]

    def grow(self, tiles: Mapping[int, bytes] = ..., /) -> None:
        """Take the collected leaves."""

    def finish(self) -> None:
        """Take the last leaves."""

    def give_up(self) -> None:
        """Learn that leaves are gone."""


@dataclass(frozen=True, slots=True)
class Segment:
    """The entries from `start` up to, not including, `stop`: walked on their own and found without any damage.

    `leaves`: the hashes of the entries `start - 1` to `stop - 2`, joined. `tiles`: the roots of tiles wholly among
    them. `times_us`: when the first and the last were recorded.
    """

    start: int
    stop: int
    leaves: bytes
    last_hash: bytes
    tiles: dict[int, bytes]
    times_us: tuple[int, int]


class Walk:
    """Takes rows, keeps the running hash, the position and the findings."""

    def __init__(  # noqa: PLR0913 - where it begins, and where its results go
        self, stream: str, *, since: int, previous: bytes, tree: Leaves, findings: Findings, previous_at_us: int = 0,
    ) -> None:
        self._hash = hasher(stream)
        self._hashes = page_hasher(stream)
        self._shapes = Shapes()
        self._expected = since
        self._since = since
        self._last = previous
        self._last_at_us = previous_at_us
        self._is_linked = True
        self._is_undoubted = True
        self._tree = tree
        self._findings = findings
        self._suspects: list[Row] = []
        self._gaps: list[int] = []

    def to_json(self) -> dict[str, Any]:
        """Return where the walk is and what it doubts as a JSON object; tree and findings are not part of it."""
        return {
            "since": self._since, "position": self._expected, "last": self._last.hex(), "last_at_us": self._last_at_us,
            "is_linked": self._is_linked, "is_undoubted": self._is_undoubted, "gaps": self._gaps,
            "suspects": [[*row[:2], *(held.hex() for held in row[2:5]), *row[5:]] for row in self._suspects],
        }

    @classmethod
    def from_json(cls, saved: dict[str, Any], stream: str, *, tree: Leaves, findings: Findings) -> "Walk":
        """Go on from `to_json`."""
        walk = cls(stream, since=saved["since"], previous=bytes.fromhex(saved["last"]), tree=tree, findings=findings,
                   previous_at_us=saved["last_at_us"])
        walk._expected, walk._gaps = saved["position"], list(saved["gaps"])
        walk._is_linked, walk._is_undoubted = saved["is_linked"], saved["is_undoubted"]
        walk._suspects = [(*row[:2], *map(bytes.fromhex, row[2:5]), *row[5:]) for row in saved["suspects"]]
        return walk

    @property
    def position(self) -> int:
        """The next position expected."""
        return self._expected

    @property
    def last_hash(self) -> bytes:
        """The stored hash of the last entry read."""
        return self._last

    @property
    def last_at_us(self) -> int:
        """When the last entry that was true to itself was recorded."""
        return self._last_at_us

    @property
    def is_undoubted(self) -> bool:
        """Whether no row has given rise to any doubt."""
        return self._is_undoubted

    def join(self, segment: Segment) -> bool:
        """Take a whole segment as if its rows were fed; False when it is not the continuation of what was read."""
        leaves, (first_at, last_at) = segment.leaves, segment.times_us
        if (segment.start, leaves[:HASH_BYTES]) != (self._expected, self._last) or first_at < self._last_at_us:
            return False
        self._tree.leaves += [leaves[at:at + HASH_BYTES] for at in range(0, len(leaves), HASH_BYTES)]
        self._follow(segment.last_hash, segment.stop - 1, last_at)
        self._tree.grow(segment.tiles)
        return True

    def feed(self, rows: Page | Sequence[Row]) -> None:
        """Check entries: a page at once if nothing is wrong with places, times and hashes, else one by one."""
        if not isinstance(rows, Page):
            self._feed_singly(rows)
        elif not self._takes(rows):
            self._feed_singly(rows.rows())
        self._tree.grow()

    def _takes(self, page: Page) -> bool:
        """Take a page that follows in place, time and chain and whose every entry is what its hash says."""
        seqs, times = page.seqs, page.times
        follows = (
            np.array_equal(seqs, np.arange(self._expected, self._expected + len(page)))
            and times[0] >= self._last_at_us and bool((times[1:] >= times[:-1]).all())
            and page.previous_hashes.tobytes() == self._last + page.hashes[:-HASH_BYTES]
        )
        if not follows:
            return False
        hashes = self._hashes(page)
        if b"".join(hashes) != page.hashes:
            return False
        self._tree.leaves += (self._last, *hashes[:-1])
        self._follow(hashes[-1], int(seqs[-1]), int(times[-1]))
        for place in self._shapes.unproven(page):
            self._check_content(page.row(place))
        return True

    def _follow(self, stored: bytes, seq: int, at: int) -> None:
        """Go on after an entry that is true to itself."""
        self._last, self._expected, self._last_at_us, self._is_linked = stored, seq + 1, at, True

    def _feed_singly(self, rows: Sequence[Row]) -> None:
        for row in rows:
            seq, at, previous, stored, payload = row[:5]
            if seq == self._expected and previous == self._last and self._hash(previous, seq, at, payload) == stored:
                self._tree.leaves.append(previous)
                self._check_time(row)
                self._follow(stored, seq, at)
                self._check_content(row)
            else:
                self._doubt(row)

    def _check_time(self, row: Row) -> None:
        if row[1] < self._last_at_us:
            self._is_undoubted = False
            self._findings.add(_found(Kind.CLOCK, row, f"recorded at {row[1]}, before its predecessor's "
                                                       f"{self._last_at_us}: the clock went back"))

    def finish(self) -> None:
        """Give the last leaf to the tree and decide where displaced rows came from."""
        if self._expected > self._since:
            self._tree.leaves.append(self._last)
        self._tree.finish()
        places = {row[0] for row in self._suspects} | set(self._gaps)
        for row in self._suspects:
            origin = next((place for place in sorted(places) if place != row[0] and self._belongs(row, place)), None)
            self._findings.add(self._moved(row, origin) if origin is not None else _edited(row))

    def _doubt(self, row: Row) -> None:
        self._is_undoubted = False
        seq, at, previous, stored, payload = row[:5]
        if seq < self._expected:
            self._findings.add(_found(Kind.DUPLICATE, row, f"position {seq} is taken twice"))
            return
        if seq > self._expected:
            self._skip_to(seq)
        if self._hash(previous, seq, at, payload) == stored:
            self._testify(row)
        else:
            self._tree.leaves.append(self._last)
            self._suspect(row)
        self._last, self._expected = stored, seq + 1

    def _skip_to(self, seq: int) -> None:
        gap = range(self._expected, seq)
        self._gaps.extend(gap[:_MAX_SUSPECTS])
        detail = "the entry is gone" if len(gap) == 1 else f"{len(gap)} entries are gone"
        self._findings.add(Finding(Kind.MISSING, gap.start, gap[-1], detail))
        self._tree.leaves.append(self._last)
        if len(gap) > 1:
            self._tree.give_up()
        self._is_linked = False

    def _testify(self, row: Row) -> None:
        """The row is true to itself: what it commits to stands for the entry before it."""
        seq, previous = row[0], row[2]
        if self._is_linked and previous != self._last:
            self._findings.add(Finding(
                Kind.BROKEN_CHAIN, max(seq - 1, 0), max(seq - 1, 0),
                f"entry {seq} commits to another entry {seq - 1} than the one stored: that one was rewritten"
                if seq else "the first entry does not start a chain",
            ))
        self._tree.leaves.append(previous)
        self._check_time(row)
        self._is_linked, self._last_at_us = True, row[1]
        self._check_content(row)

    def _suspect(self, row: Row) -> None:
        """The row is not what its hash says: find out how, and believe its successor about it."""
        seq, at, _, stored, payload = row[:5]
        self._is_linked, was_linked = False, self._is_linked
        if was_linked and self._hash(self._last, seq, at, payload) == stored:
            self._is_linked = True
            self._findings.add(_found(Kind.COLUMN_MISMATCH, row, "the stored prev_hash is not its predecessor's"))
            return
        origin = next((place for place in (seq + 1, seq - 1) if self._belongs(row, place)), None)
        if origin is not None:
            self._findings.add(self._moved(row, origin))
        elif len(self._suspects) < _MAX_SUSPECTS:
            self._suspects.append(tuple(row))
        else:
            self._findings.add(_edited(row))

    def _belongs(self, row: Row, seq: int) -> bool:
        return seq >= 0 and self._hash(row[2], seq, row[1], row[4]) == bytes(row[3])

    def _moved(self, row: Row, origin: int) -> Finding:
        return _found(Kind.REORDERED, row, f"the entry stored at {row[0]} was sealed as entry {origin}")

    def _check_content(self, row: Row) -> None:
        """The bytes are the sealed ones: hold the query columns and the form of the JSON against them."""
        payload = row[4]
        event = _parsed(payload)
        if columns_of(event) == tuple(row[5:]) and is_canonical(payload, event):
            self._shapes.learn(payload, event)
        else:
            self._is_undoubted = False
            self._name_columns(row, event)

    def _name_columns(self, row: Row, event: Any) -> None:  # noqa: ANN401 - any JSON value
        derived, stored = columns_of(event), Columns(*row[5:])
        wrong = [name for name in Columns._fields if getattr(derived, name) != getattr(stored, name)]
        if wrong:
            self._findings.add(_found(Kind.COLUMN_MISMATCH, row, f"{', '.join(wrong)} is not what the payload says",
                                      derived))
        if not is_canonical(row[4], event):
            self._findings.add(_found(Kind.NOT_CANONICAL, row, "the payload is not RFC 8785 JSON", derived))


def _parsed(payload: bytes) -> Any:  # noqa: ANN401 - any JSON value
    try:
        return orjson.loads(payload)
    except orjson.JSONDecodeError:
        return None


def _edited(row: Row) -> Finding:
    return _found(Kind.EDITED, row, "the stored bytes are not the ones that were sealed")


def _found(kind: Kind, row: Row, detail: str, columns: Columns | None = None) -> Finding:
    named = columns or Columns(*row[5:])
    return Finding(kind, row[0], row[0], detail, named.action, named.event_time)
