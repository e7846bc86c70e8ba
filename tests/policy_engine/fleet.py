"""A fleet of real processes on one database, each behind a cable that a test may cut."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg

from control_plane.database.pools import open_pool
from control_plane.database.roles import APP
from policy_engine.domain.bundle import Bundle
from policy_engine.service.membership import steady_us
from policy_engine.store.bundle_channel import BundleChannel
from tests.policy_engine.authors import Author, rules

LEASE_MS = 1_000
STALE = "stale_policy: "
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Answer:
    """What one process answered, between two moments (microseconds of the machine's steady clock)."""

    process: str
    before: int
    after: int
    reason: str


@dataclass
class Cable:
    """A TCP connection to PostgreSQL that swallows everything while it is cut, as a broken network does."""

    url: str
    whole: asyncio.Event = field(default_factory=asyncio.Event)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    port: int = 0

    @property
    def behind(self) -> str:
        """The URL of the database behind this cable."""
        parts = urlsplit(self.url)
        return f"postgresql://{parts.username}@127.0.0.1:{self.port}{parts.path}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection."""
        folder = parse_qs(urlsplit(self.url).query)["host"][0]
        far_reader, far_writer = await asyncio.open_unix_connection(f"{folder}/.s.PGSQL.5432")
        for source, sink in ((reader, far_writer), (far_reader, writer)):
            task = asyncio.create_task(self._carry(source, sink))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    async def _carry(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65_536):
                await self.whole.wait()
                sink.write(data)
                await sink.drain()
        sink.close()


@contextlib.asynccontextmanager
async def cable(url: str) -> AsyncIterator[Cable]:
    """Lay a cable to the database."""
    laid = Cable(url)
    laid.whole.set()
    server = await asyncio.start_server(laid.serve, "127.0.0.1", 0)
    laid.port = server.sockets[0].getsockname()[1]
    try:
        yield laid
    finally:
        server.close()
        for task in [*laid.tasks]:
            task.cancel()
        await asyncio.gather(*laid.tasks, return_exceptions=True)


class Member:
    """A process that answers all the time."""

    def __init__(self, name: str, url: str, bundle: Path, public: Path, opa: str | None = None) -> None:
        """Start it with its own signed bundle, and an OPA server of its own if it has one."""
        self.name = name
        self.answers: list[Answer] = []
        self._arguments = (url, str(bundle), str(public), *([opa] if opa else []))
        self._changed = asyncio.Condition()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Member"]:
        """Run until the end of the block."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.policy_engine.channel_member", *self._arguments, cwd=ROOT,
            stdout=asyncio.subprocess.PIPE, stderr=None, env={**os.environ, "PYTHONPATH": str(ROOT)})
        self._process = process
        reading = asyncio.create_task(self._read(process))
        try:
            yield self
        finally:
            process.kill()
            await reading
            await process.wait()

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            async with self._changed:
                self.answers.append(Answer(self.name, **json.loads(line)))
                self._changed.notify_all()

    async def says(self, start: str, *, since: int = 0) -> Answer:
        """Wait until it gives a reason that begins so, in an answer asked for since a moment; return that answer."""
        async with asyncio.timeout(20), self._changed:
            while not (found := [each for each in self.answers[-50:]
                                 if each.reason.startswith(start) and each.before >= since]):
                await self._changed.wait()
        return found[0]

    @contextlib.contextmanager
    def stopped(self) -> Iterator[None]:
        """Let it stand still, as a machine under a debugger or out of memory does."""
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)


@contextlib.asynccontextmanager
async def leased(url: str) -> AsyncIterator[tuple[str, BundleChannel]]:
    """Give a database whose lease is one second, and its channel."""
    owner = await asyncpg.connect(url)
    await owner.execute("UPDATE policy_engine.channel SET lease_ms = $1", LEASE_MS)
    await owner.close()
    pool = await open_pool(url, APP, size=4)
    yield url, BundleChannel(pool, steady_us)
    pool.terminate()


@contextlib.asynccontextmanager
async def fleet(url: str, author: Author, folder: Path, *names: str, opas: Sequence[str | None] = (),
                ) -> AsyncIterator[tuple[list[Member], list[Cable]]]:
    """Run members, each behind its cable, in process or on its own OPA server, all deciding by rules 1."""
    bundle, public = folder / "bundle.tar.gz", folder / "policy.pub"
    bundle.write_bytes(author.archive(rules(1), 1))
    public.write_bytes(author.public_pem)
    async with contextlib.AsyncExitStack() as stack:
        cables = [await stack.enter_async_context(cable(url)) for _ in names]
        members = [Member(name, laid.behind, bundle, public, opa)
                   for name, laid, opa in zip(names, cables, opas or [None] * len(names), strict=True)]
        for member in members:
            await stack.enter_async_context(member.running())
        for member in members:
            await member.says("rules 1")
        yield members, cables


async def publish(channel: BundleChannel, author: Author, number: int) -> None:
    """Publish rules by their number."""
    await channel.publish(rules_of(number), author.archive(rules(number), number), by="ana")


def rules_of(number: int) -> Bundle:
    """Return the rules as the channel's row tells them."""
    bundle = rules(number)
    return Bundle(bundle.files, name=f"build {number}", built_at_us=number, sequence=number)


def overlaps(answers: list[Answer]) -> list[tuple[Answer, Answer]]:
    """Return proofs that two bundles decided at once: the older answered a question asked after the newer had."""
    found = []
    ruled = [answer for answer in answers if answer.reason.startswith("rules ")]
    numbers = sorted({answer.reason for answer in ruled})
    for place, older in enumerate(numbers):
        last = max((answer for answer in ruled if answer.reason == older), key=lambda answer: answer.before)
        newer = [answer for answer in ruled if answer.reason in numbers[place + 1:]]
        first = min(newer, key=lambda answer: answer.after, default=None)
        if first is not None and last.before > first.after:
            found.append((last, first))
    return found
