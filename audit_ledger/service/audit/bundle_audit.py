"""The verification of a bundle with our own code: the offline verifier is the other implementation of one format.

1. the names of the members      3. every entry: place, time, hash, link, form     5. single entries
2. the checkpoints, as the       4. the root over the nodes beside the entries     6. what the policy's quorum covers
   policy judges them, and that
   each extends the one before
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import pairwise
from struct import error as StructError  # noqa: N812 - it is an exception
from typing import Any

import orjson

from audit_ledger.adapters.bundle_file import UNREADABLE, BundleFile
from audit_ledger.domain.archive.bundle import (
    Record,
    chunk_name,
    is_sealed_form,
    note_name,
    path_name,
    root_beyond,
    single_name,
)
from audit_ledger.domain.audit.finding import Finding, Findings, Kind, Mode, Verdict
from audit_ledger.domain.audit.tree_check import Anchor, TreeCheck
from audit_ledger.domain.audit.walk import Walk
from audit_ledger.domain.c2sp.tlog_policy import NONE, Policy, Witnessed
from audit_ledger.domain.columns import columns_of
from audit_ledger.domain.entry import GENESIS, LeafData, leaf_data_of
from audit_ledger.domain.errors import MalformedNoteError, UncheckableError, UntrustedNoteError
from audit_ledger.domain.merkle import Frontier, leaf_hash
from audit_ledger.domain.proofs import proves_consistency, proves_inclusion
from shared_kernel.clock import Clock

Progress = Callable[[int, int], None]
"""Called with (entries done, entries in all)."""

_HASH = 32
_PAGE = 512


@dataclass(frozen=True, slots=True)
class BundleReport:
    """What holds of a bundle: `holds_to` by a checkpoint's root, `others_hold`: all but what findings name."""

    stream: str
    first: int
    until: int
    singles: tuple[int, ...]
    size: int
    mode: Mode
    is_covered: bool
    findings: tuple[Finding, ...]
    dropped_findings: int
    holds_to: int
    others_hold: bool

    @property
    def verdict(self) -> Verdict:
        """The exit code."""
        if self.findings:
            return Verdict.TAMPERED
        return Verdict.GOOD if self.is_covered else Verdict.UNPROVEN

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object, as the offline verifier prints it."""
        return {
            "verdict": self.verdict.name.lower(), "exit_code": int(self.verdict), "mode": str(self.mode),
            "stream": self.stream, "from": self.first, "until": self.until, "singles": list(self.singles),
            "size": self.size, "findings": [found.to_json() for found in self.findings],
            "dropped_findings": self.dropped_findings, "holds_to": self.holds_to, "others_hold": self.others_hold,
        }


@dataclass(slots=True)
class _Run:
    """What one verification has learnt so far."""

    findings: Findings = field(default_factory=lambda: Findings([]))
    good: dict[int, Witnessed] = field(default_factory=dict)
    is_whole: bool = False

    def find(self, kind: Kind, first: int, last: int, detail: str) -> None:
        self.findings.add(Finding(kind, first, last, detail))


class BundleAuditor:
    """Judges bundles by the auditor's policy; blocking, for a thread of its own."""

    def __init__(self, policy: Policy, clock: Clock) -> None:
        if not policy.logs:
            raise UncheckableError("the policy names no log: add a line `log <verifier key>`")
        self._policy, self._clock = policy, clock

    def verify(self, bundle: BundleFile, progress: Progress | None = None) -> BundleReport:
        """Check everything."""
        held, run = bundle.manifest, _Run()
        for name in bundle.strays():
            run.find(Kind.EXTRA, 0, 0, f"the zip holds {name!a} twice, or it belongs to no bundle")
        self._read_checkpoints(bundle, run)
        frontier = Frontier(held.first, list(held.left))
        tree = self._walk(bundle, frontier, run, progress or _unseen)
        self._reach_size(bundle, frontier, tree, run)
        self._check_singles(bundle, run)
        covered = max((size for size, each in run.good.items() if each.has_quorum), default=0) >= held.covers
        first_damage = min((found.seq for found in run.findings.kept), default=held.size)
        return BundleReport(
            held.stream, held.first, held.until, held.singles, held.size,
            self._mode(run, held.size, is_covered=covered), covered, run.findings.ordered(),
            run.findings.dropped, others_hold=run.is_whole,
            holds_to=max([0, *(each.size for each in tree.good if each.size <= first_damage),
                          *([held.size] if run.is_whole and not run.findings.kept else [])]),
        )

    def _read_checkpoints(self, bundle: BundleFile, run: _Run) -> None:
        """Step 2."""
        held = bundle.manifest
        for size in held.checkpoints:
            try:
                run.good[size] = self._judged(bundle, size)
            except (MalformedNoteError, UntrustedNoteError, *UNREADABLE) as cause:
                run.find(Kind.CHECKPOINT_SIGNATURE, size, size, f"the checkpoint of size {size} is refused: {cause}")
        for (old, new), path in zip(pairwise(held.checkpoints), held.consistency, strict=True):
            before, after = run.good.get(old), run.good.get(new)
            if before and after and not proves_consistency(
                old, new, path, before.checkpoint.root, after.checkpoint.root,
            ):
                run.find(Kind.CHECKPOINT_MISMATCH, old, new - 1,
                         f"the checkpoint of {new} does not extend that of {old}")

    def _judged(self, bundle: BundleFile, size: int) -> Witnessed:
        found = self._policy.judge(bundle.read(note_name(size)), now_s=self._clock.now_us() // 1_000_000)
        if (found.checkpoint.origin, found.checkpoint.size) != (bundle.manifest.stream, size):
            raise UntrustedNoteError(f"it is of {found.checkpoint.origin}, size {found.checkpoint.size}")
        return found

    def _walk(self, bundle: BundleFile, frontier: Frontier, run: _Run, progress: Progress) -> TreeCheck:
        """Step 3: the hash of an entry is what its successor says of it, and at the end what the manifest says."""
        held = bundle.manifest
        anchors = [Anchor(size, each.checkpoint.root, is_outside=True) for size, each in run.good.items()
                   if held.first <= size <= held.until]
        tree, leaf_data = TreeCheck(frontier, anchors, run.findings), leaf_data_of(held.stream)
        walk: Walk | None = None
        page: list[tuple[Any, ...]] = []
        for record, entry_hash in _hashed(_in_place(bundle, run), held.until, held.head):
            if walk is None:
                walk = Walk(held.stream, since=held.first, tree=tree, findings=run.findings,
                            previous=record.previous if held.first else GENESIS)
            page.append(self._row(record, entry_hash, leaf_data, run))
            if len(page) == _PAGE:
                walk.feed(page)
                page = []
                progress(walk.position - held.first, held.until - held.first)
        position = held.first
        if walk is not None:
            walk.feed(page)
            walk.finish()
            position = walk.position
            progress(position - held.first, held.until - held.first)
        if position < held.until:
            tree.give_up()
            run.find(Kind.TRUNCATED, position, held.until - 1, "the last entries are not in the bundle")
        return tree

    def _row(self, record: Record, entry_hash: bytes, leaf_data: LeafData, run: _Run) -> tuple[Any, ...]:
        """Return the row a database would have held; its leaf data is what the row makes, or the header was changed."""
        seq, at = record.numbers
        if record.leaf_data != leaf_data(record.previous, seq, at, record.payload):
            run.find(Kind.EDITED, seq, seq, "the header is not that of this payload and this log")
        try:
            event = orjson.loads(record.payload)
        except orjson.JSONDecodeError:
            event = None
        if not is_sealed_form(record.payload):
            run.find(Kind.NOT_CANONICAL, seq, seq, "the payload is not RFC 8785 JSON as the ledger admits it")
        return seq, at, record.previous, entry_hash, record.payload, *columns_of(event)

    def _reach_size(self, bundle: BundleFile, frontier: Frontier, tree: TreeCheck, run: _Run) -> None:
        """Step 4."""
        held = bundle.manifest
        signed = run.good.get(held.size)
        if signed is None or tree.size != held.until:
            return
        run.is_whole = root_beyond(frontier, held.right, held.size) == signed.checkpoint.root
        if not run.is_whole and not any(found.kind is Kind.CHECKPOINT_MISMATCH for found in run.findings.kept):
            run.find(Kind.CHECKPOINT_MISMATCH, max((each.size for each in tree.good), default=0), held.size - 1,
                     f"the checkpoint of {held.size} has another root: what lies between was changed")

    def _check_singles(self, bundle: BundleFile, run: _Run) -> None:
        """Step 5."""
        held = bundle.manifest
        leaf_data = leaf_data_of(held.stream)
        for seq in held.singles:
            try:
                [record] = bundle.records(single_name(seq))
                steps = bundle.read(path_name(seq))
                path = [steps[at:at + _HASH] for at in range(0, len(steps), _HASH)]
                root = run.good[held.size].checkpoint.root
                is_own = record.leaf_data == leaf_data(record.previous, *record.numbers, record.payload)
                is_proven = record.numbers[0] == seq and proves_inclusion(
                    leaf_hash(record.leaf_data), seq, held.size, path, root)
                if not is_own or not is_proven or not is_sealed_form(record.payload):
                    run.find(Kind.TREE_MISMATCH, seq, seq, "the single entry is not proven")
            except (*UNREADABLE, StructError) as cause:
                run.find(Kind.TREE_MISMATCH, seq, seq, f"the single entry is not proven: {cause}")

    def _mode(self, run: _Run, size: int, *, is_covered: bool) -> Mode:
        if size not in run.good:
            return Mode.UNANCHORED
        return Mode.WITNESSED if is_covered and self._policy.quorum != NONE else Mode.ANCHORED


def _in_place(bundle: BundleFile, run: _Run) -> Iterator[Record]:
    """Yield the records that lie where the manifest says entries lie."""
    held = bundle.manifest
    expected = held.first
    for first in held.chunks[:len(bundle.names)]:
        try:
            for record in bundle.records(chunk_name(first)):
                seq = record.numbers[0]
                if expected <= seq < held.until:
                    expected = seq + 1
                    yield record
                else:
                    kind = Kind.DUPLICATE if held.first <= seq < expected else Kind.EXTRA
                    run.find(kind, seq, seq, "the entry is out of place")
        except UNREADABLE as cause:
            run.find(Kind.MISSING, expected, expected, f"{chunk_name(first)} cannot be read to its end: {cause}")


def _hashed(records: Iterator[Record], until: int, head: bytes) -> Iterator[tuple[Record, bytes]]:
    """Yield each record with the hash that its successor says it has; its own where the successor is missing."""
    last: Record | None = None
    for record in records:
        if last is not None:
            follows = record.numbers[0] == last.numbers[0] + 1
            yield last, record.previous if follows else sha256(b"\0" + last.leaf_data).digest()
        last = record
    if last is not None:
        yield last, head if last.numbers[0] == until - 1 else sha256(b"\0" + last.leaf_data).digest()


def _unseen(_done: int, _total: int) -> None:
    """Nobody watches."""
