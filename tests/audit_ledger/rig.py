"""A ledger on a real database, an auditor of its own, and a superuser who does not play fair."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg

from audit_ledger.adapters.key_file import FileSigner
from audit_ledger.adapters.ledger_folder import LedgerFolder
from audit_ledger.domain.audit.finding import Report
from audit_ledger.domain.c2sp.note import NoteSigner
from audit_ledger.service import Ledger
from audit_ledger.service.audit.verifier import Evidence, Verifier
from audit_ledger.store.reader import LedgerReader
from audit_ledger.store.writer import LedgerWriter
from control_plane.database.pools import open_pool
from control_plane.database.roles import LEDGER_READER, LEDGER_WRITER
from shared_kernel.events import Event, security_event
from tests.frozen_clock import FrozenClock

GUARDED = ("entries", "subtrees", "checkpoints", "heads")


@dataclass(slots=True)
class Rig:
    """All parts of one ledger under test."""

    url: str
    folder: LedgerFolder
    signer: NoteSigner
    clock: FrozenClock
    writer_pool: asyncpg.Pool
    reader_pool: asyncpg.Pool
    receipts: dict[int, bytes] = field(default_factory=dict)

    @property
    def reader(self) -> LedgerReader:
        """A reader of the ledger's stream."""
        return LedgerReader(self.reader_pool, self.signer.name)

    def ledger(self, **options: Any) -> Ledger:
        """Return a ledger that is not started; checkpoints come only when asked for."""
        writer = LedgerWriter(self.writer_pool, self.signer.name)
        quiet = {"publish_every_s": 3600.0, "patience_s": 0.3, "heartbeat_every_s": 3600.0} | options
        return Ledger(writer, self.reader, signer=FileSigner(self.signer), folder=self.folder, clock=self.clock,
                      **quiet)

    async def filled(self, count: int, *, checkpoint_at: tuple[int, ...] = ()) -> None:
        """Seal events until the ledger has `count` entries, publishing at the sizes named and at the end."""
        ledger = self.ledger()
        await ledger.start()
        for size in (*checkpoint_at, count):
            await asyncio.gather(*(self.keep_receipt(ledger, number) for number in range(ledger.head().size, size)))
            if size in checkpoint_at:
                await ledger.publish_checkpoint()
        await ledger.stop()

    async def keep_receipt(self, ledger: Ledger, number: int) -> None:
        """Seal an event as a producer who keeps what he is told."""
        receipt = await ledger.record(self.event(number))
        self.receipts[receipt.seq] = receipt.entry_hash

    def event(self, number: int, **sections: Any) -> Event:
        """Return a decision as the gateway seals it."""
        return security_event(
            self.clock, "access_decision", category="web", types=("access", "allowed"),
            user={"id": f"user-{number % 7}"}, http={"request": {"id": f"request-{number}"}},
            grid={"resource": {"dataset": "grid.meter_readings", "path": "/api/v1/readings"}}, **sections,
        )

    async def verify(
        self, *, outside: bool = True, since: int = 0, reader: LedgerReader | None = None, **options: Any,
    ) -> Report:
        """Verify as an auditor would, with or without the checkpoints kept outside."""
        return await self.verifier(outside=outside, reader=reader, **options).verify(since=since)

    def verifier(self, *, outside: bool = True, reader: LedgerReader | None = None, **options: Any) -> Verifier:
        """Return an auditor with the ledger's key."""
        folder = self.folder if outside else None
        known = {name: options.pop(name) for name in list(options) if name in Evidence.__slots__}
        evidence = Evidence(self.signer.verifier, folder, **known)
        return Verifier(reader or self.reader, self.clock, evidence, **options)

    async def attack(self, *statements: str, **values: Any) -> None:
        """Run statements as the superuser, with every guard switched off."""
        connection = await asyncpg.connect(self.url)
        for table in GUARDED:
            await connection.execute(f"ALTER TABLE audit_ledger.{table} DISABLE TRIGGER ALL")
        for statement in statements:
            await connection.execute(statement, *values.get("arguments", ()))
        for table in GUARDED:
            await connection.execute(f"ALTER TABLE audit_ledger.{table} ENABLE ALWAYS TRIGGER append_only")
        await connection.close()


def folder_of(home: Path) -> LedgerFolder:
    """Return the ledger's files as a home keeps them."""
    return LedgerFolder(keys=home / "keys", checkpoints=home / "ledger" / "checkpoints")


def kinds(report: Report) -> list[tuple[str, int, int]]:
    """Return the class and range of each finding."""
    return [(str(found.kind), found.seq, found.last_seq) for found in report.findings]


@asynccontextmanager
async def opened(make_database: Callable[..., Any], home: Path, clock: FrozenClock) -> AsyncIterator[Rig]:
    """Open a rig on a fresh database."""
    url = await make_database("audit_ledger")
    folder = folder_of(home)
    writer_pool = await open_pool(url, LEDGER_WRITER, size=20)
    reader_pool = await open_pool(url, LEDGER_READER, size=4)
    yield Rig(url, folder, folder.signer(), clock, writer_pool, reader_pool)
    for pool in (writer_pool, reader_pool):
        pool.terminate()


async def filled(rig: Rig) -> None:
    """Twenty entries, checkpoints of 1, 10 and 20."""
    await rig.filled(20, checkpoint_at=(10,))
