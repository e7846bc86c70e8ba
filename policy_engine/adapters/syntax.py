"""Walks regorus' syntax trees (`Engine.get_ast_as_json`): nodes of a kind, and references as the paths they spell."""

from collections.abc import Iterator
from itertools import takewhile
from typing import Any

Path = tuple[str, ...]
Steps = list[str | None]
_STEPS = ("RefDot", "RefBrack")


def nodes(tree: object, kind: str) -> Iterator[Any]:
    """Give what stands below each `kind`, at any depth."""
    if isinstance(tree, list):
        for item in tree:
            yield from nodes(item, kind)
    elif isinstance(tree, dict):
        if kind in tree:
            yield tree[kind]
        for value in tree.values():
            yield from nodes(value, kind)


def references(tree: object) -> Iterator[tuple[str, Steps]]:
    """Give every reference: the variable it starts at, and its steps, None where one is not spelled out."""
    if isinstance(tree, list):
        for item in tree:
            yield from references(item)
    elif isinstance(tree, dict):
        root, steps, below = chain(tree)
        if root is not None:
            yield root, steps
        for part in below:
            yield from references(part)


def chain(node: dict[str, Any]) -> tuple[str | None, Steps, list[Any]]:
    """Return the variable a node starts at (None: it is no reference), its steps, and what is still to be searched."""
    steps: Steps = []
    below: list[Any] = []
    while step := next((node[kind] for kind in _STEPS if kind in node), None):
        steps.insert(0, _step(step))
        below += [value for key, value in step.items() if key not in ("refr", "span", "field")]
        node = step["refr"]
    if isinstance(variable := node.get("Var"), dict):
        return _spelled(variable["value"]), steps, below
    return None, steps, [*below, *(value for key, value in node.items() if key != "span")]


def spelled_out(steps: Steps) -> Path:
    """Return the steps up to the first that varies."""
    return tuple(str(step) for step in takewhile(lambda step: step is not None, steps))


def module_path(module: Any) -> Path:  # noqa: ANN401 - a syntax tree
    """Return the path of a module's package."""
    root, steps, _ = chain(module["package"]["refr"])
    return (root or "", *spelled_out(steps))


def _step(step: dict[str, Any]) -> str | None:
    match step:
        case {"field": field}:
            return _spelled(field)
        case {"index": {"String": {"value": text}}}:
            return _spelled(text)
    return None


def _spelled(part: Any) -> str:  # noqa: ANN401 - a name, which the tree holds bare or as (span, name)
    return str(part[-1] if isinstance(part, list) else part)
