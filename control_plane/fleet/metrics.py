"""Metrics of all processes of one host as one: whoever is scraped asks the others and answers with the sum.

Each process answers its own exposition on a Unix socket in a folder that only they know. Counters and histograms add
up. A gauge is the same fact seen by several, so the largest holds, but for those that count what a process holds.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import structlog
from prometheus_client import generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

ADDED = frozenset({"counter", "histogram", "summary"})
HELD = frozenset({
    "gridwarden_gateway_in_flight", "gridwarden_gateway_connections", "gridwarden_streams_open",
    "gridwarden_policy_risk_waiting", "process_resident_memory_bytes", "process_virtual_memory_bytes",
    "process_open_fds",
})
"""Gauges that add up."""

_PATIENCE_S = 1.0
_log = structlog.get_logger()


class Peers:
    """One process among those of a folder; without a folder it is alone."""

    def __init__(self, folder: Path | None = None, number: int = 0) -> None:
        self._folder, self._number = folder, number

    async def exposition(self) -> bytes:
        """Return what Prometheus shall see: of all of us."""
        own = generate_latest()
        if self._folder is None:
            return own
        others = [path for path in sorted(self._folder.glob("*.sock")) if path != self._path]
        answers = await asyncio.gather(*(_asked(path) for path in others))
        return merged([own, *(answer for answer in answers if answer)])

    @contextlib.asynccontextmanager
    async def answering(self) -> AsyncIterator[None]:
        """Let the others ask."""
        if self._folder is None:
            yield
            return
        self._path.unlink(missing_ok=True)
        server = await asyncio.start_unix_server(_answer, self._path)
        try:
            yield
        finally:
            server.close()
            self._path.unlink(missing_ok=True)

    @property
    def _path(self) -> Path:
        return (self._folder or Path()) / f"{self._number}.sock"


def merged(expositions: Iterable[bytes]) -> bytes:
    """Return several processes' text expositions as one."""
    families: dict[str, Metric] = {}
    samples: dict[str, dict[tuple[str, tuple[tuple[str, str], ...]], float]] = {}
    for exposition in expositions:
        for family in text_string_to_metric_families(exposition.decode()):
            families.setdefault(family.name, family)
            found = samples.setdefault(family.name, {})
            for sample in family.samples:
                place = sample.name, tuple(sample.labels.items())
                found[place] = sample.value if place not in found else _joined(family, found[place], sample.value)
    return "".join(_written(families[name], found) for name, found in samples.items()).encode()


def _joined(family: Metric, one: float, other: float) -> float:
    return one + other if family.type in ADDED or family.name in HELD else max(one, other)


def _written(family: Metric, samples: dict[tuple[str, tuple[tuple[str, str], ...]], float]) -> str:
    name = f"{family.name}_total" if family.type == "counter" else family.name
    lines = [f"# HELP {name} {_escaped(family.documentation, quotes=False)}", f"# TYPE {name} {family.type}"]
    for (sample, labels), value in samples.items():
        shown = ",".join(f'{label}="{_escaped(text, quotes=True)}"' for label, text in labels)
        lines.append(f"{sample}{{{shown}}} {value!r}" if shown else f"{sample} {value!r}")
    return "\n".join(lines) + "\n"


def _escaped(text: str, *, quotes: bool) -> str:
    text = text.replace("\\", r"\\").replace("\n", r"\n")
    return text.replace('"', r"\"") if quotes else text


async def _answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        writer.write(generate_latest())
        await writer.drain()
        writer.close()


async def _asked(path: Path) -> bytes:
    """Return what a peer answers; nothing from one that is gone or hangs."""
    try:
        async with asyncio.timeout(_PATIENCE_S):
            reader, writer = await asyncio.open_unix_connection(path)
            try:
                return await reader.read()
            finally:
                writer.close()
    except (OSError, TimeoutError) as error:
        _log.info("peer_silent", peer=path.name, error=type(error).__name__)
        return b""
