"""Refuses what regorus and OPA do not take the same way, and calls of functions that nobody defines.

1. A call is of a function of the bundle, or of one both engines agree on (`domain/builtins.py`), with its arguments.
2. `sprintf` has a literal format of `%v` and a literal array of as many values.
3. A rule's name varies in its last part only: of `p[x].q` regorus loses values.
4. `data` is read by name, and never a package of rules as if it were data: regorus finds it empty.
5. `with` replaces input or data, never a function.
6. Every name has a value (`names.py`), and a function is called, never read.
7. An import is of data, of input, or of a keyword both engines know, and of two imports none hides the other.
8. What may be missing (`absences.py`), values and patterns of two readings (`patterns.py`), and what depends on where
   it stands (`scopes.py`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from policy_engine.adapters.absences import Knowledge, faults_of_absences, replaces_the_question
from policy_engine.adapters.definitions import always_there, definitions, refuse_conflicts
from policy_engine.adapters.names import WILDCARD, given_values, named_in, uses_of
from policy_engine.adapters.patterns import (
    faults_of_patterns,
    faults_of_tables,
    faults_of_values,
    faults_of_with,
    possibly_empty,
)
from policy_engine.adapters.scopes import faults_of_scopes
from policy_engine.adapters.syntax import Path, chain, module_path, nodes, references, spelled_out
from policy_engine.domain.builtins import ALLOWED, ARITY, COSTLY, DIFFERS
from policy_engine.domain.bundle import RefusedBundleError

_WHY = {**{name: f"on it the two engines differ: {why}" for name, why in DIFFERS.items()}, **COSTLY}
_UNKNOWN = "no file of the bundle defines it, and it is not among the functions that both engines answer alike"
_ROOTS = frozenset({"input", "data"})
_LANGUAGE = frozenset({("rego", "v1"), ("future", "keywords"), *(
    ("future", "keywords", word) for word in ("contains", "every", "if", "in"))})


@dataclass(frozen=True, slots=True)
class _Surroundings:
    """What the rules of a file can refer to: packages, functions with their arity, all rules, and its own imports."""

    package: Path
    packages: set[Path]
    functions: Mapping[Path, int]
    rules: set[Path]
    aliases: Mapping[str, Path]
    imported: frozenset[str]
    certain: frozenset[Path]
    possibly_empty: frozenset[Path]
    is_asked: bool

    @property
    def own(self) -> set[str]:
        """The first words of the rules of this file's package."""
        length = len(self.package)
        return {path[length] for path in self.rules if path[:length] == self.package and len(path) > length}


def refuse_unsure(modules: Mapping[str, Any]) -> None:
    """Raise RefusedBundleError for the first construct that has not one meaning; modules are syntax trees by name."""
    packages = {module_path(module) for module in modules.values()}
    found = definitions(modules)
    refuse_conflicts(found, packages)
    functions = {one.path: one.arity for one in found if one.arity is not None}
    is_asked = not replaces_the_question(modules)
    for name, module in modules.items():
        package = module_path(module)
        imported = frozenset(_imported(one)[0] for one in module["imports"])
        around = _Surroundings(package, packages, functions, {one.path for one in found}, _aliases(module), imported,
                               always_there(found), possibly_empty(modules), is_asked)
        for why in _faults(module, around):
            raise RefusedBundleError(f"{name} {why}")


def _faults(module: Any, around: _Surroundings) -> Iterator[str]:  # noqa: ANN401 - a syntax tree
    yield from _faults_of_imports(module["imports"])
    alone = {id(one["expr"].get("Call")) for kind in ("Expr", "NotExpr") for one in nodes(module["rules"], kind)}
    for call in nodes(module["rules"], "Call"):
        yield from _faults_of_call(call, around, is_statement=id(call) in alone)
    for kind, head in _heads(module):
        yield from _faults_of_head(kind, head)
    for replaced in nodes(module["rules"], "with_mods"):
        if any(chain(one["refr"])[0] not in _ROOTS for one in replaced):
            yield "replaces a function by `with`: only input and data can be replaced"
    for root, steps in references(module["rules"]):
        path = spelled_out(steps)
        if root == "data" and any(known[: len(path)] == path for known in around.packages):
            yield f"reads {'.'.join(('data', *path))} as a document: name the rule, or the table in data.json"
    yield from _faults_of_expressions(module["rules"])
    yield from faults_of_values(module["rules"])
    yield from faults_of_patterns(module["rules"])
    yield from faults_of_with(module["rules"], around.own)
    for rule in module["rules"]:
        yield from _faults_of_names(rule, around)


def _faults_of_head(kind: str, head: Any) -> Iterator[str]:  # noqa: ANN401 - a syntax tree
    root, steps, _ = chain(head["refr"])
    yield from faults_of_tables(head)
    if None in steps[:-1]:
        yield "names a rule by a variable that is not its last part: name the parts"
    if kind == "Default" and head["args"]:
        yield "has a default of a function: give the function an else"
    if root == "contains":
        yield f"names a rule contains in line {head['span']['line']}: that is a word of the language, rename it"
    if "contains" not in head.get("after_name", "contains"):
        yield f"adds to a set by brackets in line {head['span']['line']}: write {root} contains ..."


def _faults_of_imports(imports: Any) -> Iterator[str]:  # noqa: ANN401 - a syntax tree
    seen: set[str] = set()
    for imported in imports:
        name, path = _imported(imported)
        line = imported["span"]["line"]
        if path[0] not in _ROOTS and path not in _LANGUAGE:
            yield f"imports {'.'.join(path)} in line {line}: only data, input, rego.v1 and future.keywords can be"
        if path[0] in _ROOTS and len(path) > 1 and name in (*_ROOTS, *seen):
            yield f"imports {name} in line {line}, which has another meaning already: import it `as` something else"
        seen.add(name)


def _faults_of_names(rule: Any, around: _Surroundings) -> Iterator[str]:  # noqa: ANN401 - a syntax tree
    uses = uses_of(rule)
    given = given_values(rule, uses)
    for use in uses:
        if use.name == WILDCARD and not use.binds:
            yield f"uses _ in line {use.line}, where nothing gives it a value: name what is meant"
        elif use.name not in given | around.own | around.imported | _ROOTS:
            yield f"uses {use.name} in line {use.line}, which nothing gives a value: define it, or correct its name"
        elif use.name not in given and any(
                around.functions.keys() & _prefixes(_full(use.name, use.steps, around))):
            yield f"reads the function {use.name} in line {use.line}: call it"
        elif use.name not in given and _full(use.name, use.steps, around) in around.possibly_empty:
            yield (f"reads {'.'.join((use.name, *use.steps))} in line {use.line} as a whole, though nothing may stand "
                   "below it: name what is meant")
    for some in nodes(rule, "SomeVars"):
        for name in sorted((named_in(rule) | around.own | around.imported).intersection(some["names"]) - {WILDCARD}):
            yield f"declares {name} in line {some['span']['line']}, which has a meaning already: rename it"
    known = Knowledge(frozenset(given), around.certain, lambda root, steps: _full(root, steps, around),
                      around.is_asked)
    yield from faults_of_absences(rule, known)
    yield from faults_of_scopes(rule, known)


def _faults_of_expressions(rules: Any) -> Iterator[str]:  # noqa: ANN401 - a syntax tree
    for negated in nodes(rules, "NotExpr"):
        if negated["expr"].get("AssignExpr", {}).get("op") == "ColEq":
            yield f"assigns under `not` in line {negated['span']['line']}: compare with =="
    for unary in nodes(rules, "UnaryExpr"):
        if "UnaryExpr" in unary["expr"] or unary["expr"].get("Number", {}).get("value", 0) < 0:
            yield f"has two signs in line {unary['span']['line']}: write one"
    for statements in nodes(rules, "stmts"):
        seen = set(_ROOTS)
        for some in (one["literal"]["SomeVars"] for one in statements if "SomeVars" in one["literal"]):
            for name in some["names"]:
                if name in seen:
                    yield f"declares {name} in line {some['span']['line']}, which has a meaning already: rename it"
                seen.add(name)


def _faults_of_call(call: Any, around: _Surroundings, *, is_statement: bool) -> Iterator[str]:  # noqa: ANN401 - a tree
    root, steps, _ = chain(call["fcn"])
    called = (root or "", *spelled_out(steps))
    name, line, given = ".".join(called), call["span"]["line"], len(call["params"])
    full = _full(called[0], called[1:], around)
    taken = around.functions.get(full, ARITY.get(name))
    if full not in around.functions and name not in ALLOWED:
        yield f"calls {name} in line {line}: {_WHY.get(name, _UNKNOWN)}"
    if taken != given and not (is_statement and taken == given - 1):  # the result may be its last argument
        yield f"calls {name} in line {line} with {given} arguments: it takes {taken}"
    if full not in around.functions and name == "sprintf" and not _is_plain(call["params"]):
        yield "calls sprintf other than with a literal text of %v and a literal list of as many values"


def _full(root: str, steps: Path, around: _Surroundings) -> Path:
    """Return the path below data that a reference means."""
    return steps if root == "data" else (*around.aliases.get(root, (*around.package, root)), *steps)


def _prefixes(path: Path) -> set[Path]:
    return {path[:length] for length in range(1, len(path) + 1)}


def _is_plain(params: list[Any]) -> bool:
    match params:
        case [{"String": {"value": [*_, str(text)] | str(text)}}, {"Array": {"items": list(items)}}]:
            verbs = text.replace("%%", "")
            return verbs.count("%") == verbs.count("%v") == len(items)
    return False


def _heads(module: Any) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - a syntax tree
    """Give each rule's kind (Func, Set, Compr, Default) and its head."""
    for rule in module["rules"]:
        yield from (rule["Spec"]["head"] if "Spec" in rule else rule).items()


def _imported(imported: Any) -> tuple[str, Path]:  # noqa: ANN401 - a syntax tree
    """Return the name an import gives, and the path it names."""
    root, steps, _ = chain(imported["refr"])
    path = (root or "", *spelled_out(steps))
    return imported["alias"] or path[-1], path


def _aliases(module: Any) -> dict[str, Path]:  # noqa: ANN401 - a syntax tree
    found = {}
    for imported in module["imports"]:
        root, steps, _ = chain(imported["refr"])
        path = spelled_out(steps)
        if root == "data" and path:
            found[imported["alias"] or path[-1]] = path
    return found
