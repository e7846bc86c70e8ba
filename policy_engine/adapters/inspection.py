"""What a bundle must not contain, found before any engine compiles it.

1. Brackets nested deeper than 10: regorus parses in time exponential in the depth (16 levels take seconds); and a
   hundred signs in a row, each of which takes a piece of its stack until the process ends.
2. Builtins that reach outside the decision, by any way of naming them: the network, the environment, the clock, chance,
   the log.
3. Annotations that make OPA do more than regorus (`annotations.py`).
4. Rules that depend on themselves: OPA refuses them, regorus would end the process by overflowing its stack.
5. What the two engines do not take the same way (`constructs.py`, `definitions.py`).
"""

import json
import re
from collections import deque
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from policy_engine.adapters.annotations import refuse_instructions
from policy_engine.adapters.constructs import refuse_unsure
from policy_engine.adapters.patterns import refuse_doubtful_data
from policy_engine.adapters.strays import refuse_strays
from policy_engine.adapters.syntax import module_path, nodes
from policy_engine.domain.bundle import DATA_FILE, Bundle, RefusedBundleError

MAX_NESTING = 10
DANGEROUS: Mapping[str, str] = {
    "http.send": "it sends requests from inside a decision; bring the fact in data.json or in the question",
    "net.lookup_ip_addr": "it asks name servers from inside a decision; compare addresses with net.cidr_contains",
    "opa.runtime": "it reveals the environment of the process; put what the policy needs to know into data.json",
    "rego.parse_module": "it reads policy text from data; write the rules into the bundle",
    "time.now_ns": "a decision must be repeatable; the time comes with the question (input.context.hour_utc)",
    "rand.intn": "a decision must not depend on chance; decide by what the question holds",
    "uuid.rfc4122": "a decision must not depend on chance; decide by what the question holds",
    "trace": "it writes what the question holds to a log; remove it, and ask `gridwarden policy explain`",
    "print": "it writes what the question holds to a log; remove it, and ask `gridwarden policy explain`",
}
Path = tuple[str, ...]
_COMMENT = re.compile(r"#[^\n]*")
_SIGNS = re.compile(r"-(?:\s*-){100}")


def inspect_bundle(bundle: Bundle) -> None:
    """Raise RefusedBundleError for the first thing in a bundle that must not be there."""
    refuse_doubtful_data(bundle.files.get(DATA_FILE, b""))
    refuse_strays(bundle, inspect(bundle.policies))


def inspect(policies: Mapping[str, str]) -> frozenset[Path]:
    """Return the packages; raise RefusedBundleError for the first thing found that must not be there."""
    for name, text in policies.items():
        _refuse_depth(name, text)
    refuse_instructions(policies)
    try:
        modules = {name: _parse(name, text) for name, text in policies.items()}
        _inspect_trees(modules)
    except RecursionError as cause:
        raise RefusedBundleError("an expression in it is too long to be followed: name its parts") from cause
    return frozenset(module_path(module) for module in modules.values())


def _inspect_trees(modules: Mapping[str, Any]) -> None:
    for name, module in modules.items():
        _refuse_dangerous(name, module)
    _refuse_recursion(list(modules.values()))
    refuse_unsure(modules)


def packages(policies: Mapping[str, str]) -> frozenset[str]:
    """Return the packages that these policies make up; raise RefusedBundleError for one that does not parse."""
    for name, text in policies.items():
        _refuse_depth(name, text)
    return frozenset(".".join(_path(_parse(name, text)["package"]["refr"])) for name, text in policies.items())


def by_package(policies: Mapping[str, str]) -> dict[str, str]:
    """Return one text a package: an OPA server takes one module at a time and needs each to compile alone."""
    found: dict[str, str] = {}
    for name, text in policies.items():
        package = _parse(name, text)["package"]
        opening = ".".join(_path(package["refr"]))
        rest = text.encode()[package["span"]["end"]:].decode()
        found[opening] = found.get(opening, f"package {opening}\n") + rest + "\n"
    return found


def first_line(error: BaseException) -> str:
    """Return what an engine complains of, without its stack."""
    lines = str(error).partition("Stack backtrace")[0].split("\n")
    told = [line.removeprefix("error: ").strip() for line in lines if line.startswith(("-->", "error:"))]
    return "; ".join(told) or next((line for line in lines if line.strip()), type(error).__name__)


def _refuse_depth(name: str, text: str) -> None:
    if _SIGNS.search(_COMMENT.sub("", text)):
        raise RefusedBundleError(f"{name} has a hundred signs in a row: write one")
    depth = 0
    for char in text:
        depth += (char in "([{") - (char in ")]}")
        if depth > MAX_NESTING:
            raise RefusedBundleError(f"{name} nests brackets deeper than {MAX_NESTING}: name the inner parts")


def _parse(name: str, text: str) -> Any:  # noqa: ANN401 - a syntax tree as JSON
    import regorus

    engine = regorus.Engine()
    try:
        engine.add_policy(name, text)
        module = json.loads(engine.get_ast_as_json())[0]["ast"]
    except (RuntimeError, RecursionError, ValueError, LookupError) as cause:
        raise RefusedBundleError(f"{name} does not parse: {first_line(cause)}") from cause
    _spell_out(module, text.encode())
    return module


def _spell_out(module: Any, text: bytes) -> None:  # noqa: ANN401 - a syntax tree as JSON
    """Put into the tree the words of which regorus tells only where they stand."""
    def at(start: int, end: int) -> str:
        return text[start:end].decode()
    for imported in module["imports"]:
        span = imported.get("as")
        imported["alias"] = at(span["start"], span["end"]) if span else None
    for number in nodes(module, "Number"):
        number["text"] = at(number["span"]["start"], number["span"]["end"])
    for every in nodes(module["rules"], "Every"):
        every["names"] = [at(span["start"], span["end"]) for span in (every["key"], every["value"]) if span]
    for some in nodes(module["rules"], "SomeVars"):
        some["names"] = [at(span["start"], span["end"]) for span in some["vars"]]
    for head in nodes(module["rules"], "Set"):
        if "key" in head:
            key = next(iter(head["key"].values()))["span"]
            head["after_name"] = at(next(iter(head["refr"].values()))["span"]["end"], key["start"])


def _refuse_dangerous(name: str, module: object) -> None:
    for path, line in _placed(module):
        for length in (1, 2):
            if danger := DANGEROUS.get(".".join(path[:length])):
                raise RefusedBundleError(f"{name}, line {line}, uses {'.'.join(path[:length])}: {danger}")


def _refuse_recursion(modules: list[Any]) -> None:
    rules: dict[Path, set[Path]] = {}
    for module in modules:
        package = ("data", *_path(module["package"]["refr"]))
        aliases = dict(_aliases(module))
        for rule in module["rules"]:
            name = (*package, _head(rule))
            rules.setdefault(name, set()).update(
                aliases.get(path[0], (*package, path[0])) + path[1:] if path[0] != "data" else path
                for path in islice(_references(rule), 1, None)
            )
    graph = {name: _targets(paths, rules) for name, paths in rules.items()}
    for name in graph:
        if name in _reachable(graph, name):
            raise RefusedBundleError(f"the rule {'.'.join(name)} depends on itself")


def _targets(paths: set[Path], rules: Mapping[Path, object]) -> set[Path]:
    """Return the rules these paths may mean: a path shorter than a rule's name means all the rules below it."""
    return {rule for path in paths for rule in rules if rule[: len(path)] == path[: len(rule)] and len(path) > 1}


def _reachable(graph: Mapping[Path, set[Path]], start: Path) -> set[Path]:
    seen: set[Path] = set()
    waiting = deque(graph[start])
    while waiting:
        name = waiting.popleft()
        if name not in seen:
            seen.add(name)
            waiting.extend(graph[name])
    return seen


def _aliases(module: Any) -> Iterator[tuple[str, Path]]:  # noqa: ANN401 - a syntax tree as JSON
    for imported in module["imports"]:
        path = _path(imported["refr"])
        if path:
            yield imported["alias"] or path[-1], path


def _head(rule: Any) -> str:  # noqa: ANN401 - a syntax tree as JSON
    """Return the first word of a rule's name."""
    for path in _references(rule):
        return path[0]
    raise RefusedBundleError("a rule has no name")


def _references(node: object) -> Iterator[Path]:
    """Give every reference below `node` as the path it spells, in source order, up to its first variable part."""
    return (path for path, _ in _placed(node))


def _placed(node: object) -> Iterator[tuple[Path, int]]:
    """Give the same, each with the line it stands in."""
    if isinstance(node, list):
        for item in node:
            yield from _placed(item)
        return
    if not isinstance(node, dict):
        return
    path = _path(node)
    if path:
        yield path, next(iter(node.values()))["span"]["line"]
    for part in _indexes(node) if path else (value for key, value in node.items() if key != "span"):
        yield from _placed(part)


def _indexes(node: Any) -> list[Any]:  # noqa: ANN401 - a syntax tree as JSON
    """Return what stands in the brackets of a reference: those are references of their own."""
    found = []
    while isinstance(node, dict) and (inner := node.get("RefDot") or node.get("RefBrack")):
        found.append(inner.get("index"))
        node = inner["refr"]
    return found


def _path(node: Any) -> Path:  # noqa: ANN401 - a syntax tree as JSON
    """Return the path a reference spells: `http.send` and `http["send"]` are one."""
    if "Var" in node:
        return (_spelled(node["Var"]["value"]),)
    if "RefDot" in node:
        return (*_path(node["RefDot"]["refr"]), _spelled(node["RefDot"]["field"]))
    if "RefBrack" in node:
        inner, index = _path(node["RefBrack"]["refr"]), node["RefBrack"]["index"]
        return (*inner, index["String"]["value"]) if inner and "String" in index else inner
    return ()


def _spelled(part: Any) -> str:  # noqa: ANN401 - a syntax tree as JSON
    """Return a name, which the tree holds bare or as (span, name)."""
    return str(part[-1] if isinstance(part, list) else part)
