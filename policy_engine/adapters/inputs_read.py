"""Finds in the syntax trees of a bundle which parts of `input` its policies can read.

A reference counts up to its first variable part: `input.subject.id` is ("subject", "id"), `input.resource[x].y` is
("resource",), and `input` alone, as in `walk(input)` or `with input as ...`, is everything.
"""

from collections.abc import Iterator
from itertools import takewhile

from policy_engine.domain.reads import Path, Reads

_STEPS = ("RefDot", "RefBrack")


def inputs_read(trees: object) -> Reads:
    """Return what the modules read, given as regorus' syntax trees (`Engine.get_ast_as_json`, parsed)."""
    return Reads(_paths(trees))


def _paths(node: object) -> Iterator[Path]:
    if isinstance(node, list):
        for item in node:
            yield from _paths(item)
    elif isinstance(node, dict):
        root, steps, below = _chain(node)
        if root == "input":
            yield tuple(str(step) for step in takewhile(lambda step: step is not None, steps))
        for part in below:
            yield from _paths(part)


def _chain(node: dict[str, object]) -> tuple[str | None, list[str | None], list[object]]:
    """Return the variable a reference starts at, its steps (None where one varies), and what else is to be searched."""
    steps: list[str | None] = []
    below: list[object] = []
    while step := next((node[kind] for kind in _STEPS if kind in node), None):
        steps.insert(0, _step(step))
        below += [value for key, value in step.items() if key not in ("refr", "span", "field")]  # type: ignore[attr-defined]
        node = step["refr"]  # type: ignore[index]
    variable = node.get("Var")
    root = _spelled(variable["value"]) if isinstance(variable, dict) else None
    return root, steps, below if root else [*below, *(value for key, value in node.items() if key != "span")]


def _step(step: object) -> str | None:
    match step:
        case {"field": field}:
            return _spelled(field)
        case {"index": {"String": {"value": text}}}:
            return _spelled(text)
    return None


def _spelled(part: object) -> str:
    """Return a name, which the tree holds bare or as (span, name)."""
    return str(part[-1] if isinstance(part, list) else part)
