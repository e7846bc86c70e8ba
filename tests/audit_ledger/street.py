"""A street of witnesses on real ports, and a ledger whose follower asks them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from audit_ledger.adapters.witness_client import WitnessClient
from audit_ledger.adapters.witness_files import WitnessFolder
from audit_ledger.adapters.witness_notes import CosignedFile
from audit_ledger.domain.c2sp.checkpoint import Checkpoint
from audit_ledger.domain.c2sp.cosignature import Cosigner
from audit_ledger.domain.c2sp.policy_file import read_policy
from audit_ledger.domain.c2sp.tlog_policy import Policy
from audit_ledger.http.witness import witness_app
from audit_ledger.service import Ledger
from audit_ledger.service.witness.witness import Witness
from audit_ledger.service.witness.witnessing import Witnessing, WitnessingStatus
from audit_ledger.store.cosignatures import Cosignatures
from control_plane.gateway.protocol import StrictProtocol
from control_plane.server import Listener, listen, serve
from shared_kernel.events import Event
from tests.audit_ledger.rig import Rig
from tests.frozen_clock import FrozenClock
from tests.servers.started import free_port

DEADLINE_S = 15


class Street:
    """Witnesses on ports of their own; each can go away, come back, lose its memory or be replaced by a liar."""

    def __init__(self, rig: Rig, home: Path, stack: AsyncExitStack) -> None:
        self.rig, self.home, self.stack = rig, home, stack
        self.ports = {name: free_port() for name in ("w1", "w2", "w3")}

    def folder(self, name: str) -> WitnessFolder:
        return WitnessFolder(self.home / name)

    def cosigner(self, name: str) -> Cosigner:
        return self.folder(name).cosigner(f"witness.example/{name}")

    def witness(self, name: str, clock: FrozenClock | None = None) -> Witness:
        return Witness(self.cosigner(name), [self.rig.signer.verifier], self.folder(name), clock or self.rig.clock)

    async def open(self, name: str, clock: FrozenClock | None = None) -> Callable[[], Awaitable[None]]:
        """Put a witness on its port; what is returned takes it off again."""
        bound = listen("127.0.0.1", self.ports[name], option="-")
        stop = asyncio.Event()
        application = witness_app(self.witness(name, clock))
        task = asyncio.create_task(serve([Listener(application, bound, StrictProtocol)], stop))

        async def close() -> None:
            stop.set()
            await task
            bound.close()

        self.stack.push_async_callback(close)
        return close

    async def lie(self, name: str, answer: bytes, *, keep_open: bool = False) -> None:
        """Put something on the port that answers these bytes whatever it is asked."""

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            await writer.drain()
            if not keep_open:
                writer.close()

        server = await asyncio.start_server(handle, "127.0.0.1", self.ports[name])
        self.stack.callback(server.close)

    def policy(self, *names: str, quorum: str) -> Policy:
        lines = [f"witness {name} {self.cosigner(name).verifier} http://127.0.0.1:{self.ports[name]}/\n"
                 for name in names]
        return read_policy(f"{''.join(lines)}{quorum}\n".encode())


class Followed:
    """A ledger, its follower, and what both leave behind."""

    def __init__(self, rig: Rig, ledger: Ledger, witnessing: Witnessing, policy: Policy, home: Path) -> None:
        self.rig, self.ledger, self.witnessing, self.policy = rig, ledger, witnessing, policy
        self.file = CosignedFile(home)

    async def published(self, entries: int) -> Checkpoint:
        """Seal so many entries and publish a checkpoint."""
        for number in range(entries):
            await self.ledger.record(self.rig.event(number))
        return await self.ledger.publish_checkpoint()

    async def until(self, holds: Callable[[WitnessingStatus], Any]) -> WitnessingStatus:
        async with asyncio.timeout(DEADLINE_S):
            while not holds(self.witnessing.status()):  # noqa: ASYNC110 - the follower tells nobody when it changes
                await asyncio.sleep(0.02)
        return self.witnessing.status()

    async def sealed(self, action: str) -> Event:
        """Wait for an entry."""
        async with asyncio.timeout(DEADLINE_S):
            while not (found := await self.ledger.find(action=action)):  # noqa: ASYNC110 - sealed whenever it happens
                await asyncio.sleep(0.02)
        return found[0].event

    async def cosigned(self) -> list[bytes]:
        return await kept(self.rig).notes(100)


def kept(rig: Rig) -> Cosignatures:
    return Cosignatures(rig.writer_pool, rig.reader_pool, rig.signer.name)


@asynccontextmanager
async def followed(street: Street, policy: Policy, **options: Any) -> AsyncIterator[Followed]:
    """Run a ledger and its follower."""
    rig, home = street.rig, street.home.parent / "ledger" / "checkpoints"
    ledger = rig.ledger()
    await ledger.start()
    witnessing = Witnessing(
        ledger, key=rig.signer.verifier, policy=policy, client=WitnessClient(deadline_s=1.0), kept=kept(rig),
        file=CosignedFile(home), clock=rig.clock, **{"retry_s": 0.05} | options)
    task = asyncio.create_task(witnessing.run())
    try:
        yield Followed(rig, ledger, witnessing, policy.for_log(rig.signer.verifier), home)
    finally:
        assert not task.done(), task.exception()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await ledger.stop()


def all_at(size: int) -> Callable[[WitnessingStatus], bool]:
    return lambda status: all(each.size == size for each in status.witnesses)


def counted(size: int) -> Callable[[WitnessingStatus], bool]:
    """The quorum is counted, and its note kept, only after the last witness answered."""
    return lambda status: status.quorum_size == size
