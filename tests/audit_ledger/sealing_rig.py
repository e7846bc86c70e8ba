"""A ledger that seals personal fields, and somebody with the database's superuser rights who is after the keys."""

from dataclasses import dataclass, field
from typing import Any

import asyncpg

from audit_ledger.domain.audit.finding import Findings
from audit_ledger.domain.canonical import payload_of
from audit_ledger.domain.columns import columns_of
from audit_ledger.domain.privacy.sealing import KeyEncryptionKey
from audit_ledger.service import Ledger
from audit_ledger.service.audit.sealing_check import check_sealed_keys
from audit_ledger.service.privacy.erasure import Erasure
from audit_ledger.service.privacy.sealing import FieldSealer
from audit_ledger.store.subject_keys import SubjectKeys
from shared_kernel.context import RequestContext
from shared_kernel.events import Event, Receipt
from shared_kernel.principal import Principal, PrincipalKind
from tests.audit_ledger.rig import Rig

STEWARD = RequestContext(
    "request-of-erasure", principal=Principal("steward-1", "stella", PrincipalKind.PERSON), source_ip="192.0.2.99")
KEK = KeyEncryptionKey(bytes(range(32)))


@dataclass(slots=True)
class SealingRig:
    """One process' view: its ledger, its sealer, its erasures."""

    rig: Rig
    kek: KeyEncryptionKey
    keeping: type[SubjectKeys] = SubjectKeys
    keys: SubjectKeys = field(init=False)
    sealer: FieldSealer = field(init=False)
    ledger: Ledger = field(init=False)
    erasure: Erasure = field(init=False)

    def __post_init__(self) -> None:
        self.keys = self.keeping(self.rig.writer_pool, self.rig.reader_pool, self.rig.signer.name)
        self.sealer = FieldSealer(self.keys, self.kek, self.rig.clock)
        self.ledger = self.rig.ledger(patience_s=15.0, sealer=self.sealer)
        self.erasure = Erasure(self.keys, self.sealer, self.ledger, self.rig.clock)

    def beside(self) -> "SealingRig":
        """Return another process on the same database; its ledger is not started."""
        return SealingRig(self.rig, self.kek)

    def event(self, who: str, number: int = 0) -> Event:
        """Return a decision about a person."""
        return self.rig.event(number) | {
            "user": {"id": who, "name": f"{who} the person", "roles": ["grid_operator"]},
            "source": {"ip": "192.0.2.7"}, "user_agent": {"original": "Mozilla/5.0"}}

    async def seal(self, *people: str) -> list[int]:
        """Seal one decision about each; return their positions."""
        return [(await self.ledger.record(self.event(who))).seq for who in people]

    async def event_at(self, seq: int) -> Event:
        """Read one event as a subscriber does."""
        return (await self.ledger.read(seq, 1))[0].event

    async def forge(self, event: Event) -> Receipt:
        """Append as somebody who has our code: past the sealer, by the sequencer."""
        return await self.ledger._sequencer.append(payload_of(event), columns_of(event))

    async def attack(self, statement: str, *arguments: Any) -> None:
        """Run a statement as the superuser with the guards of the keys switched off."""
        connection = await asyncpg.connect(self.rig.url)
        await connection.execute("ALTER TABLE audit_ledger.subject_keys DISABLE TRIGGER ALL")
        await connection.execute(statement, *arguments)
        for guard in ("append_only", "only_forgets"):
            await connection.execute(f"ALTER TABLE audit_ledger.subject_keys ENABLE ALWAYS TRIGGER {guard}")
        await connection.close()

    async def check(self, *, with_kek: bool = True) -> list[tuple[str, int, int]]:
        """Check the keys as a verification does; return class and range of each finding."""
        return [(kind, first, last) for kind, first, last, _ in await self.told(with_kek=with_kek)]

    async def told(self, *, with_kek: bool = True) -> list[tuple[str, int, int, str]]:
        """Check the keys; return the findings with their sentences."""
        findings = Findings([])
        async with self.rig.reader.snapshot() as snapshot:
            await check_sealed_keys(snapshot, self.keys, self.kek if with_kek else None, findings)
        return [(str(each.kind), each.seq, each.last_seq, each.detail) for each in findings.ordered()]
