"""Refuses what regorus and OPA do not take the same way, and calls of functions that nobody defines.

1. A call is of a function of the bundle, or of one both engines agree on (`domain/builtins.py`).
2. `sprintf` has a literal format of `%v` and a literal array of as many values.
3. A rule's name varies in its last part only: of `p[x].q` regorus loses values.
4. `data` is read by name, and never a package of rules as if it were data: regorus finds it empty.
5. `with` replaces input or data, never a function.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from policy_engine.adapters.syntax import Path, chain, nodes, references, spelled_out
from policy_engine.domain.builtins import ALLOWED, COSTLY, DIFFERS
from policy_engine.domain.bundle import RefusedBundleError

_WHY = {**{name: f"on it the two engines differ: {why}" for name, why in DIFFERS.items()}, **COSTLY}
_UNKNOWN = "no file of the bundle defines it, and it is not among the functions that both engines answer alike"


def refuse_unsure(modules: Mapping[str, Any]) -> None:
    """Raise RefusedBundleError for the first construct that has not one meaning; modules are syntax trees by name."""
    packages = {_package(module) for module in modules.values()}
    functions = {path for module in modules.values() for path in _functions(module)}
    for name, module in modules.items():
        for why in _faults(module, packages, functions):
            raise RefusedBundleError(f"{name} {why}")


def _faults(module: Any, packages: set[Path], functions: set[Path]) -> Iterator[str]:  # noqa: ANN401 - a syntax tree
    package, aliases = _package(module), _aliases(module)
    for call in nodes(module["rules"], "Call"):
        yield from _faults_of_call(call, package, aliases, functions)
    for kind, head in _heads(module):
        if None in chain(head["refr"])[1][:-1]:
            yield "names a rule by a variable that is not its last part: name the parts"
        if kind == "Default" and head["args"]:
            yield "has a default of a function: give the function an else"
    for replaced in nodes(module["rules"], "with_mods"):
        if any(chain(one["refr"])[0] not in ("input", "data") for one in replaced):
            yield "replaces a function by `with`: only input and data can be replaced"
    for root, steps in references(module["rules"]):
        path = spelled_out(steps)
        if root == "data" and any(known[: len(path)] == path for known in packages):
            yield f"reads {'.'.join(('data', *path))} as a document: name the rule, or the table in data.json"


def _faults_of_call(call: Any, package: Path, aliases: Mapping[str, Path],  # noqa: ANN401 - a syntax tree
                    functions: set[Path]) -> Iterator[str]:
    root, steps, _ = chain(call["fcn"])
    called = (root or "", *spelled_out(steps))
    full = called[1:] if root == "data" else (*aliases.get(called[0], (*package, called[0])), *called[1:])
    name = ".".join(called)
    if full in functions:
        return
    if name not in ALLOWED:
        yield f"calls {name} in line {call['span']['line']}: {_WHY.get(name, _UNKNOWN)}"
    if name == "sprintf" and not _is_plain(call["params"]):
        yield "calls sprintf other than with a literal text of %v and a literal list of as many values"


def _is_plain(params: list[Any]) -> bool:
    match params:
        case [{"String": {"value": [*_, str(text)] | str(text)}}, {"Array": {"items": list(items)}}]:
            verbs = text.replace("%%", "")
            return verbs.count("%") == verbs.count("%v") == len(items)
    return False


def _functions(module: Any) -> Iterator[Path]:  # noqa: ANN401 - a syntax tree
    for kind, head in _heads(module):
        if kind == "Func":
            root, steps, _ = chain(head["refr"])
            yield (*_package(module), root or "", *spelled_out(steps))


def _heads(module: Any) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - a syntax tree
    """Give each rule's kind (Func, Set, Compr, Default) and its head."""
    for rule in module["rules"]:
        yield from (rule["Spec"]["head"] if "Spec" in rule else rule).items()


def _package(module: Any) -> Path:  # noqa: ANN401 - a syntax tree
    root, steps, _ = chain(module["package"]["refr"])
    return (root or "", *spelled_out(steps))


def _aliases(module: Any) -> dict[str, Path]:  # noqa: ANN401 - a syntax tree
    found = {}
    for imported in module["imports"]:
        root, steps, _ = chain(imported["refr"])
        path = spelled_out(steps)
        if root == "data" and path:
            found[imported["alias"] or path[-1]] = path
    return found
