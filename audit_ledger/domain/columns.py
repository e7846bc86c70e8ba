"""The query columns of an entry, always derivable from its payload and checked against it."""

from itertools import repeat
from typing import Any, NamedTuple

MAX_CHARACTERS = 512
"""Keeps every index row below PostgreSQL's limit of 2,704 bytes."""


class Columns(NamedTuple):
    """What an entry can be found by; None where the event does not say. `sealed_key`: the key of its sealed fields."""

    action: str | None
    subject: str | None
    request_id: str | None
    dataset: str | None
    outcome: str | None
    event_time: str | None
    sealed_key: str | None


def columns_of(event: Any) -> Columns:  # noqa: ANN401 - a damaged payload may hold any JSON value
    """Derive the columns: `grid.data.dataset` (what was read) goes before `grid.resource.dataset` (what was asked)."""
    if not isinstance(event, dict):
        return Columns(*repeat(None, len(Columns._fields)))
    about = _section(event, "event")
    grid = _section(event, "grid")
    return Columns(
        _text(about.get("action")),
        _text(_section(event, "user").get("id")),
        _text(_section(_section(event, "http"), "request").get("id")),
        _text(_section(grid, "data").get("dataset")) or _text(_section(grid, "resource").get("dataset")),
        _text(about.get("outcome")),
        _text(event.get("@timestamp")),
        _text(_section(grid, "sealed").get("key")),
    )


_NOTHING: dict[str, Any] = {}


def _section(event: dict[str, Any], name: str) -> dict[str, Any]:
    found = event.get(name)
    return found if type(found) is dict else _NOTHING


def _text(value: Any) -> str | None:  # noqa: ANN401 - any JSON value
    """Return text as a PostgreSQL text column can hold it: no NUL, bounded."""
    if not isinstance(value, str):
        return None
    if len(value) > MAX_CHARACTERS or "\0" in value:
        return value.replace("\0", "\ufffd")[:MAX_CHARACTERS]
    return value
