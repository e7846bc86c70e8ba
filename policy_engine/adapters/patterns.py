"""Refuses values, patterns and rules that regorus and OPA read in two ways; each is the end of a sentence.

1. Numbers are whole, of at most 15 digits: OPA reckons in decimals without end, regorus in binary fractions. One is
   divided by another only inside `round`.
2. A pattern with an object (`{"a": x} = y`, an argument): OPA wants the same keys, regorus these among others.
3. `with` takes the value of a rule in OPA, and in regorus nothing.
4. A table of sets (`p[x] contains y`), or names below a name (`p.a := 1 if ...`) read as a whole: without anything in
   it, it is empty in OPA, missing in regorus.
5. Sets are less than objects in regorus, greater in OPA: neither is compared by `<`.
6. An IPv4 network written as IPv6: IPv4 addresses are in it in OPA, not in regorus.

The same numbers and addresses are refused in data.json.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from policy_engine.adapters.syntax import Path, chain, module_path, nodes, spelled_out
from policy_engine.domain.bundle import DATA_FILE, RefusedBundleError

_WHOLE = re.compile(r"-?\d{1,15}")
_DIVIDED = "Div"
_ORDERED = frozenset({"Lt", "Le", "Gt", "Ge"})
_COLLECTIONS = frozenset({"Set", "Object", "SetCompr", "ObjectCompr", "BinExpr"})
_NUMBERS = re.compile(r'"(?:[^"\\]++|\\.)*+"|(?P<odd>-?(?:\d+[.eE][0-9.eE+-]*|\d{16,}))|-?\d+')
"""Texts, to pass over them; numbers that are not whole or have more than 15 digits; other numbers."""
_MAPPED = re.compile(r"(?i)(?:^|[^0-9a-f:])[0:]*:ffff:(?:\d+\.|[0-9a-f]{1,4}:[0-9a-f]{1,4}(?![0-9a-f:]))")


def refuse_doubtful_data(raw: bytes) -> None:
    """Raise RefusedBundleError for a number or an address in data.json that engines read differently."""
    text = raw.decode()
    for found in _NUMBERS.finditer(text):
        if found["odd"]:
            raise RefusedBundleError(f"{DATA_FILE} holds the number {found['odd'][:40]}: with others than whole "
                                     "numbers of at most 15 digits engines differ; write thousandths if need be")
    if address := _MAPPED.search(text):
        raise RefusedBundleError(f"{DATA_FILE} holds an IPv4 address written as IPv6 ({address[0][1:40]}): write it "
                                 "as IPv4")


def faults_of_values(rules: Any) -> Iterator[str]:  # noqa: ANN401 - a syntax tree
    """Give what is wrong with literals and what is reckoned with them."""
    for number in nodes(rules, "Number"):
        if not _WHOLE.fullmatch(number["text"]):
            yield (f"writes the number {number['text'][:40]} in line {number['span']['line']}: write whole numbers of "
                   "at most 15 digits, thousandths if need be")
    rounded = {id(call["params"][0].get("ArithExpr")) for call in nodes(rules, "Call")
               if chain(call["fcn"])[0] == "round" and call["params"]}
    for reckoned in nodes(rules, "ArithExpr"):
        if reckoned["op"] == _DIVIDED and id(reckoned) not in rounded:
            yield f"divides in line {reckoned['span']['line']}: write round(a / b), or multiply"
    for compared in nodes(rules, "BoolExpr"):
        if compared["op"] in _ORDERED and not _COLLECTIONS.isdisjoint({*compared["lhs"], *compared["rhs"]}):
            yield f"puts a set or an object in order in line {compared['span']['line']}: compare their counts, or parts"
    for kind in ("String", "RawString"):
        for text in nodes(rules, kind):
            if _MAPPED.search(str(text["value"])):
                yield f"writes an IPv4 address as IPv6 in line {text['span']['line']}: write it as IPv4"


def faults_of_patterns(rules: Any) -> Iterator[str]:  # noqa: ANN401 - a syntax tree
    """Give the objects in patterns."""
    patterns = [each for some in nodes(rules, "SomeIn") for each in (some["key"], some["value"])]
    patterns += [function["args"] for function in nodes(rules, "Func")]
    for one in nodes(rules, "AssignExpr"):
        patterns += [side for side in (one["lhs"], one["rhs"])[: 2 if one["op"] == "Eq" else 1] if _holds_names(side)]
    for found in nodes(patterns, "Object"):
        if found["fields"]:
            yield f"takes an object apart by a pattern in line {found['span']['line']}: look its members up by name"


def faults_of_with(rules: Any, names: Iterable[str]) -> Iterator[str]:  # noqa: ANN401 - a syntax tree
    """Give each `with` whose value is made by a rule; `names` are those of rules and imports."""
    known = frozenset(names)
    for replaced in nodes(rules, "with_mods"):
        for one in replaced:
            if known.intersection(_roots(one["as"])):
                yield f"replaces by `with` in line {one['span']['line']} by the value of a rule: give it a name before"


def faults_of_tables(head: Any) -> Iterator[str]:  # noqa: ANN401 - a syntax tree
    """Give a set that is named by a variable."""
    if "key" in head and None in chain(head["refr"])[1]:
        yield (f"adds to a table of sets in line {head['span']['line']}: write p[x] := {{y | ...}}, "
               "for each x that has any")


def possibly_empty(modules: Mapping[str, Any]) -> frozenset[Path]:
    """Return the paths below which every rule has a condition and is written with its name's dots."""
    doubtful: set[Path] = set()
    safe: set[Path] = set()
    for module in modules.values():
        for rule in module["rules"]:
            path, is_safe = _standing(rule, module_path(module))
            (safe if is_safe else doubtful).update(path[:length] for length in range(1, len(path)))
    return frozenset(doubtful - safe)


def _standing(rule: Any, package: Path) -> tuple[Path, bool]:  # noqa: ANN401 - a syntax tree
    """Return a rule's path, and whether what it stands below is there without it."""
    kind, head = next(iter((rule["Spec"]["head"] if "Spec" in rule else rule).items()))
    root, steps, _ = chain(head["refr"])
    own = (root or "", *spelled_out(steps))
    is_safe = ("Spec" not in rule or not rule["Spec"]["bodies"] or kind != "Compr" or None in steps
               or (len(steps) == 1 and "RefBrack" in head["refr"]))
    return (*package, *own), is_safe or len(steps) == 0


def _holds_names(tree: object) -> bool:
    return any(True for _ in nodes(tree, "Var"))


def _roots(tree: object) -> Iterator[str]:
    for variable in nodes(tree, "Var"):
        yield str(chain({"Var": variable})[0])
