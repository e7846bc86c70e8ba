"""What a verification can find, how it adds up to a report, and the exit code that says it to a script."""

from dataclasses import dataclass, replace
from enum import IntEnum, StrEnum
from typing import Any


class Kind(StrEnum):
    """The classes of damage."""

    EDITED = "edited"
    REORDERED = "reordered"
    BROKEN_CHAIN = "broken_chain"
    MISSING = "missing"
    DUPLICATE = "duplicate"
    EXTRA = "extra"
    TRUNCATED = "truncated"
    COLUMN_MISMATCH = "column_mismatch"
    NOT_CANONICAL = "not_canonical"
    TREE_MISMATCH = "tree_mismatch"
    HEAD_MISMATCH = "head_mismatch"
    CHECKPOINT_MISMATCH = "checkpoint_mismatch"
    CHECKPOINT_SIGNATURE = "checkpoint_signature"
    CHECKPOINT_MISSING = "checkpoint_missing"
    FOREIGN_STREAM = "foreign_stream"
    CLOCK = "clock"
    KEY_MISSING = "key_missing"
    KEY_MISMATCH = "key_mismatch"
    NOT_ERASED = "not_erased"
    PRUNED = "pruned"
    COPY_MISMATCH = "copy_mismatch"
    SPLIT_VIEW = "split_view"
    RECEIPT_MISMATCH = "receipt_mismatch"


class Verdict(IntEnum):
    """The exit codes of `gridwarden ledger verify`."""

    GOOD = 0
    UNPROVEN = 3
    TAMPERED = 4
    CANNOT_CHECK = 5


class Mode(StrEnum):
    """Against what the entries were held: a quorum of witnesses, a checkpoint outside the database, or only itself."""

    WITNESSED = "witnessed"
    ANCHORED = "anchored"
    UNANCHORED = "unanchored"


@dataclass(frozen=True, slots=True)
class Finding:
    """Damage of one class at the entries `seq` to `last_seq`; `action` and `event_time` say which event it was."""

    kind: Kind
    seq: int
    last_seq: int
    detail: str
    action: str | None = None
    event_time: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object."""
        return {"kind": str(self.kind), "seq": self.seq, "last_seq": self.last_seq, "detail": self.detail,
                "action": self.action, "event_time": self.event_time}


MAX_FINDINGS = 1_000


@dataclass(slots=True)
class Findings:
    """Collects findings in bounded memory: neighbours of one class become one range."""

    kept: list[Finding]
    dropped: int = 0

    def add(self, found: Finding) -> None:
        """Keep a finding, or lengthen the last one."""
        if self.kept:
            last = self.kept[-1]
            if last.kind is found.kind and found.seq == last.last_seq + 1:
                self.kept[-1] = replace(last, last_seq=found.last_seq)
                return
        if len(self.kept) < MAX_FINDINGS:
            self.kept.append(found)
        else:
            self.dropped += 1

    def joined_with(self, other: "Findings") -> "Findings":
        """Return both together, nothing twice."""
        return Findings(list(dict.fromkeys([*self.kept, *other.kept])), self.dropped + other.dropped)

    def ordered(self) -> tuple[Finding, ...]:
        """Return the findings by position, neighbours joined."""
        joined = Findings([])
        for found in sorted(self.kept, key=lambda each: (each.seq, each.kind)):
            joined.add(found)
        return tuple(joined.kept)


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome of one verification.

    `size` entries were expected, from `since` on each was rehashed. `stale`: what is older than it may be.
    `holds_to`: entries below it are proven by the signed checkpoint of that size. `anchored_size`: what the newest good
    checkpoint outside the database, or under witnesses, covers.
    """

    stream: str
    size: int
    since: int
    root: bytes
    mode: Mode
    stale: str | None
    findings: tuple[Finding, ...]
    dropped_findings: int
    checkpoints_good: int
    anchored_size: int
    holds_to: int
    duration_ms: int

    @property
    def verdict(self) -> Verdict:
        """The exit code."""
        if self.findings:
            return Verdict.TAMPERED
        if self.mode is Mode.UNANCHORED or self.stale:
            return Verdict.UNPROVEN
        return Verdict.GOOD

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object; hashes in hexadecimal."""
        return {
            "verdict": self.verdict.name.lower(), "exit_code": int(self.verdict), "stream": self.stream,
            "size": self.size, "since": self.since, "root": self.root.hex(), "mode": str(self.mode),
            "stale": bool(self.stale), "stale_because": self.stale,
            "findings": [found.to_json() for found in self.findings],
            "dropped_findings": self.dropped_findings, "checkpoints_good": self.checkpoints_good,
            "anchored_size": self.anchored_size, "holds_to": self.holds_to, "duration_ms": self.duration_ms,
        }
