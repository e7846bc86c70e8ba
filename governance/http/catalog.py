"""The catalog over HTTP: what there is, how it is labelled, and the raising of labels."""

from typing import Annotated, Any

import msgspec
import orjson
from starlette.requests import Request
from starlette.responses import Response

from governance.domain.declaration import classification_named
from governance.domain.entries import Column, Dataset
from governance.service.catalog import Catalog, LabelChange
from shared_kernel.context import context_of
from shared_kernel.endpoint import Endpoint
from shared_kernel.errors import UnprocessableError
from shared_kernel.strict_json import parse_strict

_Reason = Annotated[str, msgspec.Meta(min_length=3, max_length=500, pattern=r"^[^\x00]*$")]


class LabelBody(msgspec.Struct, forbid_unknown_fields=True):
    """What a steward sends to raise a label."""

    classification: str
    reason: _Reason
    column: str | None = None


def answer(body: object) -> Response:
    """Return a JSON response."""
    return Response(orjson.dumps(body), media_type="application/json")


def catalog_endpoints(catalog: Catalog) -> tuple[Endpoint, ...]:
    """Return the catalog's routes."""

    async def list_datasets(_request: Request) -> Response:
        return answer({"items": [_summary(entry) for entry in catalog.entries()], "next": None})

    async def show_dataset(request: Request) -> Response:
        return answer(_whole(catalog.entry(request.path_params["name"])))

    async def change_label(request: Request) -> Response:
        change = _change(await request.body())
        entry = await catalog.change_label(request.path_params["name"], change, context_of(request.scope))
        return answer(_whole(entry))

    return (
        Endpoint("GET", "/api/v1/catalog/datasets", "catalog.read", list_datasets),
        Endpoint("GET", "/api/v1/catalog/datasets/{name}", "catalog.read", show_dataset),
        Endpoint("PUT", "/api/v1/catalog/datasets/{name}/label", "catalog.write", change_label, max_body=4_096),
    )


def _change(body: bytes) -> LabelChange:
    try:
        wish = msgspec.convert(parse_strict(body), LabelBody)
    except msgspec.ValidationError as cause:
        raise UnprocessableError(f"the label is not understood: {cause}") from cause
    return LabelChange(classification_named(wish.classification), wish.reason, wish.column)


def _summary(entry: Dataset) -> dict[str, Any]:
    return {
        "name": entry.name, "title": entry.title, "classification": entry.classification.name,
        "provenance": entry.provenance, "columns": len(entry.columns),
    }


def _whole(entry: Dataset) -> dict[str, Any]:
    return _summary(entry) | {
        "description": entry.description, "source": entry.source, "attribution": entry.attribution,
        "columns": [_column(entry, column) for column in entry.columns.values()],
    }


def _column(entry: Dataset, column: Column) -> dict[str, Any]:
    return {
        "name": column.name, "classification": entry.label(column.name).name,
        "categories": list(column.categories), "mask": column.mask,
    }
