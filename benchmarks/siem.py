"""Detection: events judged a second on one core, with our rules on our events and SigmaHQ's on Windows events."""

import json
import time
from pathlib import Path

import orjson

from benchmarks.metric import Metric
from shared_kernel.clock import to_iso
from shared_kernel.events import Event, SealedEvent
from siem_rules.domain.engine import Engine
from siem_rules.domain.event_time import Lateness
from siem_rules.service.rule_folder import RuleFolders, shipped_rules

SAMPLES = 5
EVENTS = 60_000
START_US = 1_795_000_000_000_000
VECTORS = Path(__file__).resolve().parents[2] / "shared" / "vectors" / "sigma"


async def measure(url: str) -> list[Metric]:  # noqa: ARG001 - every group is asked the same way
    """Return the figures; the engine is pure, so no database takes part."""
    own = Metric("siem.own_rules.per_core_s", "events/s", tuple(_own() for _ in range(SAMPLES)), ">= 300000")
    if not VECTORS.is_dir():
        print("siem.sigmahq.per_core_s skipped: no ../shared/vectors/sigma beside this clone")
        return [own]
    lines, folders = _windows_lines(), RuleFolders([VECTORS / "rules", VECTORS / "rules-emerging-threats"])
    rules = folders.read().rules
    engine = Engine(rules, Lateness())
    samples = tuple(_sigmahq(engine, lines) for _ in range(SAMPLES))
    return [own, Metric("siem.sigmahq.per_core_s", "events/s", samples, ">= 50000", f"{len(rules)} rules, from JSON")]


def _own() -> float:
    """Judge a day's mix: nine in ten are decisions no rule names, one a login or a data access."""
    engine = Engine(RuleFolders([shipped_rules()]).read().rules, Lateness())
    events = [SealedEvent(seq, START_US + seq * 1000, _event(seq)) for seq in range(EVENTS)]
    begun = time.perf_counter()
    for first in range(0, EVENTS, 500):
        engine.observe("ledger", events[first:first + 500])
    return EVENTS / (time.perf_counter() - begun)


def _event(seq: int) -> Event:
    kinds: tuple[tuple[str, str], ...] = (
        ("access_decision", "success"),) * 9 + (("user_login", "success" if seq % 100 else "failure"),)
    action, outcome = kinds[seq % 10]
    return {
        "@timestamp": to_iso(START_US + seq * 1000), "ecs": {"version": "9.5.0"},
        "event": {"id": f"e-{seq}", "action": action, "outcome": outcome, "category": ["web"], "type": ["access"]},
        "user": {"id": f"u-{seq % 997}", "name": f"user{seq % 997}", "roles": ["grid_viewer"]},
        "source": {"ip": f"10.0.{seq % 13}.{seq % 251}"}, "http": {"request": {"id": f"r-{seq}", "method": "GET"}},
        "url": {"path": "/api/v1/analytics/load"},
    }


def _windows_lines() -> list[bytes]:
    decoder, lines = json.JSONDecoder(), []
    for path in sorted((VECTORS / "regression_data").rglob("*.json")):
        text = path.read_text().strip()
        while text:
            event, end = decoder.raw_decode(text)
            lines.append(orjson.dumps(event))
            text = text[end:].lstrip()
    return lines * (10_000 // len(lines))


def _sigmahq(engine: Engine, lines: list[bytes]) -> float:
    begun = time.perf_counter()
    engine.observe("bus:windows", [SealedEvent(seq, 0, orjson.loads(line)) for seq, line in enumerate(lines)])
    return len(lines) / (time.perf_counter() - begun)
