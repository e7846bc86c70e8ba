"""Refuses what may be missing where regorus and OPA mean two things by it.

1. Under `not`: OPA looks up an argument first, and one that is missing makes `not f(data.x[input.y])` fail; regorus
   lets it hold, and would allow.
2. `in` as a value: with something missing it is undefined in OPA, false in regorus.
3. A rule's key or value, where its body goes through many: regorus ends at the first that is missing.

Never missing are literals, comprehensions, names of the rule's own, what every question holds (unless a `with`
replaces it), rules with a default, sets, tables, and what a builtin makes of these; max and min of
nothing are missing.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from policy_engine.adapters.names import WILDCARD, given_outside_indexes
from policy_engine.adapters.syntax import Path, chain, nodes, spelled_out
from policy_engine.domain.builtins import ALLOWED
from policy_engine.domain.bundle import TEST_SUFFIX
from policy_engine.domain.question import ATTRIBUTES

_REFERENCES = frozenset({"Var", "RefDot", "RefBrack"})
_NOTHING_OF_NOTHING = frozenset({"max", "min"})
_COMPREHENSIONS = frozenset({"ArrayCompr", "SetCompr", "ObjectCompr"})
_ASKED = frozenset({(), *((section,) for section in ATTRIBUTES),
                    *((section, name) for section, names in ATTRIBUTES.items() for name in names)})


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What is known around a rule: its own names, the rules that are never missing, and what a name means.

    `is_asked`: the input is the question, because no rule replaces it, or a section of it.
    """

    names: frozenset[str]
    certain: frozenset[Path]
    full: Callable[[str, Path], Path]
    is_asked: bool


def replaces_the_question(modules: Mapping[str, Any]) -> bool:
    """Tell whether `with` replaces the input, or a section of it, other than in a test."""
    chains = (chain(one["refr"]) for name, module in modules.items() if not name.endswith(TEST_SUFFIX)
              for replaced in nodes(module["rules"], "with_mods") for one in replaced)
    return any(root == "input" and len(steps) <= 1 for root, steps, _ in chains)


def faults_of_absences(rule: Any, known: Knowledge) -> Iterator[str]:  # noqa: ANN401 - a syntax tree
    """Give what is wrong with a rule, as the end of a sentence."""
    for negated in nodes(rule, "NotExpr"):
        for what in _missing_under_not(negated["expr"], known):
            yield (f"asks `not` of something with {what} in line {negated['span']['line']}, which may be missing: "
                   "give it a name before, by :=")
    statements = {id(one["expr"].get("Membership")) for kind in ("Expr", "NotExpr") for one in nodes(rule, kind)}
    for one in nodes(rule, "Membership"):
        for what in () if id(one) in statements else missing([one["key"], one["value"], one["collection"]], known):
            yield (f"uses `in` as a value with {what} in line {one['span']['line']}, which may be missing: "
                   "give it a name before, by :=")
    for made, query in _makings(rule):
        for what in missing(made, known) if _goes_through_many(rule, query) else ():
            yield f"makes a key or a value of {what}, which may be missing for some: give it a name in the body, by :="


def _missing_under_not(tree: dict[str, Any], known: Knowledge) -> Iterator[str]:
    """Give what may be missing inside; a reference itself may be, alone or as a side of == or =."""
    comparison = tree.get("BoolExpr") or tree.get("AssignExpr") or {}
    sides = [comparison["lhs"], comparison["rhs"]] if comparison.get("op") == "Eq" else [tree]
    for side in sides:
        if not _REFERENCES.isdisjoint(side):
            yield from missing(chain(side)[2], known)
        elif side is tree and "Call" in side:
            yield from missing(side["Call"]["params"], known)
        else:
            yield from missing(side, known)


def missing(tree: object, known: Knowledge) -> Iterator[str]:
    """Give what may be missing in an expression."""
    if isinstance(tree, list):
        for item in tree:
            yield from missing(item, known)
    elif isinstance(tree, dict) and _COMPREHENSIONS.isdisjoint(tree):
        root, steps, below = chain(tree)
        if root is not None:
            yield from () if _is_certain(root, steps, known) else [".".join((root, *spelled_out(steps)))]
            yield from missing(below, known)
        elif "Call" in tree:
            yield from _missing_of_call(tree["Call"], known)
        elif not _REFERENCES.isdisjoint(tree):
            yield "a part of a value"
        else:
            yield from missing([part for kind, part in tree.items() if kind != "span"], known)


def _missing_of_call(call: Any, known: Knowledge) -> Iterator[str]:  # noqa: ANN401 - a syntax tree
    root, steps, _ = chain(call["fcn"])
    name = ".".join((root or "", *spelled_out(steps)))
    if name not in ALLOWED or (name in _NOTHING_OF_NOTHING and not _has_members(call["params"])):
        yield f"{name}(...)"
    yield from missing(call["params"], known)


def _is_certain(root: str, steps: list[str | None], known: Knowledge) -> bool:
    path = spelled_out(steps)
    if root in known.names:
        return not steps
    if root == "input":
        return known.is_asked and path in _ASKED and len(path) == len(steps)
    return known.full(root, path) in known.certain and len(path) == len(steps)


def _has_members(params: list[Any]) -> bool:
    """Tell whether the only argument is a list or a set with something written in it."""
    return any(bool(params[0].get(kind, {}).get("items")) for kind in ("Array", "Set"))


def _makings(rule: Any) -> Iterator[tuple[Any, Any]]:  # noqa: ANN401 - a syntax tree
    """Give what a rule makes, its key and its value, with the query it makes it for."""
    if "Spec" not in rule:
        return
    head = next(iter(rule["Spec"]["head"].values()))
    made = [chain(head["refr"])[2], head.get("key"), (head.get("assign") or {}).get("value"), head.get("value")]
    for body in rule["Spec"]["bodies"]:
        yield ((body["assign"] or {}).get("value") if body["is_else"] else made), body["query"]


def _goes_through_many(rule: Any, query: Any) -> bool:  # noqa: ANN401 - syntax trees
    literals = [statement["literal"] for statement in query["stmts"]]
    if any("SomeIn" in literal or "SomeVars" in literal for literal in literals):
        return True
    given = given_outside_indexes(rule)
    indexes = (inner["index"] for inner in nodes(literals, "RefBrack"))
    names = {str(chain(index)[0]) for index in indexes if "Var" in index}
    return WILDCARD in names or not names <= given
