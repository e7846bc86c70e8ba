"""What a bundle defines, over all of its files, and what OPA does not let it define: regorus takes the first it meets.

1. One default a rule, and its value is a constant.
2. Under one name either one value, or one set, or one function of one arity; nothing, and no package, stands below it.
3. A function takes arguments, which are names and literals, and none of them hides input or data.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from policy_engine.adapters.syntax import Path, chain, module_path, spelled_out
from policy_engine.domain.bundle import RefusedBundleError

_SHAPES = {"Func": "a function", "Set": "a set", "Compr": "a value", "Default": "a value"}
_FUNCTION = _SHAPES["Func"]
_TABLE = "a table"
_COMPUTED = frozenset({"Var", "RefDot", "RefBrack", "Call", "BinExpr", "BoolExpr", "ArithExpr", "Membership"})
_COMPREHENSIONS = frozenset({"ArrayCompr", "SetCompr", "ObjectCompr"})
_ROOTS = frozenset({"input", "data"})


@dataclass(frozen=True, slots=True)
class Definition:
    """One head of a rule; `path` begins with its package and ends before the first part that varies."""

    path: Path
    shape: str
    place: str
    is_default: bool
    content: Any

    @property
    def arity(self) -> int | None:
        """How many arguments it takes; None: it is no function."""
        return len(self.content["args"]) if self.shape == _FUNCTION else None


def definitions(modules: Mapping[str, Any]) -> list[Definition]:
    """Return every head of every rule, in the order of the files."""
    return [_definition(name, module_path(module), kind, content)
            for name, module in modules.items() for rule in module["rules"]
            for kind, content in (rule["Spec"]["head"] if "Spec" in rule else rule).items()]


def always_there(found: Iterable[Definition]) -> frozenset[Path]:
    """Return the rules that always have a value: sets, tables, and those with a default."""
    return frozenset(one.path for one in found if one.is_default or one.shape in (_SHAPES["Set"], _TABLE))


def refuse_conflicts(found: Iterable[Definition], packages: Iterable[Path]) -> None:
    """Raise RefusedBundleError for the first definition that OPA would not take beside the others."""
    first: dict[Path, Definition] = {}
    defaults: dict[Path, Definition] = {}
    for one in found:
        for why in (*_faults(one), *_conflicts(one, first.setdefault(one.path, one))):
            raise RefusedBundleError(f"{one.place}, {why}")
        if one.is_default and (known := defaults.setdefault(one.path, one)) is not one:
            raise RefusedBundleError(f"{one.place}, gives {_spelled(one.path)} a second default beside the one in "
                                     f"{known.place}: keep one")
    for path, place in (*((one.path, one.place) for one in first.values()), *((path, None) for path in packages)):
        for length in range(1, len(path) + (place is None)):
            above = first.get(path[:length])
            if above and above.shape != _TABLE:
                below = f"the rule {_spelled(path)} in {place}" if place else f"the package {'.'.join(path)}"
                raise RefusedBundleError(f"{above.place}, defines {_spelled(above.path)}, and {below} stands below it: "
                                         "rename one of them")


def _definition(name: str, package: Path, kind: str, content: Any) -> Definition:  # noqa: ANN401 - a syntax tree
    root, steps, _ = chain(content["refr"])
    path = (*package, root or "", *spelled_out(steps))
    shape = _TABLE if None in steps else _FUNCTION if content.get("args") else _SHAPES[kind]
    return Definition(path, shape, f"{name}, line {content['span']['line']}", kind == "Default", content)


def _conflicts(one: Definition, known: Definition) -> Iterator[str]:
    if one.shape != known.shape:
        yield (f"defines {_spelled(one.path)} as {one.shape}, which {known.place}, defines as {known.shape}: "
               "rename one of them")
    elif one.arity != known.arity:
        yield (f"defines {_spelled(one.path)} with {one.arity} arguments, which {known.place}, defines with "
               f"{known.arity}: rename one of them")


def _faults(one: Definition) -> Iterator[str]:
    if one.arity == 0:
        yield f"defines {_spelled(one.path)} without arguments: write it as a rule, without the brackets"
    for argument in one.content["args"] if one.arity else ():
        if _computes(argument, _COMPUTED - {"Var"}):
            yield f"computes an argument in the head of {_spelled(one.path)}: name it there, compare it in the body"
        if chain(argument)[0] in _ROOTS:
            yield f"names an argument of {_spelled(one.path)} {chain(argument)[0]}: give it a name of its own"
    if one.is_default and _computes(one.content["value"], _COMPUTED):
        yield f"computes the default of {_spelled(one.path)}: a default is a constant"


def _computes(tree: object, computed: frozenset[str]) -> bool:
    if isinstance(tree, list):
        return any(_computes(item, computed) for item in tree)
    if not isinstance(tree, dict) or not _COMPREHENSIONS.isdisjoint(tree):
        return False
    return not computed.isdisjoint(tree) or any(_computes(part, computed) for part in tree.values())


def _spelled(path: Path) -> str:
    return ".".join(("data", *path))
