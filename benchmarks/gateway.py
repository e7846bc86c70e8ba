"""What the whole enforcement path costs, on the whole product as it runs: identity, risk, policy, sealing.

The gated request is `GET /api/v1/policy` with a token: authenticated, scored, decided and sealed, its handler trivial.
The bare one is the liveness probe: the same server, socket and kind of answer, without identity, policy and ledger.
Overhead is the difference of both and one fdatasync of the same run. Latency counts from when a request was due.
"""

import os
import statistics
import tempfile
import time
from itertools import repeat
from pathlib import Path

from benchmarks.http_load import latencies_ms, per_cpu_s, request_of
from benchmarks.metric import Metric
from benchmarks.quiet import settle
from control_plane.cli.person import Person
from control_plane.demo.instance import Instance

ROUNDS = 5
GATED, BARE = "/api/v1/policy", "/health/live"
USER = "arta.auditor"


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
    gated = request_of(instance.gateway + GATED, Authorization=f"Bearer {token}")
    bare = request_of(instance.gateway + BARE)
    one_p50, many_p50, many_p99 = [], [], []
    for _ in range(ROUNDS):
        sync_ms = _fdatasync_ms()
        one = await latencies_ms(instance.gateway, gated, connections=1, per_s=50, seconds=1.5)
        one_bare = await latencies_ms(instance.gateway, bare, connections=1, per_s=50, seconds=0.5)
        many = await latencies_ms(instance.gateway, gated, connections=32, per_s=500, seconds=2)
        many_bare = await latencies_ms(instance.gateway, bare, connections=32, per_s=500, seconds=1)
        one_p50.append(_percentile(one, 50) - _percentile(one_bare, 50) - sync_ms)
        many_p50.append(_percentile(many, 50) - _percentile(many_bare, 50) - sync_ms)
        many_p99.append(_percentile(many, 99) - _percentile(many_bare, 50) - sync_ms)
    rates = [await per_cpu_s(instance.gateway, instance.pid, repeat(gated)) for _ in range(ROUNDS)]
    beyond = "beyond the bare probe and one fdatasync of the same run"
    return [
        Metric("gateway.overhead_1.p50_ms", "ms", tuple(one_p50), goal="< 1", peer=beyond),
        Metric("gateway.overhead_32.p50_ms", "ms", tuple(many_p50), goal="< 1", peer=beyond),
        Metric("gateway.overhead_32.p99_ms", "ms", tuple(many_p99), goal="< 5", peer=beyond),
        Metric("gateway.requests.per_cpu_s", "/CPU-s", tuple(rates), goal=">= 2500",
               peer="the whole product's process: relay and detection of every decision included"),
    ]


def _percentile(values: list[float], percent: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def _fdatasync_ms() -> float:
    with tempfile.NamedTemporaryFile() as file:
        started = time.perf_counter()
        for _ in range(50):
            os.write(file.fileno(), b"x" * 512)
            os.fdatasync(file.fileno())
        return (time.perf_counter() - started) * 1000 / 50
