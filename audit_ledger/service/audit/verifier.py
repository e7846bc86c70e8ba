"""The verification: rehash every payload, hold the tree against every checkpoint, report every finding.

1. the stream exists and has entries, and no other stream has       5. the root at every checkpoint's size
2. the checkpoints in the database: signature, origin               6. tree nodes, keys of sealed fields, receipts
3. those outside and under witnesses; none gone from inside         7. head, length, and how old the news is
4. every row: place, time, hash, link, columns, form
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter

from audit_ledger.adapters.ledger_folder import LedgerFolder
from audit_ledger.adapters.notebook import Notebook
from audit_ledger.domain.audit.finding import Finding, Findings, Kind, Report
from audit_ledger.domain.audit.tree_check import TreeCheck
from audit_ledger.domain.audit.walk import Walk
from audit_ledger.domain.audit.walk_state import WalkState
from audit_ledger.domain.c2sp.checkpoint import read_unverified
from audit_ledger.domain.c2sp.note import VerifierKey
from audit_ledger.domain.c2sp.tlog_policy import NONE
from audit_ledger.domain.c2sp.tlog_proof import TlogProof
from audit_ledger.domain.errors import UncheckableError
from audit_ledger.domain.head import Head
from audit_ledger.domain.merkle import Frontier, Subtree
from audit_ledger.domain.privacy.sealing import KeyEncryptionKey
from audit_ledger.domain.proofs import proves_inclusion
from audit_ledger.service.audit.anchors import Anchors, Witnesses
from audit_ledger.service.audit.prune_check import prune_check
from audit_ledger.service.audit.sealing_check import check_sealed_keys
from audit_ledger.service.audit.walking import Pace, Progress, Team, begun, walk_on
from audit_ledger.service.prover import Prover
from audit_ledger.store.pruner import Prunes
from audit_ledger.store.reader import LedgerReader
from audit_ledger.store.snapshot import Snapshot
from audit_ledger.store.subject_keys import SubjectKeys
from shared_kernel.clock import Clock

STALE_AFTER_S = 900
GOODBYE = "ledger_stopped"
"""The last entry of a clean end: after it nobody expects a sign of life."""


@dataclass(frozen=True, slots=True)
class SealedKeys:
    """The keys of sealed fields as stored now; `kek`: the home's key that opens them, if the auditor has it."""

    present: SubjectKeys
    kek: KeyEncryptionKey | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the auditor holds the ledger against.

    `key`: the log's. `outside`: the checkpoints kept outside the database. `witnesses`: by his own policy. `notes`,
    `receipts`, `proofs`: what producers kept. `keys`: of sealed fields. `prunes`: below them entries may be gone.
    """

    key: VerifierKey | None
    outside: LedgerFolder | None = None
    witnesses: Witnesses | None = None
    notes: Sequence[bytes] = ()
    receipts: Mapping[int, bytes] = field(default_factory=dict)
    proofs: Sequence[TlogProof] = ()
    keys: SealedKeys | None = None
    prunes: Prunes | None = None


class Verifier:
    """An auditor: needs the database, the log's public key, and for anchoring what is kept outside or cosigned."""

    def __init__(  # noqa: PLR0913 - an auditor's whole equipment
        self, reader: LedgerReader, clock: Clock, evidence: Evidence, *, page_rows: int = 512,
        stale_after_s: int = STALE_AFTER_S, team: Team | None = None, notebook: Notebook | None = None,
    ) -> None:
        self._reader, self._clock, self._held, self._notebook = reader, clock, evidence, notebook
        self._pace, self._stale_after_us = Pace(page_rows, team or Team()), stale_after_s * 1_000_000

    async def verify(self, progress: Progress | None = None, *, since: int = 0) -> Report:
        """Verify all entries, or those from the checkpoint of size `since` on.

        Raises UncheckableError or LedgerDownError when there is nothing to check or it cannot be read: no report is
        not a good report.
        """
        began = perf_counter()
        outside = self._held.outside
        kept = outside.checkpoints() if outside else []  # before the snapshot: it must hold all of them
        noted = Findings([])
        anchors = Anchors(self._reader.stream, self._held.key, noted)
        async with self._reader.snapshot() as snapshot:
            head = await self._head(snapshot, noted, has_history=bool(kept))
            await self._read_checkpoints(snapshot, anchors, kept)
            start = await self._start(noted)
            since = max(since, start)
            state = await self._state(anchors, since, start)
            tree, findings = state.tree, state.findings
            await walk_on(self._reader, snapshot, state, head.size, pace=self._pace, progress=progress or _unseen,
                          keep=self._write_down)
            await _check_subtrees(snapshot, tree, findings)
            await self._check_keys(snapshot, findings)
            await self._check_receipts(snapshot, findings, start)
            await self._check_proofs(snapshot, findings, start)
            _check_end(head, state.walk, tree, findings)
            anchored = max((each.size for each in tree.good if each.is_outside), default=0)
            stale = await self._staleness(anchored, state.walk.position, anchors)
        self._forget()
        found = noted.joined_with(findings)
        return Report(
            stream=self._reader.stream, size=head.size, since=since, root=tree.root, mode=anchors.mode(anchored),
            stale=stale, findings=found.ordered(), dropped_findings=found.dropped, checkpoints_good=len(tree.good),
            anchored_size=anchored, holds_to=_holds_to(tree, found),
            duration_ms=round((perf_counter() - began) * 1000),
        )

    async def _start(self, findings: Findings) -> int:
        """Return where the entries begin: behind what was archived, sealed as pruned, and deleted."""
        if self._held.prunes is None:
            return 0
        check = await prune_check(self._reader, self._held.prunes)
        for finding in check.findings:
            findings.add(finding)
        return check.start

    async def _state(self, anchors: Anchors, since: int, start: int) -> WalkState:
        """Go on where an interrupted verification was, or begin."""
        saved = self._notebook.read() if self._notebook else None
        if saved is not None:
            state = WalkState.from_json(saved, self._reader.stream, anchors.all)
            await self._refuse_another_history(state)
            return state
        findings = Findings([])
        is_pruned = 0 < since == start  # the tree there is signed by every later checkpoint
        frontier = await Prover(self._reader).frontier_at(since) if is_pruned else await self._frontier(since, anchors)
        return await begun(self._reader, TreeCheck(frontier, anchors.all, findings), findings, is_pruned=is_pruned)

    async def _refuse_another_history(self, state: WalkState) -> None:
        """What was read is behind us, but its last entry must still be the one that was read."""
        position = state.walk.position
        last = await self._reader.entries(position - 1, 1) if position else []
        if position and (not last or last[0].entry_hash != state.walk.last_hash):
            raise UncheckableError("the ledger is not the one whose verification was interrupted: begin anew")

    def _write_down(self, state: WalkState) -> None:
        if self._notebook is not None:
            self._notebook.keep(lambda: state.to_json(self._reader.stream))

    def _forget(self) -> None:
        if self._notebook is not None:
            self._notebook.forget()

    async def _head(self, snapshot: Snapshot, findings: Findings, *, has_history: bool) -> Head:
        """Step 1."""
        await self._reader.refuse_disguises()
        head = await snapshot.head()
        length = await snapshot.count_beyond(0)
        others = await snapshot.foreign_streams()
        if not length and not has_history and not (head and head.size):
            raise UncheckableError(f"the database has no entries of the ledger {self._reader.stream}: nothing to verify"
                                   + (f" (it has {', '.join(name for name, _ in others)})" if others else ""))
        for name, seq in others:
            findings.add(Finding(Kind.FOREIGN_STREAM, seq, seq, f"entries lie in the stream {name}"))
        if head is None:
            findings.add(Finding(Kind.HEAD_MISMATCH, length, length, "the head row is gone"))
            return Head(length, b"")
        return head

    async def _read_checkpoints(self, snapshot: Snapshot, anchors: Anchors, kept: list[bytes]) -> None:
        """Steps 2 and 3."""
        anchors.read_inside(await snapshot.checkpoints())
        anchors.read_outside(kept)
        anchors.read_brought([*self._held.notes, *(proof.checkpoint for proof in self._held.proofs)])
        witnesses = self._held.witnesses
        if witnesses is not None:
            anchors.read_witnessed(witnesses.policy, await witnesses.notes(), self._clock.now_us() // 1_000_000)

    async def _frontier(self, since: int, anchors: Anchors) -> Frontier:
        """Begin at a checkpoint only if the stored tree at its size has the signed root."""
        if not since:
            return Frontier()
        roots = {anchor.root for anchor in anchors.all if anchor.size == since}
        if not roots:
            raise UncheckableError(f"there is no good checkpoint of size {since} to start from")
        frontier = await Prover(self._reader).frontier_at(since)
        if roots != {frontier.root}:
            raise UncheckableError(f"the stored tree does not carry the checkpoint of size {since}: verify from 0")
        return frontier

    async def _check_keys(self, snapshot: Snapshot, findings: Findings) -> None:
        """Step 6: every key of sealed fields is there and the right one, or an entry says that it was erased."""
        if self._held.keys is not None:
            await check_sealed_keys(snapshot, self._held.keys.present, self._held.keys.kek, findings)

    async def _check_receipts(self, snapshot: Snapshot, findings: Findings, start: int) -> None:
        """Step 6: what producers were told is what is there now; for what is pruned the archive has to answer."""
        for seq, told in sorted(self._held.receipts.items()):
            if seq >= start and await snapshot.entry_hash(seq) != told:
                findings.add(Finding(Kind.RECEIPT_MISMATCH, seq, seq,
                                     f"a receipt says that entry {seq} was another one"))

    async def _check_proofs(self, snapshot: Snapshot, findings: Findings, start: int) -> None:
        """Step 6: what a kept proof led from is what is there now; its checkpoint was held against the tree before."""
        for proof in self._held.proofs:
            signed, leaf = read_unverified(proof.checkpoint), await snapshot.entry_hash(proof.index)
            is_led = leaf is not None and proves_inclusion(leaf, proof.index, signed.size, proof.path, signed.root)
            if proof.index >= start and not is_led:
                findings.add(Finding(Kind.RECEIPT_MISMATCH, proof.index, proof.index,
                                     f"a kept proof does not lead from entry {proof.index} to its signed root"))

    async def _staleness(self, anchored: int, size: int, anchors: Anchors) -> str | None:
        """Tell what is older than it may be: what waits for a checkpoint, the witnesses' word, the last entry."""
        now_us = self._clock.now_us()
        waiting = await self._reader.entries(anchored, 1) if anchored < size else []
        if waiting and now_us - waiting[0].recorded_at_us > self._stale_after_us:
            return f"entry {anchored} has waited too long for a checkpoint outside the database"
        if self._held.witnesses is not None and self._held.witnesses.policy.quorum != NONE:
            if anchors.witnessed is None:
                return "no quorum of the policy's witnesses has cosigned a checkpoint of this ledger"
            if now_us - (anchors.witnessed.witnessed_at_s or 0) * 1_000_000 > self._stale_after_us:
                return "the witnesses' last word is old: the ledger may have gone on elsewhere"
        last = await self._reader.entries(size - 1, 1) if size else []
        if last and last[0].columns.action == GOODBYE:
            return None
        if last and now_us - last[0].recorded_at_us > self._stale_after_us:
            return "the last entry is old, and the ledger was not stopped in order"
        return None


async def _check_subtrees(snapshot: Snapshot, tree: TreeCheck, findings: Findings) -> None:
    """Step 6: what proofs are served from is what was computed."""
    computed = tree.subtrees
    async for level, index, held in snapshot.subtrees():
        place = Subtree(level, index)
        first, last = index << level, ((index + 1) << level) - 1
        expected = computed.pop(place, None)
        if expected is not None and expected != held:
            findings.add(Finding(Kind.TREE_MISMATCH, first, last, f"the stored tree node {place} is wrong"))
    for place in computed:
        first, last = place.index << place.level, ((place.index + 1) << place.level) - 1
        findings.add(Finding(Kind.TREE_MISMATCH, first, last, f"the stored tree node {place} is gone"))


def _check_end(head: Head, walk: Walk, tree: TreeCheck, findings: Findings) -> None:
    """Step 7: as long as the head and every checkpoint say, and not longer."""
    promised = max((anchor.size for anchor in tree.unmet()), default=0)
    length = walk.position
    if max(promised, head.size) > length:
        findings.add(Finding(Kind.TRUNCATED, length, max(promised, head.size) - 1,
                             f"{max(promised, head.size) - length} entries at the end are gone"))
    if head.size < length:
        findings.add(Finding(Kind.EXTRA, head.size, length - 1,
                             f"entries beyond the head of {head.size}: nobody sealed them here"))
    elif head.size == length and head.entry_hash not in {walk.last_hash, b""}:
        findings.add(Finding(Kind.HEAD_MISMATCH, max(length - 1, 0), max(length - 1, 0),
                             "the head is not the hash of the last entry"))


def _holds_to(tree: TreeCheck, findings: Findings) -> int:
    """Return the largest checkpoint size below the first damage."""
    first = min((found.seq for found in findings.kept), default=tree.size)
    return max((anchor.size for anchor in tree.good if anchor.size <= first), default=0)


def _unseen(_done: int, _total: int) -> None:
    """Nobody watches."""
