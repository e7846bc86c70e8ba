"""Seals the personal fields of events under their subjects' keys, and opens them again for whoever reads the ledger.

An event must go from `seal` to the sequencer's queue without an await between: then no entry sealed under a key comes
after the entry that says the key was erased. `retire` is what an erasure calls first, and it takes effect at once.
"""

import asyncio
import os
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from time import monotonic

from audit_ledger.domain.errors import LedgerDownError, RefusedEventError
from audit_ledger.domain.privacy.erasures import ErasureRegister, told_in
from audit_ledger.domain.privacy.personal import shares_of
from audit_ledger.domain.privacy.sealing import (
    KEY_BYTES,
    NONCE_BYTES,
    UNKNOWN,
    Erased,
    Fact,
    KeyEncryptionKey,
    SubjectKey,
    Unreadable,
    commitment_of,
    commitments_in,
    opened,
    refuse_sealed,
    sealed,
)
from audit_ledger.service import metrics
from audit_ledger.store.subject_keys import StoredKey, SubjectKeys
from shared_kernel.clock import Clock
from shared_kernel.events import Event

DESTROYED = Unreadable("its key was destroyed and no entry says so: run `gridwarden ledger verify`")


class FieldSealer:
    """Keeps up to `capacity` keys of each direction at hand; what it knows of a key to read is `max_age_s` old."""

    def __init__(
        self, keys: SubjectKeys, kek: KeyEncryptionKey, clock: Clock, *, capacity: int = 10_000,
        max_age_s: float = 3.0,
    ) -> None:
        self._keys, self._kek, self._clock = keys, kek, clock
        self._capacity, self._max_age_s = capacity, max_age_s
        self._current: OrderedDict[str, SubjectKey] = OrderedDict()
        self._loading: dict[str, asyncio.Task[SubjectKey]] = {}
        self._facts: OrderedDict[str, tuple[Fact, float]] = OrderedDict()
        self._retired: set[str] = set()
        self.register = ErasureRegister()
        self.retirements = 0
        """Moves on whenever keys are retired: what was opened before may be closed now."""

    async def seal(self, event: Event) -> Event:
        """Return the event with its personal fields sealed; without any it comes back as it is.

        Raises RefusedEventError, or LedgerDownError when a key can neither be found nor made.
        """
        shares = shares_of(event)
        if not shares:
            refuse_sealed(event)
            return event
        try:
            keys = [self._at_hand(share.subject) for share in shares]
        except KeyError:
            keys = await self._loaded([share.subject for share in shares])
        return sealed(event, [(share, key, os.urandom(NONCE_BYTES)) for share, key in zip(shares, keys, strict=True)])

    async def opened(self, events: Sequence[Event]) -> list[Event]:
        """Return the events as they were recorded; what cannot be opened says why in `grid.sealed`."""
        needed = {commitment for event in events for commitment in commitments_in(event)}
        facts = await self._facts_of(needed)
        return [opened(event, facts) for event in events]

    def retire(self, commitments: Iterable[str], subject: str) -> None:
        """Never use these keys for another event, and ask the database each time before one of them opens anything."""
        self.retirements += 1
        self._current.pop(subject, None)
        for commitment in commitments:
            self._retired.add(commitment)
            self._facts.pop(commitment, None)

    def retire_all(self, commitments: Iterable[str]) -> None:
        """Never use these keys again, whosever they are."""
        retired = set(commitments)
        self.retirements += bool(retired)
        for subject in [subject for subject, key in self._current.items() if key.commitment in retired]:
            del self._current[subject]
        self._retired |= retired
        for commitment in retired:
            self._facts.pop(commitment, None)

    def admits(self, event: Event) -> bool:
        """Tell whether another process' event may follow what was sealed so far: under no key that was erased.

        An erasure among them retires its keys here, before anything that comes after it.
        """
        if any(key in self._retired or self.register.names(key) for key in commitments_in(event)):
            return False
        keys = told_in(event).get("keys")
        if isinstance(keys, list):
            self.retire_all(key for key in keys if isinstance(key, str))
        return True

    def forget_all(self) -> None:
        """Start afresh: for whoever has not been the only writer for a while."""
        self._current.clear()
        self._facts.clear()

    def _at_hand(self, subject: str) -> SubjectKey:
        key = self._current[subject]
        self._current.move_to_end(subject)
        return key

    async def _loaded(self, subjects: Sequence[str]) -> list[SubjectKey]:
        """Return the keys, all of them usable at this very moment: an erasure may come in while we wait for one."""
        while True:
            keys = {subject: self._current.get(subject) or await self._load(subject) for subject in subjects}
            if self._retired.isdisjoint(key.commitment for key in keys.values()):
                return [keys[subject] for subject in subjects]

    async def _load(self, subject: str) -> SubjectKey:
        """Load once, however many events wait for it."""
        task = self._loading.get(subject)
        if task is None:
            task = self._loading[subject] = asyncio.create_task(self._find_or_make(subject))
            task.add_done_callback(lambda _: self._loading.pop(subject, None))
        return await asyncio.shield(task)

    async def _find_or_make(self, subject: str) -> SubjectKey:
        try:
            subject.encode()
        except UnicodeEncodeError as cause:
            raise RefusedEventError("user.id", "holds half of a surrogate pair") from cause
        retired = list(self._retired)
        stored = await self._keys.current(subject, retired) or await self._keys.keep(
            self._new(subject), self._clock.now_us(), retired)
        found = self._usable(stored)
        if isinstance(found, Unreadable):
            raise LedgerDownError("a key of sealed fields does not open: restore keys/subjects.key of this home, or "
                                  f"erase {subject}")
        if found.commitment not in self._retired:
            self._current[subject] = found
            if len(self._current) > self._capacity:
                self._current.popitem(last=False)
        return found

    def _new(self, subject: str) -> StoredKey:
        secret = os.urandom(KEY_BYTES)
        metrics.SUBJECT_KEYS.inc()
        return StoredKey(commitment_of(secret), subject, self._kek.wrap(secret))

    def _usable(self, stored: StoredKey) -> SubjectKey | Unreadable:
        return self._kek.unwrap(stored.wrapped or b"", stored.commitment)

    async def _facts_of(self, needed: set[str]) -> dict[str, Fact]:
        oldest = monotonic() - self._max_age_s
        facts = {name: known[0] for name in needed if (known := self._facts.get(name)) and known[1] >= oldest}
        missing = [name for name in needed if name not in facts]
        if missing:
            facts |= await self._looked_up(missing)
        return facts

    async def _looked_up(self, missing: list[str]) -> dict[str, Fact]:
        """Ask for the keys first and for erasures then: whoever sees a key destroyed must see the entry before it."""
        since = monotonic()
        stored = {key.commitment: key for key in await self._keys.named(missing)}
        await self.refresh()
        facts = {name: self._fact(stored.get(name)) for name in missing}
        for name, fact in facts.items():
            if name not in self._retired:
                self._facts[name] = fact, since
                self._facts.move_to_end(name)
        while len(self._facts) > self._capacity:
            self._facts.popitem(last=False)
        return facts

    def _fact(self, stored: StoredKey | None) -> Fact:
        """What the entries call erased stays closed, even when its key has come back."""
        if stored is None:
            return UNKNOWN
        said = self.register.of(stored.commitment, stored.subject)
        if said is not None:
            return Erased(said.at_us)
        return self._usable(stored) if stored.wrapped is not None else DESTROYED

    async def refresh(self) -> None:
        """Learn the erasures sealed since the last time."""
        while page := await self._keys.erasures(self.register.next):
            for seq, at_us, payload in page:
                self.register.learn(seq, at_us, payload)
