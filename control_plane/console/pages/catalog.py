"""The data catalog: what there is, how it is labelled, and where it came from."""

import asyncio
from collections.abc import Iterable
from typing import Any

from starlette.responses import Response

from control_plane.console.gateway_client import Answer
from control_plane.console.visit import Visit

_DEPTH = 5


async def shelf(visit: Visit) -> Response:
    """List the datasets."""
    answer = await visit.ask("/api/v1/catalog/datasets")
    return visit.page("catalog.html", datasets=answer.items) if answer.is_ok else visit.refused(answer)


async def dataset(visit: Visit) -> Response:
    """Show one dataset's columns, labels and lineage."""
    found, up, down = await asyncio.gather(
        visit.ask(f"/api/v1/catalog/datasets/{visit.part('name')}"),
        *(visit.ask("/api/v1/lineage", dataset=str(visit.request.path_params["name"]), direction=way, depth=_DEPTH)
          for way in ("upstream", "downstream")),
    )
    if not found.is_ok:
        return visit.refused(found)
    return visit.page(
        "dataset.html", dataset=found.body, upstream=_lanes(up)[::-1], downstream=_lanes(down),
        edges=_edges((up, down)), runs=_runs((up, down)),
        lineage_refused=None if up.is_ok else up.problem.get("detail"),
    )


def _lanes(answer: Answer) -> list[list[dict[str, Any]]]:
    """Return the datasets by their distance, the nearest lane first."""
    nodes = [node for node in answer.body["nodes"] if node["distance"]] if answer.is_ok else []
    distances = sorted({abs(node["distance"]) for node in nodes})
    return [[node for node in nodes if abs(node["distance"]) == each] for each in distances]


def _edges(answers: Iterable[Answer]) -> list[dict[str, Any]]:
    edges = [edge for answer in answers if answer.is_ok for edge in answer.body["edges"] if edge["grain"] == "column"]
    return _distinct(edges)


def _runs(answers: Iterable[Answer]) -> list[dict[str, Any]]:
    return _distinct([run for answer in answers if answer.is_ok for run in answer.body["runs"]])


def _distinct(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [one for position, one in enumerate(found) if one not in found[:position]]


ROUTES = (("GET", "/catalog", shelf), ("GET", "/catalog/{name}", dataset))
