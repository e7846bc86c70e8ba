"""What a second gateway process adds, and what it costs a record to be sealed by another process.

Requests per second of wall time, saturated: one process and two, by turns on one machine. There the
load generator and PostgreSQL share the processors with the gateways, so the ratio is bounded by what those leave free.
What it would be with processors to spare is measured too: every gateway process may run a third of the time only, so
that none of them waits for another's processor.

Sealing through forwarding: one record after the other, by a leader and by a follower of it, in one process.
"""

import asyncio
import contextlib
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import psutil

from audit_ledger.adapters.key_file import FileSigner
from audit_ledger.adapters.ledger_folder import LedgerFolder
from audit_ledger.service import Ledger
from audit_ledger.store.inbox import Inbox
from audit_ledger.store.reader import LedgerReader
from audit_ledger.store.writer import LedgerWriter
from benchmarks.cpu_share import share_of_time
from benchmarks.http_load import SATURATING_CONNECTIONS, connected, disconnect, request_of
from benchmarks.metric import Metric
from control_plane.cli.person import Person
from control_plane.database.pools import open_pool
from control_plane.database.roles import LEDGER_READER, LEDGER_WRITER
from control_plane.demo.instance import Instance
from shared_kernel.clock import SystemClock
from shared_kernel.events import security_event

ROUNDS, SATURATED_S, RECORDS = 5, 1.5, 200
SHARE, SHARED_CONNECTIONS = 1 / 3, 128
"""Of the time, for each gateway process: two of them, PostgreSQL and the load fit on two processors then. Answers take
longer, so it takes more connections to keep both busy."""
GATED, USER = "/api/v1/policy", "arta.auditor"
TRAINING = "grid_services.service.forecast_training"


@dataclass(slots=True)
class _Gateways(Instance):
    """A product of this many gateway processes."""

    workers: int = field(default=1)

    def environment(self) -> dict[str, str]:
        """Return the environment of an instance, and how many."""
        return Instance.environment(self) | {"GRIDWARDEN_WORKERS": str(self.workers)}


@dataclass(frozen=True, slots=True)
class _Rate:
    """Answers per second, and CPU seconds of all gateway processes an answer."""

    per_s: float
    cpu_s: float


async def measure(url: str) -> list[Metric]:
    """Return gateway.workers_2.ratio with its parts, and fleet.seal.p50_ms led and forwarded."""
    with tempfile.TemporaryDirectory(prefix="gwfleet") as folder:
        Path(folder).chmod(0o755)
        with _Gateways(Path(folder) / "one") as one, _Gateways(Path(folder) / "two", workers=2) as two:
            (ones, twos), (slow_ones, slow_twos) = await _rates([one, two])
        led, forwarded = await _sealing(url, Path(folder))
    return [
        Metric("gateway.workers_2.ratio", "x", _growth(ones, twos),
               peer="one process, by turns; load and PostgreSQL on the same processors"),
        Metric("gateway.workers_2.at_a_third.ratio", "x", _growth(slow_ones, slow_twos), goal="grows",
               peer="one process, by turns; each gateway process runs a third of the time"),
        Metric("gateway.workers_1.per_s", "/s", tuple(rate.per_s for rate in ones)),
        Metric("gateway.workers_2.per_s", "/s", tuple(rate.per_s for rate in twos)),
        Metric("gateway.workers_2.cpu_ratio", "x", tuple(b.cpu_s / a.cpu_s for a, b in zip(ones, twos, strict=True)),
               peer="CPU of the gateway processes an answer, two against one: what forwarding costs"),
        Metric("fleet.seal.led.p50_ms", "ms", tuple(led)),
        Metric("fleet.seal.forwarded.p50_ms", "ms", tuple(forwarded), peer="the same record, sealed by the leader"),
    ]


def _growth(ones: list[_Rate], twos: list[_Rate]) -> tuple[float, ...]:
    return tuple(two.per_s / one.per_s for one, two in zip(ones, twos, strict=True))


async def _rates(instances: list[_Gateways]) -> tuple[list[list[_Rate]], list[list[_Rate]]]:
    """Return each instance's rates with all processors, and then with a share of the time."""
    requests = []
    for instance in instances:
        _hold_training(instance)
        async with Person(instance.gateway) as person:
            await person.sign_in(USER, instance.passwords[USER])
            requests.append(request_of(instance.gateway + GATED,
                                       Authorization=f"Bearer {person.tokens['access_token']}"))
    whole: list[list[_Rate]] = [[] for _ in instances]
    shared: list[list[_Rate]] = [[] for _ in instances]
    for _ in range(ROUNDS):
        for number, instance in enumerate(instances):
            whole[number].append(await _rate(instance, requests[number], SATURATING_CONNECTIONS))
            with share_of_time(_gateway_processes(instance), SHARE):
                shared[number].append(await _rate(instance, requests[number], SHARED_CONNECTIONS))
    return whole, shared


async def _rate(instance: _Gateways, request: bytes, number: int) -> _Rate:
    connections, answered = await connected(instance.gateway, number), 0
    began, before = time.perf_counter(), _cpu_s(instance)
    until_s = began + SATURATED_S

    async def hammer(ask: Callable[[bytes], Awaitable[bytes]]) -> None:
        nonlocal answered
        while time.perf_counter() < until_s:
            answer = await ask(request)
            assert answer.startswith(b"HTTP/1.1 200"), answer[:300]
            answered += 1

    await asyncio.gather(*(hammer(connection.ask) for connection in connections))
    took_s, spent_s = time.perf_counter() - began, _cpu_s(instance) - before
    disconnect(connections)
    return _Rate(answered / took_s, spent_s / answered)


def _gateway_processes(instance: _Gateways) -> list[psutil.Process]:
    parent = psutil.Process(instance.pid)
    return [parent, *(child for child in parent.children() if "control_plane.fleet.worker" in child.cmdline())]


def _cpu_s(instance: _Gateways) -> float:
    times = [process.cpu_times() for process in _gateway_processes(instance)]
    return float(sum(one.user + one.system for one in times))


def _hold_training(instance: _Gateways) -> None:
    """Suspend the forecast's training, which would take a processor for minutes; it ends with its parent."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        for child in psutil.Process(instance.pid).children():
            with contextlib.suppress(psutil.Error):
                if TRAINING in child.cmdline():
                    child.suspend()
                    return
        time.sleep(0.1)


async def _sealing(url: str, folder: Path) -> tuple[list[float], list[float]]:
    led, forwarded = [], []
    async with _member(url, folder) as leader, _member(url, folder) as follower:
        for _ in range(ROUNDS):
            led.append(await _p50_ms(leader))
            forwarded.append(await _p50_ms(follower))
    return led, forwarded


@contextlib.asynccontextmanager
async def _member(url: str, home: Path) -> AsyncIterator[Ledger]:
    folder = LedgerFolder(keys=home / "keys", checkpoints=home / "checkpoints")
    signer = folder.signer()
    writers, readers = await open_pool(url, LEDGER_WRITER, size=8), await open_pool(url, LEDGER_READER, size=2)
    ledger = Ledger(
        LedgerWriter(writers, signer.name), LedgerReader(readers, signer.name), signer=FileSigner(signer),
        folder=folder, clock=SystemClock(), inbox=Inbox(writers, signer.name))
    await ledger.join()
    try:
        yield ledger
    finally:
        await ledger.stop()
        writers.terminate()
        readers.terminate()


async def _p50_ms(ledger: Ledger) -> float:
    clock, took = SystemClock(), []
    for _ in range(RECORDS):
        began = time.perf_counter()
        await ledger.record(security_event(clock, "access_decision", category="web", types=("access", "allowed")))
        took.append((time.perf_counter() - began) * 1000)
    return median(took)
