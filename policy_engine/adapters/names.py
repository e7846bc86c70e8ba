"""Which names a rule uses, and which of them something gives a value (OPA calls the others unsafe).

A name gets its value from an argument, `:=`, `=`, `some ... in`, `every`, as the index of a reference, or as the last
argument of a call that is a statement; not so under `not`, nor in the name of a rule. Coarser than OPA: a value given
in a comprehension counts for the whole rule.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from policy_engine.adapters.syntax import Path, chain, nodes, spelled_out

_PATTERNS = frozenset({"Array", "Object", "Set"})
_SCOPES = frozenset({"ArrayCompr", "SetCompr", "ObjectCompr", "Every"})
WILDCARD = "_"


@dataclass(frozen=True, slots=True)
class Use:
    """A name where it stands, with the steps after it; `binds` when it can get its value there."""

    name: str
    steps: Path
    line: int
    binds: bool


def uses_of(rule: Any) -> list[Use]:  # noqa: ANN401 - a syntax tree
    """Return the uses of names in a rule; defaults, which are constants, use none."""
    if "Spec" not in rule:
        return []
    head = next(iter(rule["Spec"]["head"].values()))
    given = [part for name, part in head.items() if name not in ("refr", "args", "span")]
    _, _, varying = chain(head["refr"])
    return [*_uses(varying, closed=True), *_uses(head.get("args", []), binds=True), *_uses(given),
            *_uses(rule["Spec"]["bodies"])]


def given_values(rule: Any, uses: list[Use]) -> set[str]:  # noqa: ANN401 - a syntax tree
    """Return the names that get a value somewhere in the rule."""
    return {use.name for use in uses if use.binds} | {name for every in nodes(rule, "Every") for name in every["names"]}


def given_outside_indexes(rule: Any) -> set[str]:  # noqa: ANN401 - a syntax tree
    """Return the names that have a value before they stand in brackets: those of arguments, := and every."""
    head = next(iter(rule["Spec"]["head"].values()))
    patterns = [head.get("args", []), *(one["lhs"] for one in nodes(rule, "AssignExpr"))]
    return {str(chain(one)[0]) for pattern in patterns for one in _variables(pattern)} | {
        name for every in nodes(rule, "Every") for name in every["names"]}


def named_in(rule: Any) -> set[str]:  # noqa: ANN401 - a syntax tree
    """Return the names of arguments, of := and of `some ... in` and `every`."""
    head = next(iter(rule["Spec"]["head"].values()))
    given = [head.get("args", []), *(one["lhs"] for one in nodes(rule, "AssignExpr") if one["op"] == "ColEq"),
             *(part for some in nodes(rule, "SomeIn") for part in (some["key"], some["value"]))]
    return variables(given) | {name for every in nodes(rule, "Every") for name in every["names"]}


def _variables(tree: object) -> Iterator[dict[str, Any]]:
    return ({"Var": one} for one in nodes(tree, "Var"))


def variables(tree: object) -> set[str]:
    """Return every name that stands in a tree, other than those that are declared there."""
    return {str(chain(one)[0]) for one in _variables(tree)}


def bound_in(query: Any) -> set[str]:  # noqa: ANN401 - a syntax tree
    """Return the names that get a value in a query."""
    return {use.name for use in _uses(query) if use.binds}


def _uses(tree: object, *, binds: bool = False, closed: bool = False) -> Iterator[Use]:
    if isinstance(tree, list):
        for item in tree:
            yield from _uses(item, binds=binds, closed=closed)
    elif isinstance(tree, dict):
        for kind, part in tree.items():
            yield from _uses_in(kind, part, tree, binds=binds, closed=closed)


def _uses_in(kind: str, part: Any, tree: dict[str, Any], *, binds: bool, closed: bool) -> Iterator[Use]:  # noqa: ANN401 - a syntax tree
    match kind:
        case "Var":
            yield Use(str(chain(tree)[0]), (), part["span"]["line"], binds and not closed)
        case "RefDot" | "RefBrack":
            yield from _uses_in_reference(tree, closed=closed)
        case "Expr" if len(given := part["expr"].get("Call", {}).get("params", [])) > 1:
            yield from _uses(given[:-1], closed=closed)
            yield from _uses(given[-1], binds=True, closed=closed)
        case "Call":
            yield from _uses(part["params"], closed=closed)
        case "AssignExpr":
            yield from _uses(part["lhs"], binds=True, closed=closed)
            yield from _uses(part["rhs"], binds=part["op"] == "Eq", closed=closed)
        case "SomeIn":
            yield from _uses([part["key"], part["value"]], binds=True, closed=closed)
            yield from _uses(part["collection"], closed=closed)
        case "NotExpr":
            yield from _uses(part, closed=True)
        case _ if kind in _SCOPES:
            yield from _uses(part)
        case _:
            yield from _uses(part, binds=binds and (kind in _PATTERNS or kind[0].islower()), closed=closed)


def _uses_in_reference(tree: dict[str, Any], *, closed: bool) -> Iterator[Use]:
    root, steps, _ = chain(tree)
    node, line = tree, next(iter(tree.values()))["span"]["line"]
    while step := node.get("RefDot") or node.get("RefBrack"):
        yield from _uses(step.get("index"), binds=True, closed=closed)
        node = step["refr"]
    if root is None:
        yield from _uses(node, closed=closed)
    else:
        yield Use(root, spelled_out(steps), line, binds=False)
