"""What the whole enforcement path costs, on the whole product as it runs: identity, risk, policy, sealing.

The gated request is `GET /oauth2/jwks` with a token: authenticated, scored, decided and sealed, its handler trivial.
The bare one is the liveness probe: the same server, socket and kind of answer, without identity, policy and ledger.
Overhead is the difference of both and one fdatasync of the same run. Latency counts from when a request was due.
"""

import asyncio
import os
import statistics
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from benchmarks.metric import Metric
from benchmarks.quiet import settle
from control_plane.cli.person import Person
from control_plane.demo.instance import Instance

ROUNDS = 5
GATED, BARE = "/oauth2/jwks", "/health/live"
USER = "arta.auditor"
SATURATING_CONNECTIONS = 64
SATURATED_S = 1.5


async def measure(_url: str) -> list[Metric]:
    """Return gateway.overhead_1, gateway.overhead_32 and gateway.requests.per_cpu_s."""
    with tempfile.TemporaryDirectory(prefix="gwgate") as folder:
        Path(folder).chmod(0o755)
        with Instance(Path(folder) / "home") as instance:
            settle(instance)
            async with Person(instance.gateway) as person:
                await person.sign_in(USER, instance.passwords[USER])
                token = str(person.tokens["access_token"])
            return await _measured(instance, token)


async def _measured(instance: Instance, token: str) -> list[Metric]:
    gated, bare = _request(instance.gateway, GATED, token), _request(instance.gateway, BARE, None)
    one_p50, many_p50, many_p99 = [], [], []
    for _ in range(ROUNDS):
        sync_ms = _fdatasync_ms()
        one = await _latencies_ms(instance.gateway, gated, connections=1, per_s=50, seconds=1.5)
        one_bare = await _latencies_ms(instance.gateway, bare, connections=1, per_s=50, seconds=0.5)
        many = await _latencies_ms(instance.gateway, gated, connections=32, per_s=500, seconds=2)
        many_bare = await _latencies_ms(instance.gateway, bare, connections=32, per_s=500, seconds=1)
        one_p50.append(_percentile(one, 50) - _percentile(one_bare, 50) - sync_ms)
        many_p50.append(_percentile(many, 50) - _percentile(many_bare, 50) - sync_ms)
        many_p99.append(_percentile(many, 99) - _percentile(many_bare, 50) - sync_ms)
    rates = [await _per_cpu_s(instance, gated) for _ in range(ROUNDS)]
    beyond = "beyond the bare probe and one fdatasync of the same run"
    return [
        Metric("gateway.overhead_1.p50_ms", "ms", tuple(one_p50), goal="< 1", peer=beyond),
        Metric("gateway.overhead_32.p50_ms", "ms", tuple(many_p50), goal="< 1", peer=beyond),
        Metric("gateway.overhead_32.p99_ms", "ms", tuple(many_p99), goal="< 5", peer=beyond),
        Metric("gateway.requests.per_cpu_s", "/CPU-s", tuple(rates), goal=">= 2500",
               peer="the whole product's process: relay and detection of every decision included"),
    ]


@dataclass(slots=True, eq=False)
class _Connection(asyncio.Protocol):
    """One keep-alive connection; one request at a time."""

    transport: asyncio.Transport | None = None
    answer: asyncio.Future[None] | None = None
    received: bytes = b""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if self.answer is not None and not self.answer.done():
            self.answer.set_exception(exc or ConnectionResetError("the gateway closed the connection"))

    def data_received(self, data: bytes) -> None:
        self.received += data
        head, separator, body = self.received.partition(b"\r\n\r\n")
        if not separator or self.answer is None:
            return
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        if len(body) >= length:
            self.received = b""
            assert head.startswith(b"HTTP/1.1 200"), head
            self.answer.set_result(None)

    async def ask(self, request: bytes) -> None:
        """Send a request and wait for the end of its answer."""
        async with self.lock:
            assert self.transport is not None
            self.answer = asyncio.get_running_loop().create_future()
            self.transport.write(request)
            await self.answer


def _request(gateway: str, path: str, token: str | None) -> bytes:
    credential = f"Authorization: Bearer {token}\r\n" if token else ""
    return f"GET {path} HTTP/1.1\r\nHost: {urlsplit(gateway).netloc}\r\n{credential}\r\n".encode()


async def _connected(gateway: str, number: int) -> list[_Connection]:
    address = urlsplit(gateway)
    loop = asyncio.get_running_loop()
    host, port = str(address.hostname), int(address.port or 80)
    made = [await loop.create_connection(_Connection, host, port) for _ in range(number)]
    return [connection for _, connection in made]


def _disconnect(connections: list[_Connection]) -> None:
    for connection in connections:
        assert connection.transport is not None
        connection.transport.close()


async def _latencies_ms(gateway: str, request: bytes, *, connections: int, per_s: int, seconds: float) -> list[float]:
    """Offer requests at a fixed pace, whether or not earlier ones are answered."""
    open_ones = await _connected(gateway, connections)
    for connection in open_ones:
        await connection.ask(request)
    found: list[float] = []

    async def one(connection: _Connection, due_s: float) -> None:
        await connection.ask(request)
        found.append((time.perf_counter() - due_s) * 1000)

    started = time.perf_counter() + 0.05
    async with asyncio.TaskGroup() as group:
        for number in range(int(per_s * seconds)):
            due_s = started + number / per_s
            await asyncio.sleep(max(0.0, due_s - time.perf_counter()))
            group.create_task(one(open_ones[number % connections], due_s))
    _disconnect(open_ones)
    return found


async def _per_cpu_s(instance: Instance, request: bytes) -> float:
    """Saturate the gateway; return answers per second of its process's CPU time, all threads."""
    open_ones = await _connected(instance.gateway, SATURATING_CONNECTIONS)
    process = psutil.Process(instance.pid)
    answered = 0

    async def hammer(connection: _Connection, until_s: float) -> None:
        nonlocal answered
        while time.perf_counter() < until_s:
            await connection.ask(request)
            answered += 1

    before = process.cpu_times()
    until_s = time.perf_counter() + SATURATED_S
    await asyncio.gather(*(hammer(connection, until_s) for connection in open_ones))
    after = process.cpu_times()
    _disconnect(open_ones)
    return answered / float(after.user + after.system - before.user - before.system)


def _percentile(values: list[float], percent: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def _fdatasync_ms() -> float:
    with tempfile.NamedTemporaryFile() as file:
        started = time.perf_counter()
        for _ in range(50):
            os.write(file.fileno(), b"x" * 512)
            os.fdatasync(file.fileno())
        return (time.perf_counter() - started) * 1000 / 50
