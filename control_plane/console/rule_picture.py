"""The rules behind a decision as a tree: under each rule those it needs, each drawn once, in the order they are named.

A row a rule, indented by depth; elbows lead from a rule to those under it. Places and words are computed here, the
template draws them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from control_plane.console.filters import plain

ROOT = "decision"
WIDTH, ROW, _INDENT, _TOP = 960, 34, 26, 22
_MOST_ROWS, _VALUE_LENGTH = 60, 68


@dataclass(frozen=True, slots=True)
class Row:
    """One rule: where it stands, whether anything held, what it says; `parent_y` is None for the root."""

    name: str
    x: int
    y: int
    parent_y: int | None
    holds: bool
    value: str
    note: str
    place: str


@dataclass(frozen=True, slots=True)
class RulePicture:
    """All rows, and how high the picture is; `hidden` rules did not fit."""

    rows: tuple[Row, ...]
    height: int
    hidden: int


def rule_picture(rules: Sequence[dict[str, Any]]) -> RulePicture | None:
    """Return the picture of `GET /api/v1/decisions/{request_id}/why`; None when no rule is known."""
    by_name = {rule["name"]: rule for rule in rules}
    if ROOT not in by_name:
        return None
    walked = list(_walked(by_name))
    shown = walked[:_MOST_ROWS]
    places = {name: number * ROW + _TOP for number, (name, _, _) in enumerate(shown)}
    rows = tuple(_row(by_name[name], depth, places[name], places[parent] if parent else None)
                 for name, depth, parent in shown)
    return RulePicture(rows, len(shown) * ROW + _TOP, len(walked) - len(shown))


def _walked(by_name: dict[str, Any]) -> Iterator[tuple[str, int, str | None]]:
    """Yield (name, depth, parent), parents first, each rule where it is first needed."""
    waiting: list[tuple[str, int, str | None]] = [(ROOT, 0, None)]
    seen: set[str] = set()
    while waiting:
        name, depth, parent = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        yield name, depth, parent
        needed = [one for one in by_name[name]["needs"] if one in by_name and one not in seen]
        waiting += [(one, depth + 1, name) for one in reversed(needed)]


def _row(rule: dict[str, Any], depth: int, y: int, parent_y: int | None) -> Row:
    value = "undefined" if rule["value"] is None else plain(rule["value"])
    short = value if len(value) <= _VALUE_LENGTH else f"{value[:_VALUE_LENGTH]}…"
    return Row(rule["name"], 12 + depth * _INDENT, y, parent_y, bool(rule["holds"]), short, rule["note"],
               f"{rule['file']}:{rule['line']}")
