"""What the house's routes take and give."""

from collections.abc import Mapping
from typing import Any

from governance.http.catalog import LabelBody
from shared_kernel.classification import Classification
from shared_kernel.operation import (
    COUNT,
    MAYBE_COUNT,
    MAYBE_TEXT,
    TEXT,
    TEXTS,
    TIME,
    Operation,
    listing,
    record,
)

_LABEL = {"enum": [label.name for label in Classification]}
_SUMMARY: dict[str, Any] = {"name": TEXT, "title": TEXT, "classification": _LABEL, "provenance": TEXT}
_DATASET = record({
    **_SUMMARY, "description": TEXT, "source": TEXT, "attribution": TEXT,
    "columns": {"type": "array", "items": record(
        {"name": TEXT, "classification": _LABEL, "categories": TEXTS, "mask": MAYBE_TEXT})},
}, title="Dataset")
_LINEAGE = record({
    "dataset": TEXT,
    "nodes": {"type": "array", "items": record({"name": TEXT, "distance": COUNT, "classification": _LABEL})},
    "edges": {"type": "array", "items": record({"job": TEXT, "grain": TEXT, "source": TEXT, "target": TEXT})},
    "runs": {"type": "array", "items": record(
        {"job": TEXT, "inputs": TEXTS, "outputs": TEXTS, "times": COUNT, "first_at": TIME, "last_at": TIME})},
}, title="Lineage")
_ACCESS = record(
    {"seq": COUNT, "at": TIME, "outcome": TEXT, "reason": MAYBE_TEXT,
     "person": record({"id": MAYBE_TEXT, "name": MAYBE_TEXT, "roles": TEXTS}),
     "source_ip": MAYBE_TEXT, "request_id": MAYBE_TEXT},
    {"dataset": TEXT, "classification": TEXT, "columns": TEXTS, "masks": {"type": "object"}, "rows": COUNT,
     "purpose": MAYBE_TEXT, "permit": MAYBE_COUNT}, "Access")

OPERATIONS: Mapping[tuple[str, str], Operation] = {
    ("GET", "/api/v1/catalog/datasets"): Operation(
        "Every dataset with its label", listing(record({**_SUMMARY, "columns": COUNT}, title="DatasetSummary"))),
    ("GET", "/api/v1/catalog/datasets/{name}"): Operation("One dataset, its columns and their labels", _DATASET),
    ("PUT", "/api/v1/catalog/datasets/{name}/label"): Operation(
        "Raise the label of a dataset or of a column", _DATASET, LabelBody),
    ("GET", "/api/v1/lineage"): Operation(
        "Where a dataset comes from, and what is made of it", _LINEAGE, query={
            "dataset": {**TEXT, "x-required": True}, "direction": {"enum": ["both", "upstream", "downstream"]},
            "depth": {**COUNT, "maximum": 20}}),
    ("GET", "/api/v1/access-log"): Operation(
        "Who read what, why and how masked, newest first", listing(_ACCESS), query={
            "dataset": TEXT, "person": TEXT, "before": COUNT, "limit": {**COUNT, "maximum": 500}}),
}
