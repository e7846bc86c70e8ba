"""The response: journaled steps a second, and how long an alert waits for its first step.

Seals go to a recorder that keeps nothing: what sealing costs is the group `ledger`. Each step still is two commits
(intent and outcome) and a connector call; the alert's wait is from `observe` until the connector is called.
"""

import asyncio
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import quantiles
from typing import Any

import asyncpg

from benchmarks.metric import Metric
from control_plane.database.pools import open_pool
from control_plane.database.roles import APP
from shared_kernel.clock import SystemClock
from shared_kernel.events import Event, Receipt, SealedEvent
from soar_playbooks.adapters.folders import PlaybookFolders
from soar_playbooks.domain.connector import ConnectorKind, Reconciled
from soar_playbooks.service import Responder
from soar_playbooks.store import PlaybookStore

SAMPLES = 5
RUNS = 100
STEPS = 10
ALERTS = 40
PLAYBOOK = "\n".join((
    "name: bench", "title: Ten steps", "start: {rules: any}", "targets: {field: user.name}", "steps:",
    *(f"  - {{name: step-{n}, connector: note, params: {{who: '${{target}}'}}}}" for n in range(STEPS)),
))


class _Forgetful:
    """A recorder that keeps nothing."""

    async def record(self, event: Event) -> Receipt:
        """Take one event."""
        return Receipt(len(event), b"")


class _Note:
    """A connector that notes when it is called first for a target."""

    name, kind = "note", ConnectorKind.IDEMPOTENT

    def __init__(self) -> None:
        self.first: dict[str, float] = {}

    async def run(self, params: Mapping[str, str], *, idempotency_key: str) -> Mapping[str, Any]:
        """Note the moment."""
        self.first.setdefault(params["who"], time.perf_counter())
        return {"key": idempotency_key}

    async def reconcile(self, idempotency_key: str, params: Mapping[str, str]) -> Reconciled:  # noqa: ARG002 - the protocol's
        """Nothing is known."""
        return Reconciled.RETRY


def _alert(name: str, seq: int) -> SealedEvent:
    return SealedEvent(seq, 0, {
        "event": {"action": "alert_raised"}, "rule": {"id": "GR-001", "name": "bench"},
        "grid": {"alert": {"id": f"alert-{name}", "playbook": "bench", "targets": {"user.name": [name]}}},
    })


async def measure(url: str) -> list[Metric]:
    """Return the group's figures."""
    pool = await open_pool(url, APP, size=8)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "bench.yml").write_text(PLAYBOOK)
        note = _Note()
        responder = Responder(
            PlaybookStore.on(pool), PlaybookFolders([Path(folder)]), {"note": note}, _Forgetful(), SystemClock(),
        )
        rates = [await _steps_per_s(responder, pool, sample) for sample in range(SAMPLES)]
        waits = [await _first_step_p95_ms(responder, note, sample) for sample in range(SAMPLES)]
    await pool.close()
    return [
        Metric("soar.steps.per_s", "steps/s", tuple(rates), ">= 1000", "DBOS 396"),
        Metric("soar.alert_to_first_step.p95_ms", "ms", tuple(waits), "< 500"),
    ]


async def _steps_per_s(responder: Responder, pool: asyncpg.Pool, sample: int) -> float:
    first = sample * RUNS
    await responder.observe("bench", [_alert(f"rate-{first + n}", first + n) for n in range(RUNS)])
    started = time.perf_counter()
    work = asyncio.create_task(responder.run())
    while await pool.fetchval("SELECT count(*) FROM soar_playbooks.runs WHERE status = 'ready'"):  # noqa: ASYNC110 - the table tells
        await asyncio.sleep(0.02)
    took = time.perf_counter() - started
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    return RUNS * STEPS / took


async def _first_step_p95_ms(responder: Responder, note: _Note, sample: int) -> float:
    work = asyncio.create_task(responder.run())
    waits = []
    for n in range(ALERTS):
        name = f"wait-{sample}-{n}"
        heard = time.perf_counter()
        await responder.observe("bench", [_alert(name, SAMPLES * RUNS + sample * ALERTS + n)])
        while name not in note.first:  # noqa: ASYNC110 - an event would wake later than the call
            await asyncio.sleep(0.001)
        waits.append((note.first[name] - heard) * 1_000)
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    return quantiles(waits, n=20)[18]
