"""Detection: events judged a second on one core, with our rules on our events and SigmaHQ's on Windows events.

Measured in CPU time: what one core could do, whoever else uses the machine. SigmaHQ's regression events are attacks:
nearly every one raises an alert, so that figure holds the making of the alerts, too.
"""

import json
import time
from pathlib import Path
from typing import Any

import orjson

from benchmarks.metric import Metric
from shared_kernel.clock import to_iso
from shared_kernel.events import Event, SealedEvent
from siem_rules.domain.engine import Engine
from siem_rules.domain.event_time import Lateness
from siem_rules.service.rule_folder import RuleFolders, shipped_rules

SAMPLES = 5
EVENTS = 60_000
WINDOWS_EVENTS = 10_000
BATCH = 500
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
    return [own, Metric("siem.sigmahq.per_core_s", "events/s", samples, ">= 60000", f"{len(rules)} rules, from JSON")]


def _own() -> float:
    """Judge a day's mix: nine in ten are decisions no rule names, one a login or a data access."""
    engine = Engine(RuleFolders([shipped_rules()]).read().rules, Lateness())
    spent = 0.0
    for first in range(0, EVENTS, BATCH):
        batch = [SealedEvent(seq, START_US + seq * 1000, _event(seq)) for seq in range(first, first + BATCH)]
        begun = time.process_time()
        engine.observe("ledger", batch)
        spent += time.process_time() - begun
    return EVENTS / spent


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
    """Return the regression events again and again, each time with other numbers, times and a longer command line."""
    decoder, records = json.JSONDecoder(), []
    for path in sorted((VECTORS / "regression_data").rglob("*.json")):
        text = path.read_text().strip()
        while text:
            record, end = decoder.raw_decode(text)
            records.append(record)
            text = text[end:].lstrip()
    return [_varied(records[number % len(records)]["Event"], number) for number in range(WINDOWS_EVENTS)]


def _varied(envelope: dict[str, Any], number: int) -> bytes:
    """Vary what varies in the field, so that nothing remembered from one event to the next flatters the figure."""
    system, data, moment = envelope["System"], envelope.get("EventData") or {}, to_iso(START_US + number * 1000)
    system |= {"EventRecordID": number, "TimeCreated": {"#attributes": {"SystemTime": moment}}}
    varied = {name: f"{value[:24]}{number:014x}" for name, value in data.items() if name.endswith("Guid")}
    varied |= {name: number for name in data if name.endswith("ProcessId")}
    varied |= {name: moment for name in data if name.endswith("UtcTime")}
    varied |= {name: f"{value} {number}" for name, value in data.items() if name.endswith("CommandLine")}
    return orjson.dumps({"Event": envelope | {"EventData": data | varied}})


def _sigmahq(engine: Engine, lines: list[bytes]) -> float:
    begun = time.process_time()
    for first in range(0, len(lines), BATCH):
        engine.observe("bus:windows", (
            SealedEvent(first, START_US, orjson.loads(line)) for line in lines[first:first + BATCH]))
    return len(lines) / (time.process_time() - begun)
