"""Hosts of a fleet: whole products, each in a process and a home of its own, on one database."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import asyncpg
import httpx2 as httpx
import psutil

from control_plane.cli.person import Person

START_S, STOP_S = 90, 30
VIEWER = "vera.viewer"
PATH = "/api/v1/catalog/datasets"


def free_port() -> int:
    """Return a port nobody listens on."""
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as found:
        return int(found.getsockname()[1])


@dataclass(slots=True)
class Host:
    """`gridwarden up` on a home; what it said is in `log`."""

    home: Path
    variables: dict[str, str]
    port: int = field(default_factory=free_port)
    passwords: dict[str, str] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    _process: subprocess.Popen[str] | None = None
    _log: IO[str] | None = None

    @property
    def gateway(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def process(self) -> subprocess.Popen[str]:
        """The parent."""
        assert self._process is not None
        return self._process

    def start(self) -> None:
        """Start it; it is ready when this returns."""
        self.home.mkdir(exist_ok=True)
        self._log = (self.home / "log").open("a")
        kept = {name: value for name, value in os.environ.items() if not name.startswith("GRIDWARDEN_")}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "control_plane", "up", "--demo", "--json", "--gateway-port", str(self.port),
             "--console-port", "0"],
            stdout=subprocess.PIPE, stderr=self._log, text=True,
            env=kept | {"GRIDWARDEN_HOME": str(self.home)} | self.variables)
        for line in self._process.stdout or ():
            fact = json.loads(line)
            if fact["fact"] == "account":
                self.passwords[fact["name"]] = fact["password"]
            if fact["fact"] == "ready":
                self.facts = fact
                return
        raise AssertionError((self.home / "log").read_text()[-3000:])

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Ask it to stop; return its exit code."""
        self.process.send_signal(number)
        return self.process.wait(STOP_S)

    def kill(self) -> None:
        """Kill it as the power does."""
        self.process.kill()
        self.process.wait()

    def workers(self) -> list[psutil.Process]:
        """Return its gateway processes beside itself."""
        found = []
        for child in psutil.Process(self.process.pid).children():
            with contextlib.suppress(psutil.Error):  # it has just ended
                if "control_plane.fleet.worker" in child.cmdline():
                    found.append(child)
        return found

    def said(self, event: str) -> list[dict[str, Any]]:
        """Return its log lines of one kind."""
        lines = (self.home / "log").read_text().splitlines()
        found = [json.loads(line) for line in lines if line.startswith("{") and f'"{event}"' in line]
        return [line for line in found if line["event"] == event]

    def end(self) -> None:
        """Leave nothing behind."""
        if self._process is not None and self._process.poll() is None:
            for child in psutil.Process(self._process.pid).children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    child.kill()
            self._process.kill()
            self._process.wait()
        if self._log is not None:
            self._log.close()


@contextlib.contextmanager
def host(home: Path, database: str, **variables: str) -> Iterator[Host]:
    """Run a host."""
    made = Host(home, {"DATABASE_URL": database, **variables})
    try:
        made.start()
        yield made
    finally:
        made.end()


@contextlib.contextmanager
def beside(first: Host, home: Path) -> Iterator[Host]:
    """Run a second host on the first one's database, with the first one's keys and issuer."""
    home.mkdir()
    shutil.copytree(first.home / "keys", home / "keys")
    made = Host(home, first.variables | {"GRIDWARDEN_ISSUER": first.gateway}, passwords=first.passwords)
    try:
        made.start()
        yield made
    finally:
        made.end()


async def viewer(at: Host) -> Person:
    """Return a signed-in viewer."""
    person = Person(at.gateway, user_agent="fleet")
    await person.sign_in(VIEWER, at.passwords[VIEWER])
    return person


@dataclass(slots=True)
class Load:
    """Callers that ask for as long as wanted, on new connections now and then; what they were answered."""

    person: Person
    gateways: list[str]
    acknowledged: list[str] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)
    refusals: list[str] = field(default_factory=list)

    @contextlib.asynccontextmanager
    async def running(self, callers: int = 8) -> AsyncIterator["Load"]:
        """Ask within."""
        tasks = [asyncio.create_task(self._ask(number)) for number in range(callers)]
        try:
            yield self
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            print(self.statuses, self.refusals)  # noqa: T201 - shown when a test fails

    async def _ask(self, number: int) -> None:
        headers = {"authorization": f"Bearer {self.person.tokens['access_token']}", "user-agent": "fleet"}
        gateway = self.gateways[number % len(self.gateways)]
        while True:
            async with httpx.AsyncClient(headers=headers, timeout=15) as client:
                for _ in range(10):
                    try:
                        answer = await client.get(gateway + PATH)
                    except httpx.HTTPError as error:
                        self.statuses[type(error).__name__] += 1
                        await asyncio.sleep(0.05)
                        break
                    self.statuses[str(answer.status_code)] += 1
                    if answer.is_error and self.statuses[str(answer.status_code)] == 1:
                        self.refusals.append(answer.text)
                    if answer.is_success:
                        self.acknowledged.append(answer.headers["x-request-id"])


async def until(look: Callable[[], Awaitable[bool] | bool], patience_s: float = 40.0) -> float:
    """Look until it is so; return how many seconds it took, fail when it takes too long."""
    began = time.monotonic()
    while True:
        found = look()
        if found if isinstance(found, bool) else await found:
            return time.monotonic() - began
        assert time.monotonic() - began < patience_s
        await asyncio.sleep(0.05)


async def answers(gateway: str, path: str = "/health") -> int:
    """Return the status of an answer, 0 when there is none."""
    try:
        async with httpx.AsyncClient(timeout=5) as client:
            return int((await client.get(gateway + path)).status_code)
    except httpx.HTTPError:
        return 0


async def sealed(database: str) -> Counter[str]:
    """Return how often each event id stands in the ledger."""
    connection = await asyncpg.connect(database)
    try:
        rows = await connection.fetch(
            "SELECT convert_from(payload, 'UTF8')::jsonb #>> '{event,id}' FROM audit_ledger.entries")
    finally:
        await connection.close()
    return Counter(row[0] for row in rows)


async def actions(database: str) -> Counter[str]:
    """Return how often each action stands in the ledger."""
    connection = await asyncpg.connect(database)
    try:
        rows = await connection.fetch("SELECT action, count(*) FROM audit_ledger.entries GROUP BY action")
    finally:
        await connection.close()
    return Counter(dict(map(tuple, rows)))


async def verified(at: Host, database: str) -> int:
    """Return the exit code of `gridwarden ledger verify`."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "control_plane", "ledger", "verify", "--home", str(at.home), "--database-url", database,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return await process.wait()
