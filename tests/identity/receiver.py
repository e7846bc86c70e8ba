"""Somebody else's server on loopback: it writes down what it is sent, and answers what a test tells it to."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import parse_qs

import asyncpg
from aiohttp import web

from identity.adapters.outbound import Outbound
from identity.service import IdentityProvider
from identity.service.clients.registrar import RegistrationPolicy
from identity.store.database import Database
from tests.frozen_clock import FrozenClock
from tests.identity.world import ISSUER, ListRecorder, World, quick_keys, quick_passwords

LOOPBACK = (ip_network("127.0.0.0/8"),)


@dataclass(frozen=True)
class Sent:
    """One request as it came."""

    path: str
    headers: Mapping[str, str]
    body: str

    def field(self, name: str) -> str:
        """Return a field of the form."""
        return parse_qs(self.body, strict_parsing=True)[name][0]


@dataclass
class Receiver:
    """What came, and what to answer: `answers` one after the other, then `answer` for ever."""

    url: str = ""
    received: list[Sent] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    answer: int = 200
    delay_s: float = 0.0
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle(self, request: web.Request) -> web.Response:
        """Write down and answer."""
        self.received.append(Sent(request.path, dict(request.headers), await request.text()))
        self.arrived.set()
        await asyncio.sleep(self.delay_s)
        return web.Response(status=self.answers.pop(0) if self.answers else self.answer)


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """Listen on a free port."""
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/{path:.*}", receiver.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        _, port = runner.addresses[0][:2]
        receiver.url = f"http://127.0.0.1:{port}"
        yield receiver
    finally:
        await runner.cleanup()


def provider_on(pool: asyncpg.Pool, clock: FrozenClock, folder: Path, issuer: str = ISSUER,
                ) -> tuple[IdentityProvider, ListRecorder]:
    """Return a provider that may call servers on loopback, and its ledger."""
    recorder = ListRecorder()
    return IdentityProvider(
        Database(pool), recorder, clock, issuer=issuer, keys=quick_keys(folder / "keys"), outbound=Outbound(LOOPBACK),
        registration=RegistrationPolicy(networks=LOOPBACK), passwords=quick_passwords()), recorder


@asynccontextmanager
async def reaching_world(pool: asyncpg.Pool, clock: FrozenClock, folder: Path) -> AsyncIterator[World]:
    """A world whose provider may call servers on loopback."""
    provider, recorder = provider_on(pool, clock, folder)
    world = World(provider, recorder, clock, pool)
    await world.people()
    try:
        yield world
    finally:
        provider.close()
