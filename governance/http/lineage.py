"""Lineage over HTTP: nodes and edges around a dataset, and the runs that proved them."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from governance.domain.lineage import Direction, Edge, RunSummary
from governance.http.catalog import answer
from governance.http.queries import only, whole
from governance.service.catalog import Catalog
from governance.service.lineage import Lineage, Story
from shared_kernel.clock import to_iso
from shared_kernel.endpoint import Endpoint
from shared_kernel.errors import InvalidInputError

_MAX_DEPTH = 20


def lineage_endpoints(lineage: Lineage, catalog: Catalog) -> tuple[Endpoint, ...]:
    """Return lineage's one route."""

    async def show(request: Request) -> Response:
        query = request.query_params
        only(query, "dataset", "direction", "depth")
        depth = whole(query, "depth", default=3, highest=_MAX_DEPTH)
        story = await lineage.around(_dataset(query.get("dataset")), _direction(query.get("direction", "both")), depth)
        return answer(_story(story, catalog))

    return (Endpoint("GET", "/api/v1/lineage", "lineage.read", show),)


def _dataset(name: str | None) -> str:
    if not name:
        raise InvalidInputError("name the dataset: /api/v1/lineage?dataset=grid.sensor_aggregates")
    return name


def _direction(name: str) -> Direction:
    try:
        return Direction(name)
    except ValueError:
        raise InvalidInputError(f"the parameter 'direction' must be one of {', '.join(Direction)}") from None


def _story(story: Story, catalog: Catalog) -> dict[str, Any]:
    graph = story.graph
    return {
        "dataset": graph.start,
        "nodes": [{"name": name, "distance": steps, "classification": catalog.classification(name).name}
                  for name, steps in sorted(graph.nodes.items())],
        "edges": [_edge(edge) for edge in graph.edges],
        "runs": [_run(run) for run in story.runs],
    }


def _edge(edge: Edge) -> dict[str, str]:
    return {"job": edge.job, "grain": edge.grain, "source": edge.source, "target": edge.target}


def _run(run: RunSummary) -> dict[str, Any]:
    return {
        "job": run.job, "inputs": run.inputs, "outputs": run.outputs, "times": run.times,
        "first_at": to_iso(run.first_at_us), "last_at": to_iso(run.last_at_us),
    }
