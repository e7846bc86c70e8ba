"""The shapes of sealed events, learnt while verifying: what one pattern match proves need not be parsed.

Most entries of a ledger are alike but for their values. A shape is the canonical form of such an event with its
plain values left open: same keys in the same order, printable ASCII without escapes, integers of at most 15 digits.
Whatever matches is canonical by construction, and its groups are the query columns. What matches no shape is parsed.
"""

import re
from collections.abc import Callable
from typing import Any

from audit_ledger.domain.columns import MAX_CHARACTERS, Columns, columns_of

_PLAIN = r"[ !#-\[\]-~]"
_TEXT = f'"{_PLAIN}*+"'
_TEXTS = rf"\[{_TEXT}(?:,{_TEXT})*+\]"
_SCALARS = {int: "(?:0|-?[1-9][0-9]{0,14}+)", bool: "(?:true|false)", type(None): "null"}
_NEVER = "(?:(?!)(?P<{}>))?"
_PATHS = {
    ("event", "action"): "action", ("user", "id"): "subject", ("http", "request", "id"): "request_id",
    ("grid", "data", "dataset"): "dataset", ("grid", "resource", "dataset"): "dataset",
    ("event", "outcome"): "outcome", ("@timestamp",): "event_time",
    ("grid", "sealed", "key"): "sealed_key",
}
_PER_ACTION = 8
_IN_ALL = 128
_MAX_PAYLOAD = 4_096
_PATIENCE = 16
"""An action is learnt when it was parsed this often: compiling a pattern costs as much as parsing hundreds."""

Match = Callable[[str], re.Match[str] | None]


class _UnplainError(Exception):
    """The event has something no shape leaves open."""


class Shapes:
    """Knows a bounded number of shapes of each action."""

    def __init__(self) -> None:
        self._known: dict[str | None, list[Match]] = {}
        self._parsed: dict[str | None, int] = {}
        self._count = 0

    def agree(self, payload: bytes, columns: tuple[Any, ...]) -> bool:
        """Tell whether a known shape proves the payload canonical and its columns to be these."""
        text = payload.decode("latin-1")  # a byte beyond ASCII fits no shape
        for fullmatch in self._known.get(columns[0], ()):
            found = fullmatch(text)
            if found is not None:
                return found.group(*Columns._fields) == columns
        return False

    def learn(self, payload: bytes, event: Any) -> None:  # noqa: ANN401 - any JSON value
        """Learn the shape of a payload that was parsed to `event` and found canonical."""
        columns = columns_of(event)
        action = columns.action
        seen = self._parsed[action] = self._parsed.get(action, 0) + 1
        known = self._known.setdefault(action, [])
        if seen % _PATIENCE or len(known) == _PER_ACTION or self._count == _IN_ALL or len(payload) > _MAX_PAYLOAD:
            return
        try:
            fullmatch = re.compile(_shape(event)).fullmatch
        except _UnplainError:
            return
        found = fullmatch(payload.decode("latin-1"))
        if found is not None and found.group(*Columns._fields) == columns:
            known.append(fullmatch)
            self._count += 1


def _shape(event: Any) -> str:  # noqa: ANN401 - any JSON value
    names: set[str] = set()
    pattern = _open(event, (), names)
    return pattern + "".join(_NEVER.format(name) for name in Columns._fields if name not in names)


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
    """`grid.data.dataset` sorts before `grid.resource.dataset` and goes before it, unless it is empty."""
    name = _PATHS.get(path)
    if name is None or name in names:
        return _TEXT
    if not value:
        raise _UnplainError
    names.add(name)
    return f'"(?P<{name}>{_PLAIN}{{1,{MAX_CHARACTERS}}}+)"'
