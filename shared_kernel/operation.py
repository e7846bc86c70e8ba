"""What a route takes and gives, as data beside it: the OpenAPI 3.1 document is made from this and from nothing else.

A schema is JSON Schema 2020-12 (one with a `title` becomes a component), a msgspec model, or the media type of what
has no JSON schema.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from shared_kernel.endpoint import Endpoint

Parts = Mapping[str, Any]
Schema = Parts | type | str

TEXT: Parts = {"type": "string"}
COUNT: Parts = {"type": "integer", "minimum": 0}
FLAG: Parts = {"type": "boolean"}
TIME: Parts = {"type": "string", "format": "date-time"}
MAYBE_TEXT: Parts = {"type": ["string", "null"]}
MAYBE_COUNT: Parts = {"type": ["integer", "null"]}
TEXTS: Parts = {"type": "array", "items": TEXT}
ANY: Parts = {"type": "object"}
FORM, PAGE = "application/x-www-form-urlencoded", "text/html"


@dataclass(frozen=True, slots=True)
class Operation:
    """`gives` is answered with `status` (nothing: 204); `also` are other statuses that are no problems.

    `query`, `fields` (header fields) and `path` are schemas by name.
    `failure` is the body of a refusal by a protocol that has a form of its own; all others are RFC 9457 problems.
    """

    summary: str
    gives: Schema | None = None
    takes: Schema | None = None
    status: int = 200
    query: Parts = field(default_factory=dict)
    fields: Parts = field(default_factory=dict)
    path: Parts = field(default_factory=dict)
    also: Mapping[int, Schema | None] = field(default_factory=dict)
    failure: Schema | None = None


def record(required: Parts, optional: Parts | None = None, title: str = "") -> dict[str, Any]:
    """Return the schema of an object."""
    named = {"title": title} if title else {}
    return {**named, "type": "object", "properties": {**required, **(optional or {})}, "required": sorted(required)}


def listing(item: Parts, following: Parts = MAYBE_COUNT) -> dict[str, Any]:
    """Return the schema of a page of items with the cursor of the next."""
    return record({"items": {"type": "array", "items": item}, "next": following})


def described(endpoints: Iterable[Endpoint], operations: Mapping[tuple[str, str], Operation]) -> tuple[Endpoint, ...]:
    """Return endpoints with what their house says of them, by method and path."""
    return tuple(replace(each, operation=operations.get((each.method, each.path), each.operation))
                 for each in endpoints)
