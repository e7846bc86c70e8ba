"""The shapes of sealed events, learnt while verifying: what one pattern match proves need not be parsed.

Most entries of a ledger are alike but for their values. A shape is the canonical form of such an event with its
plain values left open: same keys in the same order, printable ASCII without escapes, integers of at most 15 digits.
Whatever matches is canonical by construction. The pattern goes on with the query columns, each of which must repeat
the value that it is derived from, and it repeats itself: one match proves all neighbours of one shape.
"""

import re
from bisect import bisect_left
from collections.abc import Callable, Iterator
from typing import Any

from audit_ledger.domain.audit.page import Page
from audit_ledger.domain.columns import MAX_CHARACTERS, Columns, columns_of

_PLAIN = r"[ !#-\[\]-~]"
_TEXT = f'"{_PLAIN}*+"'
_TEXTS = rf"\[{_TEXT}(?:,{_TEXT})*+\]"
_SCALARS = {int: "(?:0|-?[1-9][0-9]{0,14}+)", bool: "(?:true|false)", type(None): "null"}
_PATHS = {
    ("event", "action"): "action", ("user", "id"): "subject", ("http", "request", "id"): "request_id",
    ("grid", "data", "dataset"): "dataset", ("grid", "resource", "dataset"): "dataset",
    ("event", "outcome"): "outcome", ("@timestamp",): "event_time",
    ("grid", "sealed", "key"): "sealed_key",
}
_NULL, _AFTER_COLUMN, _AFTER_ENTRY = "\x1d", "\x1f", "\x1e"
_PER_ACTION = 8
_IN_ALL = 128
_MAX_PAYLOAD = 4_096
_PATIENCE = 16
"""An action is learnt when it was parsed this often: compiling a pattern costs as much as parsing hundreds."""

Match = Callable[[str, int], re.Match[str] | None]


class _UnplainError(Exception):
    """The event has something no shape leaves open."""


class Shapes:
    """Knows a bounded number of shapes of each action."""

    def __init__(self) -> None:
        self._known: dict[str, list[Match]] = {}
        self._parsed: dict[str | None, int] = {}
        self._count = 0

    def unproven(self, page: Page) -> Iterator[int]:
        """Yield the places of the entries which no known shape proves canonical and to have the columns they have."""
        text = page.content.decode("latin-1")  # a byte beyond ASCII fits no shape
        bounds, payload_ends = page.bounds, page.payload_ends
        place, count = 0, len(page)
        while place < count:
            start, end = bounds[place], payload_ends[place]
            action = text[end:text.index(_AFTER_COLUMN, end)]
            for match in self._known.get(action, ()):
                found = match(text, start)
                if found is not None:
                    place = bisect_left(bounds, found.end(), place)
                    break
            else:
                yield place
                place += 1

    def learn(self, payload: bytes, event: Any) -> None:  # noqa: ANN401 - any JSON value
        """Learn the shape of a payload that was parsed to `event` and found canonical."""
        columns = columns_of(event)
        action = columns.action or _NULL
        seen = self._parsed[action] = self._parsed.get(action, 0) + 1
        known = self._known.setdefault(action, [])
        if seen % _PATIENCE or len(known) == _PER_ACTION or self._count == _IN_ALL or len(payload) > _MAX_PAYLOAD:
            return
        try:
            match = re.compile(_pattern(event, columns)).match
        except _UnplainError:
            return
        entry = payload.decode("latin-1") + "".join(map(_stored, columns)) + _AFTER_ENTRY
        found = match(entry, 0)
        if found is not None and found.end() == len(entry):
            known.append(match)
            self._count += 1


def _stored(column: str | None) -> str:
    return (_NULL if column is None else column) + _AFTER_COLUMN


def _pattern(event: Any, columns: Columns) -> str:  # noqa: ANN401 - any JSON value
    """Return the pattern of one or more entries of the event's shape: payload, columns, separators."""
    names: set[str] = set()
    payload = _open(event, (), names)
    stored = (f"(?P={name}){_AFTER_COLUMN}" if name in names else re.escape(_stored(value))
              for name, value in zip(Columns._fields, columns, strict=True))
    return f"(?:{payload}{''.join(stored)}{_AFTER_ENTRY})++"


def _open(value: Any, path: tuple[str, ...], names: set[str]) -> str:  # noqa: ANN401 - any JSON value
    if isinstance(value, str):
        return _open_text(value, path, names)
    if isinstance(value, dict):
        return _open_object(value, path, names)
    if isinstance(value, list):
        if value and all(isinstance(each, str) for each in value):
            return _TEXTS
        return rf"\[{','.join(_open(each, (*path, '[]'), names) for each in value)}\]"
    try:
        return _SCALARS[type(value)]
    except KeyError:
        raise _UnplainError from None


def _open_object(value: dict[str, Any], path: tuple[str, ...], names: set[str]) -> str:
    if not all(re.fullmatch(f"{_PLAIN}*", key) for key in value):
        raise _UnplainError
    members = (re.escape(f'"{key}":') + _open(value[key], (*path, key), names) for key in sorted(value))
    return rf"\{{{','.join(members)}\}}"


def _open_text(value: str, path: tuple[str, ...], names: set[str]) -> str:
    """The action stays as it is, the other columns are open.

    `grid.data.dataset` sorts before `grid.resource.dataset` and goes before it, unless it is empty.
    """
    name = _PATHS.get(path)
    if name is None or name in names:
        return _TEXT
    if not value:
        raise _UnplainError
    if name == "action":
        return re.escape(f'"{value}"')
    names.add(name)
    return f'"(?P<{name}>{_PLAIN}{{1,{MAX_CHARACTERS}}}+)"'
