"""The part of a verification that asks for the keys of sealed fields: each is there and the right one, or erased.

1. every key an entry names has a row               3. a destroyed key is called erased by an entry after its last use
2. a key that is there fits its name and subject    4. a key that is called erased is destroyed

Without the key-encryption key of the home, whether a key fits its name stays open. Memory does not grow with the
ledger, only with the number of erasures.
"""

import asyncio
from collections.abc import AsyncIterator
from time import monotonic

from audit_ledger.domain.audit.finding import Finding, Findings, Kind
from audit_ledger.domain.privacy.erasures import ErasureRegister
from audit_ledger.domain.privacy.sealing import KeyEncryptionKey, Unreadable
from audit_ledger.store.snapshot import Snapshot
from audit_ledger.store.subject_keys import KeyUse, SnapshotKeys, SubjectKeys

PATIENCE_S = 3.0
"""The snapshot may fall between an erasure's entry and its destruction, a moment later."""


async def check_sealed_keys(
    snapshot: Snapshot, present: SubjectKeys, kek: KeyEncryptionKey | None, findings: Findings,
) -> None:
    """Add what is wrong with the keys of sealed fields; `present` looks past the snapshot, at the keys of now."""
    stored = SnapshotKeys(snapshot)
    check = _Check(stored, present, kek, await _register(stored))
    async for finding in check.findings():
        findings.add(finding)


async def _register(stored: SnapshotKeys) -> ErasureRegister:
    register = ErasureRegister()
    while page := await stored.erasures(register.next):
        for seq, at_us, payload in page:
            register.learn(seq, at_us, payload)
    return register


class _Check:
    def __init__(
        self, stored: SnapshotKeys, present: SubjectKeys, kek: KeyEncryptionKey | None, said: ErasureRegister,
    ) -> None:
        self._stored, self._present, self._kek, self._said = stored, present, kek, said
        self._deadline = monotonic() + PATIENCE_S

    async def findings(self) -> AsyncIterator[Finding]:
        async for commitment, first, last in self._stored.orphans():
            yield Finding(Kind.KEY_MISSING, first, last, f"the key {commitment} of their sealed fields is not stored")
        async for use in self._stored.rows():
            found = self._misfiled(use) or await (self._returned(use) if use.wrapped else self._destroyed(use))
            if found:
                yield found

    def _misfiled(self, use: KeyUse) -> Finding | None:
        if use.first is not None and {use.first_subject, use.last_subject} != {use.subject}:
            return _found(Kind.KEY_MISMATCH, use, f"is stored as that of {use.subject}, and its entries name another")
        if self._kek is None or use.wrapped is None:
            return None
        if isinstance(self._kek.unwrap(use.wrapped, use.commitment), Unreadable):
            return _found(Kind.KEY_MISMATCH, use, "does not open, or is another than its name says")
        return None

    async def _destroyed(self, use: KeyUse) -> Finding | None:
        said = self._said.of(use.commitment, use.subject)
        if said is None:
            if use.first is None and await self._stored.is_pruned():
                return None
            return _found(Kind.KEY_MISSING, use, "was destroyed, and no entry says that its subject was erased")
        if use.last is not None and use.last > said.seq:
            first = await self._stored.first_use_after(use.commitment, said.seq)
            return Finding(Kind.KEY_MISSING, first, use.last, f"the key {use.commitment} of their sealed fields was "
                           f"destroyed, and the erasure at {said.seq} came before them")
        return None

    async def _returned(self, use: KeyUse) -> Finding | None:
        said = self._said.of(use.commitment, use.subject)
        if said is None or not await self._stays(use.commitment):
            return None
        return Finding(Kind.NOT_ERASED, said.seq, said.seq, f"the entry says that the key {use.commitment} was "
                       "destroyed, and it is still stored: start gridwarden, which destroys it")

    async def _stays(self, commitment: str) -> bool:
        while any(key.wrapped for key in await self._present.named([commitment])):
            if monotonic() > self._deadline:
                return True
            await asyncio.sleep(0.1)
        return False


def _found(kind: Kind, use: KeyUse, what: str) -> Finding:
    """A key that seals no entry of its subject has no place; its finding stands at 0."""
    return Finding(kind, use.first or 0, use.last or 0, f"the key {use.commitment} of sealed fields {what}")
