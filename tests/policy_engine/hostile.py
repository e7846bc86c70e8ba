"""Arguments nobody would give a function of Rego, and some that its declared types want."""

import json
import random
import subprocess
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from tests.servers.opa import opa_binary

_TEXTS = (
    "", "a", "b", "abc", "a.b", "ABC", "\u00e9", "\u00df", "\u0130", "\ufb01", "\u03a3\u03c2", "e\u0301",
    "\u00a0a\u2003",
    "\0", "\t a\n", "<&>", '"q"', "\\", " a ", "10.0.0.0/8", "10.1.2.3", "::1", "2001:db8::1", "2001:db8::/32",
    "010.0.0.1", "not-an-ip", "%s", "[", "*", "1.2.3", "1.2.3-rc1", "v1.2.3", "1.2", "{}", "[1]", '{"a": 1}',
    "aGVsbG8=",
    "aGVsbG8", "61", "6", "0x10", "1e3", " 1", "01", "-0", "NaN", "true", "2020-01-01T00:00:00Z",
    "2020-13-01T00:00:00Z",
    "1h", "a,b", ",", ".", "/",
)
_NUMBERS = (0, 1, -1, 2, 3, 10, 100, 2**53 + 1, 12345678901234567890)
_LISTS: tuple[list[Any], ...] = (
    [], [1], [1, 2, 3], [3, 1, 2], ["a"], ["a", "b"], ["a", 1], [["a", "b"], ["c"]], [None], [True, False],
    ["10.0.0.0/8", "10.1.0.0/16"], ["b", "a", "B", "\u00e9"], [None, True, 1, "a", [], {}],
    [{"a": 1}, {"a": 2, "b": 3}],
)
_OBJECTS: tuple[dict[str, Any], ...] = (
    {}, {"a": 1}, {"a": {"b": 1}}, {"b": 2, "a": "x"}, {"a": [1, 2]}, {"1": 1}, {"a": None, "\u00e9": "<"},
)
_ANY: tuple[Any, ...] = (None, True, False, *_TEXTS, *_NUMBERS, *_LISTS, *_OBJECTS)
_OF: dict[str, tuple[Any, ...]] = {
    "string": _TEXTS, "number": _NUMBERS, "boolean": (True, False), "array": _LISTS, "object": _OBJECTS,
    "set": tuple({"members": members} for members in _LISTS),
}
_WRONG_TYPE_ODDS = 0.25


def arguments(name: str) -> tuple[int, Callable[[random.Random], list[Any]]]:
    """Return how many arguments a function takes, and what draws them: mostly of the types OPA declares."""
    declared = _declared()[name]
    return len(declared), lambda chance: [_drawn(kind, chance) for kind in declared]


def _drawn(kind: dict[str, Any], chance: random.Random) -> Any:
    if chance.random() < _WRONG_TYPE_ODDS:
        return chance.choice(_ANY)
    if kind.get("of") and kind["type"] == "any":
        return _drawn(chance.choice(kind["of"]), chance)
    return chance.choice(_OF.get(kind["type"], _ANY))


@lru_cache(maxsize=1)
def _declared() -> dict[str, list[dict[str, Any]]]:
    told = subprocess.run([str(opa_binary()), "capabilities", "--current"], capture_output=True, text=True, check=True)
    return {builtin["name"]: builtin["decl"].get("args") or [] for builtin in json.loads(told.stdout)["builtins"]}
