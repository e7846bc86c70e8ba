"""What the entries are held against, from weak to strong.

Checkpoints inside the database: whoever owns it and the key can forge them. Those outside, in the ledger's folder or a
copy of it: what they cover cannot be rewritten unseen. Those the auditor's policy accepts: a quorum of witnesses saw
the same tree, and said when.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from audit_ledger.adapters.witness_notes import CosignedFile
from audit_ledger.domain.audit.finding import Finding, Findings, Kind, Mode
from audit_ledger.domain.audit.tree_check import Anchor
from audit_ledger.domain.c2sp.checkpoint import Checkpoint, open_checkpoint, read_unverified
from audit_ledger.domain.c2sp.note import VerifierKey
from audit_ledger.domain.c2sp.tlog_policy import Policy, Witnessed, survey
from audit_ledger.domain.errors import MalformedNoteError, UntrustedNoteError
from audit_ledger.store.cosignatures import Cosignatures

_NEWEST = 100
"""Cosigned checkpoints looked at: a quorum older than those is none that an auditor would take."""


@dataclass(frozen=True, slots=True)
class Witnesses:
    """Where cosigned checkpoints lie, and the auditor's policy that judges them."""

    policy: Policy
    stored: Cosignatures
    file: CosignedFile | None = None

    async def notes(self) -> list[bytes]:
        """Return the newest cosigned checkpoints, wherever they are kept."""
        kept = self.file.read() if self.file else None
        return [*await self.stored.notes(_NEWEST), *([kept] if kept else ())]


@dataclass(slots=True)
class Anchors:
    """The checkpoints found good by their signatures; `witnessed`: the largest under the policy's quorum."""

    stream: str
    key: VerifierKey | None
    findings: Findings
    inside: list[Anchor] = field(default_factory=list)
    outside: list[Anchor] = field(default_factory=list)
    witnessed: Witnessed | None = None

    @property
    def all(self) -> list[Anchor]:
        """Every anchor once, by size, those outside first."""
        return sorted(dict.fromkeys([*self.inside, *self.outside]),
                      key=lambda anchor: (anchor.size, not anchor.is_outside))

    def read_inside(self, notes: Iterable[tuple[int, bytes]]) -> None:
        """Step 2."""
        for size, note in notes:
            checkpoint = self._opened(note, "in the database", size)
            if checkpoint is not None and checkpoint.size != size:
                self.findings.add(Finding(Kind.CHECKPOINT_MISMATCH, size, size,
                                          f"the row of size {size} holds the checkpoint of size {checkpoint.size}"))
            elif checkpoint is not None:
                self.inside.append(Anchor(size, checkpoint.root, is_outside=False))

    def read_outside(self, notes: Iterable[bytes]) -> None:
        """Step 3: good signatures, and none of them gone from inside."""
        if self.key is None:
            return
        sizes = {anchor.size for anchor in self.inside}
        for note in notes:
            checkpoint = self._opened(note, "outside the database", -1)
            if checkpoint is None:
                continue
            self.outside.append(Anchor(checkpoint.size, checkpoint.root, is_outside=True))
            if checkpoint.size not in sizes:
                self.findings.add(Finding(Kind.CHECKPOINT_MISSING, checkpoint.size, checkpoint.size,
                                          f"the checkpoint of size {checkpoint.size} is gone from the database"))

    def read_brought(self, notes: Iterable[bytes]) -> None:
        """Step 3 for checkpoints that somebody kept: they need not be stored anywhere else."""
        for note in notes:
            checkpoint = self._opened(note, "in a proof", -1)
            if checkpoint is not None and self.key is not None:
                self.outside.append(Anchor(checkpoint.size, checkpoint.root, is_outside=True))

    def read_witnessed(self, policy: Policy, notes: Iterable[bytes], now_s: int) -> None:
        """Step 3 with a policy: a quorum's cosignatures hold wherever they are kept; two trees of one size are told.

        Other logs of the policy are none of this ledger's. Where the policy asks for no witness nothing is witnessed:
        such a note is only as good as the place where it lies.
        """
        own = replace(policy, logs=tuple(log for log in policy.logs if log.key.name == self.stream))
        found = survey(own, notes, now_s=now_s)
        if found.split is not None:
            size = found.split[0].checkpoint.size
            self.findings.add(Finding(Kind.SPLIT_VIEW, size, size,
                                      f"the ledger's key signed two different trees of {size} entries"))
        if found.largest is not None and found.largest.witnessed_at_s is not None:
            self.witnessed, signed = found.largest, found.largest.checkpoint
            self.outside.append(Anchor(signed.size, signed.root, is_outside=True))

    def mode(self, anchored: int) -> Mode:
        """Return the strongest thing that held, given up to where outside checkpoints held."""
        if self.witnessed is not None and anchored >= self.witnessed.checkpoint.size:
            return Mode.WITNESSED
        return Mode.ANCHORED if anchored else Mode.UNANCHORED

    def _opened(self, note: bytes, where: str, size: int) -> Checkpoint | None:
        try:
            if self.key is None:
                return read_unverified(note)
            return open_checkpoint(note, self.stream, self.key)
        except (MalformedNoteError, UntrustedNoteError) as cause:
            self.findings.add(Finding(Kind.CHECKPOINT_SIGNATURE, max(size, 0), max(size, 0),
                                      f"a checkpoint {where} is not the ledger's: {cause.detail}"))
            return None
