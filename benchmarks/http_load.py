"""Load over keep-alive connections: requests at a fixed pace with their latencies, or as many as a server can take."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import psutil

SATURATING_CONNECTIONS = 64
SATURATED_S = 1.5
_HEAD_END = b"\r\n\r\n"


@dataclass(slots=True, eq=False)
class Connection(asyncio.Protocol):
    """One keep-alive connection; one request at a time."""

    transport: asyncio.Transport | None = None
    answer: asyncio.Future[bytes] | None = None
    received: bytes = b""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail whoever waits."""
        if self.answer is not None and not self.answer.done():
            self.answer.set_exception(exc or ConnectionResetError("the server closed the connection"))

    def data_received(self, data: bytes) -> None:
        """Collect an answer until it is whole."""
        self.received += data
        head, separator, body = self.received.partition(_HEAD_END)
        if not separator or self.answer is None or not _is_whole(head.lower(), body):
            return
        whole, self.received = self.received, b""
        self.answer.set_result(whole)

    async def ask(self, request: bytes) -> bytes:
        """Send a request; return its answer, head and body."""
        async with self.lock:
            assert self.transport is not None
            self.answer = asyncio.get_running_loop().create_future()
            self.transport.write(request)
            return await self.answer


def _is_whole(head: bytes, body: bytes) -> bool:
    _, found, rest = head.partition(b"content-length: ")
    return len(body) >= int(rest.partition(b"\r\n")[0]) if found else body.endswith(b"0\r\n\r\n")


def request_of(url: str, method: str = "GET", *, body: bytes = b"", **fields: str) -> bytes:
    """Return a request's bytes; `fields` are header fields, `_` for `-`."""
    parts = urlsplit(url)
    lines = [f"{method} {parts.path} HTTP/1.1", f"Host: {parts.netloc}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
    lines += [f"Content-Length: {len(body)}"] if body else []
    return "\r\n".join(lines).encode() + _HEAD_END + body


async def connected(url: str, number: int) -> list[Connection]:
    """Open connections."""
    address = urlsplit(url)
    loop = asyncio.get_running_loop()
    host, port = str(address.hostname), int(address.port or 80)
    return [(await loop.create_connection(Connection, host, port))[1] for _ in range(number)]


def disconnect(connections: list[Connection]) -> None:
    """Close them."""
    for connection in connections:
        assert connection.transport is not None
        connection.transport.close()


async def latencies_ms(url: str, request: bytes, *, connections: int, per_s: int, seconds: float) -> list[float]:
    """Offer requests at a fixed pace, earlier ones answered or not; latency counts from when a request was due."""
    open_ones = await connected(url, connections)
    for connection in open_ones:
        _expect_success(await connection.ask(request))
    found: list[float] = []

    async def one(connection: Connection, due_s: float) -> None:
        _expect_success(await connection.ask(request))
        found.append((time.perf_counter() - due_s) * 1000)

    started = time.perf_counter() + 0.05
    async with asyncio.TaskGroup() as group:
        for number in range(int(per_s * seconds)):
            due_s = started + number / per_s
            await asyncio.sleep(max(0.0, due_s - time.perf_counter()))
            group.create_task(one(open_ones[number % connections], due_s))
    disconnect(open_ones)
    return found


async def per_cpu_s(url: str, pid: int, requests: Iterator[bytes], *, connections: int = SATURATING_CONNECTIONS,
                    seconds: float = SATURATED_S) -> float:
    """Saturate a server; return answers per second of its process's CPU time, all threads."""
    open_ones = await connected(url, connections)
    answered = 0

    async def hammer(connection: Connection, until_s: float) -> None:
        nonlocal answered
        while time.perf_counter() < until_s and (request := next(requests, None)) is not None:
            _expect_success(await connection.ask(request))
            answered += 1

    before = process_cpu_s(pid)
    until_s = time.perf_counter() + seconds
    await asyncio.gather(*(hammer(connection, until_s) for connection in open_ones))
    spent_s = process_cpu_s(pid) - before
    disconnect(open_ones)
    return answered / spent_s


def process_cpu_s(pid: int) -> float:
    """Return the CPU seconds a process has used."""
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def _expect_success(answer: bytes) -> None:
    assert answer.startswith((b"HTTP/1.1 200", b"HTTP/1.1 303")), answer[:500]
