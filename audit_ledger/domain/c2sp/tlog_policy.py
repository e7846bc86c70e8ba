"""Trust policies (C2SP tlog-policy): whose logs, which witnesses, and how many of them must have cosigned.

A checkpoint is believed when a listed log signed it and the quorum of witnesses cosigned it; the policy is the
auditor's own file (see policy_file.py) and never comes from the party that is audited.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from audit_ledger.domain.c2sp.checkpoint import Checkpoint
from audit_ledger.domain.c2sp.cosignature import timestamp_of
from audit_ledger.domain.c2sp.note import VerifierKey, open_note
from audit_ledger.domain.errors import MalformedNoteError, UntrustedNoteError

NONE = "none"
"""The quorum that asks for no witness."""
CLOCK_SKEW_S = 300
"""A cosignature further in the future than this counts for nothing."""


@dataclass(frozen=True, slots=True)
class KnownLog:
    """A log that is believed; its key's name is its origin."""

    key: VerifierKey
    url: str | None = None


@dataclass(frozen=True, slots=True)
class KnownWitness:
    """A witness by the policy's own name for it."""

    name: str
    key: VerifierKey
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """Has witnessed when `threshold` of its members have."""

    name: str
    threshold: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Cosigned:
    """A witness of the policy that cosigned, and when."""

    witness: str
    time_s: int


@dataclass(frozen=True, slots=True)
class Witnessed:
    """A checkpoint as a policy judges it."""

    checkpoint: Checkpoint
    log: VerifierKey
    cosigned: tuple[Cosigned, ...]
    has_quorum: bool
    witnessed_at_s: int | None
    """The latest time by which a whole quorum had signed at or after it; None without one, or where none is asked."""


@dataclass(frozen=True, slots=True)
class Policy:
    """Judges checkpoints; no two witnesses have one public key, so nobody counts twice."""

    logs: tuple[KnownLog, ...]
    witnesses: tuple[KnownWitness, ...]
    groups: tuple[Group, ...]
    quorum: str

    def for_log(self, key: VerifierKey) -> "Policy":
        """Return the policy with this log among the believed: for a log that is known from elsewhere."""
        if any(log.key == key for log in self.logs):
            return self
        if any(witness.key.key == key.key for witness in self.witnesses):
            raise MalformedNoteError(f"{key.name} would be its own witness: take its key out of the policy's witnesses")
        return replace(self, logs=(*self.logs, KnownLog(key)))

    def is_quorum(self, names: Iterable[str]) -> bool:
        """Tell whether these witnesses are enough."""
        reached = {NONE, *names}
        for group in self.groups:  # each names only what stands before it
            if sum(member in reached for member in group.members) >= group.threshold:
                reached.add(group.name)
        return self.quorum in reached

    def judge(self, note: bytes, *, now_s: int) -> Witnessed:
        """Open a cosigned checkpoint.

        UntrustedNoteError when no listed log of its origin signed it, or when a signature that claims one of the
        listed keys is false; a missing quorum is no error, it is in the answer.
        """
        opened = open_note(note, (*(log.key for log in self.logs), *(witness.key for witness in self.witnesses)))
        checkpoint = Checkpoint.parse(opened.text)
        own = [log.key for log in self.logs if log.key in opened.verified and log.key.name == checkpoint.origin]
        if not own:
            raise UntrustedNoteError(f"no log key of the policy signed this checkpoint of {checkpoint.origin}")
        signed = dict(zip(opened.verified, opened.signatures, strict=True))
        times = {known.name: timestamp_of(signed[known.key]) for known in self.witnesses if known.key in signed}
        cosigned = tuple(Cosigned(name, at) for name, at in times.items() if at <= now_s + CLOCK_SKEW_S)
        return Witnessed(checkpoint, own[0], cosigned, self.is_quorum(each.witness for each in cosigned),
                         self._quorum_time(cosigned))

    def _quorum_time(self, cosigned: tuple[Cosigned, ...]) -> int | None:
        newest_first = sorted({each.time_s for each in cosigned}, reverse=True)
        reached = (at for at in newest_first if self.is_quorum(each.witness for each in cosigned if each.time_s >= at))
        return None if self.quorum == NONE else next(reached, None)


@dataclass(frozen=True, slots=True)
class Survey:
    """What a policy finds among many notes."""

    largest: Witnessed | None
    """The largest checkpoint under quorum."""
    split: tuple[Witnessed, Witnessed] | None
    """Two checkpoints of one size and two roots, both signed by the log: proof that it shows two trees."""
    refused: tuple[str, ...]
    """Why notes were not counted, one sentence a note."""


def survey(policy: Policy, notes: Iterable[bytes], *, now_s: int) -> Survey:
    """Return the largest checkpoint under quorum among the notes, whatever else they are."""
    largest: Witnessed | None = None
    split: tuple[Witnessed, Witnessed] | None = None
    seen: dict[tuple[str, int], Witnessed] = {}
    refused: list[str] = []
    for note in notes:
        try:
            found = policy.judge(note, now_s=now_s)
        except (MalformedNoteError, UntrustedNoteError) as cause:
            refused.append(cause.detail)
            continue
        signed = found.checkpoint
        first = seen.setdefault((signed.origin, signed.size), found)
        if first.checkpoint.root != signed.root:
            split = split or (first, found)
        if found.has_quorum and _rank(found) > _rank(largest):
            largest = found
    return Survey(largest, split, tuple(refused))


def _rank(found: Witnessed | None) -> tuple[int, int]:
    """Order by size; of one size the one witnessed last is the fresher."""
    return (found.checkpoint.size, found.witnessed_at_s or 0) if found else (-1, 0)
