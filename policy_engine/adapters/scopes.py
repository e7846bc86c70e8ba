"""Refuses what regorus reads otherwise because of where it stands: in `every`, under `not`, and before an else.

1. In `every`, x = y always holds in regorus.
2. It goes through everything in t by t[x], as if nothing gave x a value: under `not`, and before the | of a
   comprehension in `every`, where x is a name of `every`, of a list taken apart by =, or of a call's last argument; and
   in the value of a rule that has an else, where its body gives x.
3. A function with an else whose value is missing ends there, or is true, where OPA goes on to the next else.
4. `k, v in c` holds when v and c[k] are missing.
5. A `with` behind `some ... in` goes on for what follows it.
6. OPA refuses a name that is declared for nothing, one that hides a function called, and a literal left of :=.
"""

from collections.abc import Iterator
from typing import Any

from policy_engine.adapters.absences import Knowledge, missing
from policy_engine.adapters.names import WILDCARD, bound_in, variables
from policy_engine.adapters.syntax import chain, nodes

_COMPREHENSIONS = ("ArrayCompr", "SetCompr", "ObjectCompr")
_LITERALS = ("Number", "String", "RawString", "Bool", "True", "False", "Null")
_PLACES = frozenset({"span", "eidx", "sidx", "qidx", "line", "col", "start", "end"})
_PATTERNS = ("Array", "Object", "Set")


def faults_of_scopes(rule: Any, known: Knowledge) -> Iterator[str]:  # noqa: ANN401 - a syntax tree
    """Give what is wrong with a rule, as the end of a sentence."""
    if "Spec" not in rule:
        return
    yield from _faults_of_every(rule)
    for negated in nodes(rule, "NotExpr"):
        yield from _lost(negated["expr"], _taken_apart(rule), f"under `not` in line {negated['span']['line']}",
                         "give it its value by :=, as in x := f(y) or x := list[0]")
    yield from _faults_before_else(rule["Spec"], known)
    for one in _statements(rule, "Membership"):
        for what in missing(one["value"], known) if one["key"] else ():
            yield (f"asks `in` for a key and {what} in line {one['span']['line']}, which may be missing: "
                   "give it a name before, by :=")
    for call in nodes(rule, "Call"):
        if (name := chain(call["fcn"])[0]) in known.names:
            yield f"names something {name} and calls a function by it in line {call['span']['line']}: rename the former"
    for statement in (one for statements in nodes(rule, "stmts") for one in statements):
        if "SomeIn" in statement["literal"] and statement.get("with_mods"):
            yield (f"goes through something `with` another value in line {statement['span']['line']}: give it a name "
                   "before, by := and with that `with`")
    yield from _faults_of_declarations(rule)


def _faults_of_every(rule: Any) -> Iterator[str]:  # noqa: ANN401 - a syntax tree
    for every in nodes(rule, "Every"):
        line, names = every["span"]["line"], {*every["names"]}
        for equation in nodes(every["query"], "AssignExpr"):
            if equation["op"] == "Eq":
                yield f"compares by = inside the `every` of line {line}: write =="
        for negated in nodes(every["query"], "NotExpr"):
            yield from _lost(negated["expr"], names, f"under `not` inside the `every` of line {line}")
        for kind in _COMPREHENSIONS:
            for made in nodes(every["query"], kind):
                parts = [part for name, part in made.items() if name not in ("query", "span")]
                yield from _lost(parts, names, f"before the | of a comprehension inside the `every` of line {line}")


def _faults_before_else(spec: Any, known: Knowledge) -> Iterator[str]:  # noqa: ANN401 - a syntax tree
    head, bodies = next(iter(spec["head"].values())), spec["bodies"]
    if len(bodies) < 2:  # noqa: PLR2004 - no else
        return
    given = bound_in(bodies[0]["query"]) - variables(head.get("args"))
    for part in (head["assign"], *(one["expr"] for one in nodes(head["assign"], "NotExpr"))):
        yield from _lost(part, given, f"in the value of a rule with an else in line {head['span']['line']}",
                         "give what it finds a name in the body, by :=")
    if not head.get("args"):
        return
    for number, body in enumerate(bodies):
        value = ((body if number else head)["assign"] or {}).get("value")
        if value is None or (body is bodies[-1] and head["assign"]) or _is_stated(value, body["query"]):
            continue
        for what in missing(value, known):
            yield (f"makes the value of a function with an else of {what} in line {head['span']['line']}, which may be "
                   "missing: give it a name in the body, by :=")


def _faults_of_declarations(rule: Any) -> Iterator[str]:  # noqa: ANN401 - a syntax tree
    for one in nodes(rule, "AssignExpr"):
        if one["op"] == "ColEq" and any(True for kind in _LITERALS for _ in nodes(one["lhs"], kind)):
            yield f"assigns to a literal in line {one['span']['line']}: take it apart by names, and compare by =="
    declared = [(name, every, every["query"]) for every in nodes(rule, "Every") for name in every["names"]]
    declared += [(name, some, rule) for some in nodes(rule, "SomeVars") for name in some["names"]]
    for name, where, used in declared:
        if name != WILDCARD and name not in variables(used):
            yield f"declares {name} in line {where['span']['line']}, which nothing uses: write _, or leave it out"


def _lost(tree: object, names: set[str], where: str, remedy: str = "") -> Iterator[str]:
    """Give the names among these that stand in brackets, other than in a comprehension's body."""
    for index in _indexes(tree):
        for name in sorted(names & variables(index) if "Var" in index else ()):
            yield (f"looks up by {name} {where}, where one engine takes all there is: "
                   f"{remedy or f'give {name} another name before (other := {name}), and look up by that'}")


def _indexes(tree: object) -> Iterator[Any]:
    if isinstance(tree, list):
        for item in tree:
            yield from _indexes(item)
    elif isinstance(tree, dict) and not any(kind in tree for kind in _COMPREHENSIONS):
        yield from [tree["index"]] if "index" in tree else []
        for part in tree.values():
            yield from _indexes(part)


def _taken_apart(rule: Any) -> set[str]:  # noqa: ANN401 - a syntax tree
    """Return the names that only a list beside =, or a call's last argument, gives a value."""
    given = [side for one in nodes(rule, "AssignExpr") if one["op"] == "Eq" for side in (one["lhs"], one["rhs"])]
    apart = variables([side for side in given if any(kind in side for kind in _PATTERNS)])
    apart |= variables([call["params"][-1] for call in _statements(rule, "Call") if len(call["params"]) > 1])
    plain = [side for side in given if "Var" in side]
    plain += [one["lhs"] for one in nodes(rule, "AssignExpr") if one["op"] == "ColEq"]
    plain += [part for some in nodes(rule, "SomeIn") for part in (some["key"], some["value"])]
    return apart - variables([*plain, next(iter(rule["Spec"]["head"].values())).get("args")])


def _is_stated(value: object, query: Any) -> bool:  # noqa: ANN401 - a syntax tree
    return any(_bare(one["literal"].get("Expr", {}).get("expr")) == _bare(value) for one in query["stmts"])


def _statements(rule: object, kind: str) -> Iterator[Any]:
    return (one["expr"][kind] for one in nodes(rule, "Expr") if kind in one["expr"])


def _bare(tree: object) -> object:
    """Return a tree without the places its parts stand at."""
    if isinstance(tree, list):
        return [_bare(item) for item in tree]
    if isinstance(tree, dict):
        return {name: _bare(part) for name, part in tree.items() if name not in _PLACES}
    return tree
