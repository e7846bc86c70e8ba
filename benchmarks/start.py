"""How long the product takes to be ready, first and second time, and what it weighs at rest."""

import tempfile
import time
from pathlib import Path

import psutil

from benchmarks.metric import Metric
from benchmarks.quiet import settle
from control_plane.demo.instance import Instance

ROUNDS = 5


async def measure(_url: str) -> list[Metric]:
    """Return start.first_s, start.second_s and memory.idle_mb."""
    firsts: list[float] = []
    seconds: list[float] = []
    with tempfile.TemporaryDirectory(prefix="gwstart") as folder:
        Path(folder).chmod(0o755)
        for number in range(ROUNDS):
            firsts.append(_seconds_to_ready(Path(folder) / str(number)))
            seconds.append(_seconds_to_ready(Path(folder) / str(number)))
        weights = _weights(Path(folder) / "0")
    return [
        Metric("start.first_s", "s", tuple(firsts), goal="< 20"),
        Metric("start.second_s", "s", tuple(seconds), goal="< 5"),
        Metric("memory.idle_mb", "MB", weights, goal="< 400", peer="Keycloak alone 564"),
    ]


def _seconds_to_ready(home: Path) -> float:
    started = time.perf_counter()
    with Instance(home):
        return time.perf_counter() - started


def _weights(home: Path) -> tuple[float, ...]:
    with Instance(home) as instance:
        settle(instance)
        return tuple(_weight(instance.pid, home) for _ in range(ROUNDS))


def _weight(pid: int, home: Path) -> float:
    """Return the proportional set size, in MB, of the process, its children and its PostgreSQL."""
    root = psutil.Process(pid)
    family = [root, *root.children(recursive=True)]
    postmaster = psutil.Process(int((home / "postgres" / "postmaster.pid").read_text().split("\n", 1)[0]))
    family += [one for one in (postmaster, *postmaster.children(recursive=True)) if one not in family]
    return float(sum(one.memory_full_info().pss for one in family)) / 1e6
