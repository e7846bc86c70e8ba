"""Lineage learns from each run of a pipeline step, and tells where data came from and where it went."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from prometheus_client import Counter

from governance.domain.lineage import Direction, Graph, RunSummary, reach, run_of
from governance.store.lineage import LineageStore
from shared_kernel.clock import Clock

RUNS = Counter("gridwarden_governance_lineage_runs", "Pipeline runs learned.", ["job"])


@dataclass(frozen=True, slots=True)
class Story:
    """A graph, and the runs that proved its edges."""

    graph: Graph
    runs: tuple[RunSummary, ...]


class Lineage:
    """Implements the kernel's LineageRecorder."""

    def __init__(self, store: LineageStore, clock: Clock) -> None:
        self._store, self._clock = store, clock

    async def ran(
        self, job: str, *, inputs: Sequence[str], outputs: Sequence[str],
        columns: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        """Record a completed run; learning the same run again adds to its count and leaves the graph as it is."""
        await self._store.keep(run_of(job, inputs, outputs, columns), self._clock.now_us())
        RUNS.labels(job).inc()

    async def around(self, dataset: str, direction: Direction, depth: int) -> Story:
        """Return what lies within `depth` steps of a dataset, with the runs behind it."""
        graph = reach(await self._store.edges(), dataset, direction, depth)
        return Story(graph, tuple(await self._store.runs({edge.job for edge in graph.edges})))
