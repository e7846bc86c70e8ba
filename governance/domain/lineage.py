"""Lineage: which dataset, and which column, was made of which; only what ran leaves an edge.

A run's shape is its job, inputs, outputs and column map. The graph is a set of edges, so the order in which runs are
learned, and learning one twice, change nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256

from shared_kernel.errors import InvalidInputError


class Grain(StrEnum):
    """What an edge joins."""

    DATASET = "dataset"
    COLUMN = "column"


class Direction(StrEnum):
    """Which way a question walks."""

    UPSTREAM = "upstream"
    DOWNSTREAM = "downstream"
    BOTH = "both"


@dataclass(frozen=True, slots=True, order=True)
class Edge:
    """`target` was made of `source` by `job`."""

    job: str
    grain: Grain
    source: str
    target: str


@dataclass(frozen=True, slots=True)
class Run:
    """What a completed run read and wrote; order inside does not matter."""

    job: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    columns: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @property
    def shape(self) -> bytes:
        """The identity of this kind of run: the SHA-256 of its canonical text."""
        return sha256(repr((self.job, self.inputs, self.outputs, self.columns)).encode()).digest()


@dataclass(frozen=True, slots=True)
class RunSummary:
    """How often, and when first and last, a run of one shape completed."""

    job: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    times: int
    first_at_us: int
    last_at_us: int


@dataclass(frozen=True, slots=True)
class Graph:
    """An answer: nodes with their distance from where the question started, and the edges among them."""

    start: str
    nodes: Mapping[str, int]
    edges: tuple[Edge, ...]


def run_of(
    job: str, inputs: Sequence[str], outputs: Sequence[str], columns: Mapping[str, Sequence[str]] | None,
) -> Run:
    """Return the run in canonical order; a column of a dataset the run did not touch is refused."""
    run = Run(
        job, tuple(sorted(set(inputs))), tuple(sorted(set(outputs))),
        tuple(sorted((target, tuple(sorted(set(sources)))) for target, sources in (columns or {}).items())),
    )
    for target, sources in run.columns:
        _refuse_foreign(target, run.outputs, job)
        for source in sources:
            _refuse_foreign(source, run.inputs, job)
    return run


def _refuse_foreign(column: str, datasets: tuple[str, ...], job: str) -> None:
    if dataset_of(column) not in datasets:
        raise InvalidInputError(
            f"the run of {job} names the column {column!r}, and no dataset of that name took part in it",
        )


def dataset_of(column: str) -> str:
    """Return `grid.sensor_data` of `grid.sensor_data.value`."""
    return column.rpartition(".")[0]


def edges_of(run: Run) -> tuple[Edge, ...]:
    """Return the edges a run proves; one that wrote nothing, or read nothing, proves none."""
    datasets = [
        Edge(run.job, Grain.DATASET, source, target) for source in run.inputs for target in run.outputs
    ]
    columns = [Edge(run.job, Grain.COLUMN, source, target) for target, sources in run.columns for source in sources]
    return tuple(sorted([*datasets, *columns]))


def reach(edges: Iterable[Edge], start: str, direction: Direction, depth: int) -> Graph:
    """Return what lies within `depth` steps of a dataset; cycles and self-loops end the walk, not the program."""
    known = tuple(edges)
    datasets = [edge for edge in known if edge.grain is Grain.DATASET]
    nodes = {start: 0}
    if direction is not Direction.UPSTREAM:
        nodes |= _walk({(edge.source, edge.target) for edge in datasets}, start, depth)
    if direction is not Direction.DOWNSTREAM:
        upstream = _walk({(edge.target, edge.source) for edge in datasets}, start, depth)
        nodes = {node: min(steps, nodes.get(node, steps)) for node, steps in (nodes | upstream).items()}
    return Graph(start, nodes, tuple(sorted(edge for edge in known if _ends(edge) <= nodes.keys())))


def _ends(edge: Edge) -> set[str]:
    ends = {edge.source, edge.target}
    return ends if edge.grain is Grain.DATASET else {dataset_of(end) for end in ends}


def _walk(steps: set[tuple[str, str]], start: str, depth: int) -> dict[str, int]:
    following: dict[str, list[str]] = {}
    for here, there in steps:
        following.setdefault(here, []).append(there)
    found, frontier = {start: 0}, [start]
    for distance in range(1, depth + 1):
        frontier = [there for here in frontier for there in following.get(here, ()) if there not in found]
        found |= dict.fromkeys(frontier, distance)
    return found
