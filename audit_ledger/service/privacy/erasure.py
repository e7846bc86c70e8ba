"""Erasure (GDPR, article 17): the person's key is destroyed, the entries stay, and an entry says what was done.

The entry comes first, then the destruction; `finish` completes at the next start what a crash left between the two.
What else remembers: backups and the write-ahead log of the table subject_keys hold the wrapped key until they expire,
so their retention is the longest an erased field can be brought back (verification reports a key that came back).
The console, identity, grid_services, siem_rules and soar_playbooks keep data of their own, which is theirs to delete.
"""

import asyncio
from dataclasses import dataclass
from typing import Protocol

import structlog

from audit_ledger.domain.privacy.erasures import SUBJECT_ERASED, erasure_event
from audit_ledger.domain.privacy.personal import subject_of
from audit_ledger.service import metrics
from audit_ledger.service.privacy.sealing import FieldSealer
from audit_ledger.store.subject_keys import SubjectKeys
from shared_kernel.clock import Clock
from shared_kernel.context import RequestContext
from shared_kernel.errors import NotFoundError, UnavailableError, UnprocessableError
from shared_kernel.events import EventReader, Recorder, SealedEvent

log = structlog.get_logger()
MAX_REASON = 500


class UnknownSubjectError(NotFoundError):
    """Nothing was ever sealed for this subject; often a name stands where the id belongs."""

    def __init__(self, subject: str) -> None:
        super().__init__(f"the ledger never sealed a field of {subject!r}: give the `user.id` of its entries")


class UnfinishedErasureError(UnavailableError):
    """The entry is sealed and the fields stay closed, but the key still lies in the database."""

    def __init__(self, subject: str) -> None:
        super().__init__(f"the erasure of {subject} is sealed, and its key not yet destroyed: repeat the request, or "
                         "restart gridwarden, which completes it")


class Seals(Recorder, EventReader, Protocol):
    """The ledger, as an erasure needs it."""


@dataclass(frozen=True, slots=True)
class Erasing:
    """What was erased: the names of the keys, and how many entries they had sealed when it began."""

    subject: str
    keys: tuple[str, ...]
    entries: int


class Erasure:
    """Erases subjects, one at a time; the ledger it seals into must use the same sealer."""

    def __init__(self, keys: SubjectKeys, sealer: FieldSealer, ledger: Seals, clock: Clock) -> None:
        self._keys, self._sealer, self._ledger, self._clock = keys, sealer, ledger, clock
        self._one_at_a_time = asyncio.Lock()

    async def erase(self, subject: str, *, reason: str, context: RequestContext | None = None) -> Erasing:
        """Erase a subject's sealed fields; erasing twice is harmless, and later events get a new key.

        Raises UnprocessableError, UnknownSubjectError, UnfinishedErasureError; LedgerDownError when nothing was done.
        """
        subject = _storable(subject)
        if not 0 < len(reason) <= MAX_REASON or not reason.isprintable() or not reason.strip():
            raise UnprocessableError(f"the reason is printable text of 1 to {MAX_REASON} characters")
        return await asyncio.shield(asyncio.create_task(self._erase(subject, reason, context)))

    async def finish(self) -> int:
        """Destroy every key that an entry calls erased; return how many were left.

        For every taking of the lead, before the first event: whoever led until then may have erased, and died over it.
        """
        self._sealer.forget_all()
        await self._sealer.refresh()
        said = self._sealer.register
        named = sorted({commitment for commitment, _ in said.named()})
        left = 0
        for start in range(0, len(named), _BATCH):
            stored = await self._keys.named(named[start:start + _BATCH])
            found = [key.commitment for key in stored if key.wrapped and said.of(key.commitment, key.subject)]
            if found:
                log.warning("erasure_completed", keys=found)
                left += await self._keys.destroy(found, self._clock.now_us())
        return left

    async def past(self, before: int | None, limit: int) -> list[SealedEvent]:
        """Return the newest erasures."""
        return await self._ledger.find(action=SUBJECT_ERASED, before=before, limit=limit)

    async def _erase(self, subject: str, reason: str, context: RequestContext | None) -> Erasing:
        async with self._one_at_a_time:
            known = await self._keys.of(subject)
            if not known:
                raise UnknownSubjectError(subject)
            keys = [key.commitment for key in known if key.wrapped is not None]
            if not keys:
                return Erasing(subject, (), 0)
            self._sealer.retire(keys, subject)
            entries = await self._keys.uses(keys)
            await self._ledger.record(erasure_event(
                self._clock, subject, keys=keys, entries=entries, reason=reason, context=context))
            await self._destroy(subject, keys)
            metrics.ERASURES.inc()
            log.info("subject_erased", keys=keys, entries=entries)
            return Erasing(subject, tuple(keys), entries)

    async def _destroy(self, subject: str, keys: list[str]) -> None:
        try:
            await self._keys.destroy(keys, self._clock.now_us())
        except UnavailableError as cause:
            raise UnfinishedErasureError(subject) from cause


_BATCH = 500


def _storable(subject: str) -> str:
    """Return the subject as the column has it, whatever it consists of: it must be possible to erase anybody."""
    if not subject:
        raise UnprocessableError("the subject is empty: give the `user.id` of the entries")
    try:
        subject.encode()
    except UnicodeEncodeError as cause:
        raise UnprocessableError("the subject holds half of a surrogate pair") from cause
    return subject_of(subject)
