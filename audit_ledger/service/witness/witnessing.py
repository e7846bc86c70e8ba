"""Witnessing: has every published checkpoint cosigned by the witnesses of the policy; sealing never waits for it.

A round asks all of them at once for the newest checkpoint. Who fails is asked again later and later, visibly. A witness
that contradicts the ledger (it saw more entries than there are, or others) is an alarm and an entry of its own.
"""

import asyncio
from dataclasses import dataclass

import structlog

from audit_ledger.adapters.witness_client import WitnessClient, WitnessRefusedError
from audit_ledger.adapters.witness_notes import CosignedFile
from audit_ledger.domain.c2sp.add_checkpoint import AddCheckpoint, OutdatedSizeError
from audit_ledger.domain.c2sp.checkpoint import Checkpoint, open_checkpoint
from audit_ledger.domain.c2sp.cosignature import Cosignature, accepted_cosignature
from audit_ledger.domain.c2sp.note import VerifierKey
from audit_ledger.domain.c2sp.tlog_policy import CLOCK_SKEW_S, Policy
from audit_ledger.service import metrics
from audit_ledger.service.ledger import Ledger
from audit_ledger.service.witness.peer import Peer, WitnessStatus
from audit_ledger.store.cosignatures import Cosignatures
from shared_kernel.clock import Clock
from shared_kernel.errors import ConflictError, GridwardenError, UnavailableError
from shared_kernel.events import security_event

log = structlog.get_logger()

_TRIES = 3
"""A first guess, the size the witness tells, and one more for a log that somebody else submits too."""
_WATCH_S = 30.0
_CONTRADICTIONS = frozenset({409, 422})
"""A 409 that names no size says: another tree of this size. Newer witnesses answer 422 to that too."""


class ContradictionError(ConflictError):
    """A witness has seen what this ledger does not have: one of the two lost or changed entries."""


@dataclass(frozen=True, slots=True)
class WitnessingStatus:
    """The witnesses, and how far their quorum reaches."""

    witnesses: tuple[WitnessStatus, ...]
    quorum_size: int
    late_s: int
    """For so long the newest checkpoint, or one before it, has lacked a quorum."""
    is_late: bool


class Witnessing:
    """Follows a ledger's checkpoints; run `run` in the background for as long as the ledger leads."""

    def __init__(  # noqa: PLR0913 - the composition root names each part
        self, ledger: Ledger, *, key: VerifierKey, policy: Policy, client: WitnessClient, kept: Cosignatures,
        file: CosignedFile, clock: Clock, max_age_s: int = 3_600, retry_s: float = 5.0,
    ) -> None:
        self._ledger, self._key, self._policy, self._client = ledger, key, policy.for_log(key), client
        self._kept, self._file, self._clock = kept, file, clock
        self._max_age_s = max_age_s
        self._peers = [Peer(known, retry_s) for known in policy.witnesses]
        self._newest: Checkpoint | None = None
        self._note = b""
        self._quorum_size = 0
        self._behind_since_s: int | None = None
        self._is_late = False

    def status(self) -> WitnessingStatus:
        """Return what is known now."""
        return WitnessingStatus(tuple(peer.status() for peer in self._peers), self._quorum_size, self._late_s(),
                                self._is_late)

    async def behind(self, size: int) -> list[str]:
        """Return the witnesses whose last word is about fewer entries: pruned below it, they get no more proofs."""
        words = await self._kept.last_words()
        heard = ((peer.known.name, words.get(_identity(peer.known.key))) for peer in self._peers)
        return [name for name, word in heard if word is not None and word.size < size]

    async def run(self) -> None:
        """Ask for ever."""
        async with self._client:
            await self._remember()
            while True:
                await self._next()
                await self._round()

    async def _remember(self) -> None:
        """Learn what earlier runs reached: a hint for the first question, and a quorum never to fall behind."""
        try:
            words = await self._kept.last_words()
            for peer in self._peers:
                peer.recall(words.get(_identity(peer.known.key)))
            note = await asyncio.to_thread(self._file.read)
            if note is not None and (kept := self._policy.judge(note, now_s=self._now_s())).has_quorum:
                self._quorum_size = kept.checkpoint.size
                metrics.QUORUM_SIZE.set(self._quorum_size)
        except GridwardenError as cause:
            log.warning("witnessing_starts_without_memory", reason=cause.detail)

    async def _next(self) -> None:
        """Wait for a newer checkpoint, or until a witness that failed is due again."""
        known = self._newest.size if self._newest else 0
        try:
            async with asyncio.timeout(self._pause_s()):
                self._newest = await self._ledger.wait_published(known)
                self._note = b""
        except TimeoutError:
            pass

    def _pause_s(self) -> float | None:
        if self._newest is None:
            return None
        waiting = [peer.due_in_s() for peer in self._peers if peer.is_wanted(self._newest.size)]
        if self._behind_since_s is not None:
            waiting.append(_WATCH_S)
        return min(waiting, default=None)

    async def _round(self) -> None:
        newest = self._newest
        if newest is None:
            return
        due = [peer for peer in self._peers if peer.is_wanted(newest.size) and peer.due_in_s() <= 0]
        await asyncio.gather(*(self._ask(peer, newest) for peer in due))
        try:
            await self._count(newest)
        except GridwardenError as cause:
            log.warning("quorum_not_kept", reason=cause.detail)
        self._watch(newest)

    async def _ask(self, peer: Peer, newest: Checkpoint) -> None:
        try:
            found = await self._cosigned(peer, newest, await self._signed(newest))
            await self._kept.keep(newest.size, _identity(peer.known.key), found.time_s, found.line)
        except GridwardenError as cause:
            metrics.WITNESS_FAILURES.labels(witness=peer.known.name).inc()
            log.warning("witness_did_not_cosign", witness=peer.known.name, size=newest.size, reason=cause.detail)
            peer.fail(cause.detail)
            if isinstance(cause, ContradictionError):
                await self._alarm(peer, newest, cause.detail)
        else:
            metrics.COSIGNATURES.labels(witness=peer.known.name).inc()
            peer.succeed(newest.size, found)

    async def _alarm(self, peer: Peer, newest: Checkpoint, why: str) -> None:
        """Seal a contradiction, once until the witness cosigns again: it is what witnesses are for."""
        if peer.is_contradicting:
            return
        log.error("witness_contradicts_ledger", witness=peer.known.name, size=newest.size, reason=why)
        try:
            await self._ledger.record(security_event(
                self._clock, "witness_contradicted", category="configuration", outcome="failure", reason=why,
                grid={"ledger": {"witness": peer.known.name, "size": newest.size}}))
            peer.is_contradicting = True
        except UnavailableError as cause:
            log.warning("contradiction_not_sealed", witness=peer.known.name, reason=cause.detail)

    async def _signed(self, newest: Checkpoint) -> bytes:
        """Return the note of the checkpoint; a database that gives another one is not sent to anybody."""
        if not self._note:
            note = await self._ledger.checkpoint(newest.size)
            if open_checkpoint(note, newest.origin, self._key) != newest:
                raise UnavailableError(f"the stored checkpoint of {newest.size} entries is not the published one: "
                                       "run `gridwarden ledger verify`")
            self._note = note
        return self._note

    async def _cosigned(self, peer: Peer, newest: Checkpoint, note: bytes) -> Cosignature:
        """Return the verified cosignature; the witness may first have to tell what it saw last."""
        old = min(peer.size, newest.size)
        for _ in range(_TRIES):
            proof = await self._ledger.consistency_proof(old, newest.size)
            try:
                answer = await self._client.add_checkpoint(
                    peer.known.url or "", AddCheckpoint(old, tuple(proof), note))
            except OutdatedSizeError as conflict:
                _refuse_contradiction(conflict.size, old, newest)
                peer.hear(conflict.size)
                old = conflict.size
                continue
            except WitnessRefusedError as refusal:
                if refusal.status in _CONTRADICTIONS:
                    raise ContradictionError(f"it saw {old} entries that this ledger does not begin with: this ledger, "
                                             "or somebody with its key, shows two trees") from refusal
                raise
            return self._in_time(accepted_cosignature(note, answer, peer.known.key))
        raise UnavailableError(f"the witness named another size {_TRIES} times: somebody else submits, or it is broken")

    def _in_time(self, found: Cosignature) -> Cosignature:
        if found.time_s > self._now_s() + CLOCK_SKEW_S:
            raise UnavailableError(f"its clock is {found.time_s - self._now_s()} seconds ahead of ours")
        return found

    async def _count(self, newest: Checkpoint) -> None:
        """Keep the note outside the database once the quorum holds; never in the place of a larger one."""
        lines = [peer.found.line for peer in self._peers if peer.found is not None and peer.signed_size == newest.size]
        if newest.size < self._quorum_size or not self._note:
            return
        note = self._note + "".join(lines).encode()
        if self._policy.judge(note, now_s=self._now_s()).has_quorum:
            await asyncio.to_thread(self._file.keep, note)
            self._quorum_size = newest.size
            metrics.QUORUM_SIZE.set(newest.size)

    def _watch(self, newest: Checkpoint) -> None:
        """Notice how long checkpoints have lacked their quorum, and say so once."""
        if self._quorum_size >= newest.size:
            self._behind_since_s = None
        elif self._behind_since_s is None:
            self._behind_since_s = self._now_s()
        late_s = self._late_s()
        metrics.QUORUM_LATE_SECONDS.set(late_s)
        was_late, self._is_late = self._is_late, late_s > self._max_age_s
        if self._is_late and not was_late:
            log.warning("quorum_missing", published=newest.size, witnessed=self._quorum_size, seconds=late_s)

    def _late_s(self) -> int:
        return 0 if self._behind_since_s is None else self._now_s() - self._behind_since_s

    def _now_s(self) -> int:
        return self._clock.now_us() // 1_000_000


def _refuse_contradiction(says: int, old: int, newest: Checkpoint) -> None:
    if says > newest.size:
        raise ContradictionError(f"it saw {says} entries, this ledger has published {newest.size}: entries were lost")
    if says == old:
        raise UnavailableError(f"it names {old} entries as its last size and refuses them: it is broken")


def _identity(key: VerifierKey) -> str:
    return f"{key.name}+{key.key_id.hex()}"
