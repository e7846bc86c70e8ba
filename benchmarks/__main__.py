"""`make bench`: run the groups, print the table, write `benchmarks/results/latest.json`."""

import argparse
import asyncio
import importlib
import json
import os
import platform
import sys
import tempfile
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
from rich.console import Console
from rich.table import Table

from benchmarks import calibration
from benchmarks.metric import Metric
from control_plane.database.embedded import EmbeddedPostgres
from control_plane.database.migrations import migrate

GROUPS = ("policy", "risk", "ledger", "identity", "grid", "forecast", "siem", "soar", "gateway", "fleet", "start")
RESULTS = Path(__file__).parent / "results" / "latest.json"


def main() -> None:
    """Parse the command line and measure."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--group", choices=("all", *GROUPS), default="all")
    parser.add_argument("--peers", action="store_true", help="also measure the group's peers, by turns with ours")
    parser.add_argument("--json", action="store_true", help="print the JSON document instead of the table")
    options = parser.parse_args()
    groups = GROUPS if options.group == "all" else (options.group,)
    with tempfile.TemporaryDirectory(prefix="gwbench") as folder:
        Path(folder).chmod(0o755)
        server = EmbeddedPostgres(Path(folder) / "pg")
        url = server.start()
        try:
            document = asyncio.run(_run(url, groups, with_peers=options.peers))
        finally:
            server.stop()
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(document, indent=1) + "\n")
    if options.json:
        print(json.dumps(document, indent=1))
    else:
        _show(document["metrics"])


PEERS = ("ledger", "identity", "policy")
"""Groups whose peers can be had here."""


async def _run(url: str, groups: tuple[str, ...], *, with_peers: bool) -> dict[str, Any]:
    before = await calibration.measure(url)
    metrics: list[Metric] = []
    for group in groups:
        print(f"measuring {group} ...", file=sys.stderr)
        metrics += await importlib.import_module(f"benchmarks.{group}").measure(await _database(url, group))
    for group in (name for name in groups if with_peers and name in PEERS):
        print(f"measuring the peers of {group} ...", file=sys.stderr)
        peers = importlib.import_module(f"benchmarks.peers.{group}")
        metrics += await peers.measure_peers(await _database(url, f"peers_{group}"))
    after = await calibration.measure(url)
    return {
        "machine": _machine(),
        "calibration": {"start": [_plain(metric) for metric in before], "end": [_plain(metric) for metric in after]},
        "metrics": [_plain(metric) for metric in (*before, *metrics)],
    }


async def _database(url: str, group: str) -> str:
    admin = await asyncpg.connect(url)
    await admin.execute(f"CREATE DATABASE bench_{group}")
    await admin.close()
    head, _, tail = url.partition("?")
    fresh = f"{head.rpartition('/')[0]}/bench_{group}" + (f"?{tail}" if tail else "")
    await migrate(fresh)
    return fresh


def _plain(metric: Metric) -> dict[str, object]:
    return {**asdict(metric), "samples": list(metric.samples), "value": metric.value}


def _machine() -> dict[str, object]:
    return {
        "taken_at": datetime.now(UTC).isoformat(timespec="seconds"), "cores": os.cpu_count(),
        "architecture": platform.machine(), "python": platform.python_version(), "kernel": platform.release(),
    }


def _show(metrics: list[dict[str, object]]) -> None:
    table = Table("name", "value", "unit", "min", "max", "goal", "peer")
    for metric in metrics:
        samples = [float(sample) for sample in metric["samples"]]  # type: ignore[attr-defined]
        row = (metric["value"], min(samples), max(samples))
        shown = [f"{float(value):,.3g}" if abs(float(value)) < 100 else f"{float(value):,.0f}" for value in row]  # type: ignore[arg-type]
        table.add_row(str(metric["name"]), shown[0], str(metric["unit"]), *shown[1:], str(metric["goal"]),
                      str(metric["peer"]))
    console = Console()
    Console(width=console.width if console.is_terminal else 200).print(table)


if __name__ == "__main__":
    main()
