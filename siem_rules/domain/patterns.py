"""The leaves of a condition: one question about one field, as a closure over a View.

Strings compare without case unless `cased`; regular expressions run in RE2 (linear time) and are searched, not
anchored; what only a backtracking engine can match (look-around, back-references) is refused when the rule loads.
"""

import ipaddress
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import re2
from ahocorasick_rs import AhoCorasick

from siem_rules.domain.errors import RuleRefusedError
from siem_rules.domain.view import View

Test = Callable[[View], bool]
Predicate = Callable[[str], bool]
WORTH_AN_AUTOMATON = 12


def compile_re2(pattern: str) -> Callable[[str], Any]:
    """Return the `search` of an RE2 pattern; refuse what RE2 cannot run."""
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options).search  # type: ignore[no-any-return]  # re2 ships no types
    except re2.error as cause:
        why = cause.args[0].decode() if cause.args and isinstance(cause.args[0], bytes) else str(cause)
        raise RuleRefusedError(
            f"the regular expression {pattern[:80]!r} does not run in linear time under RE2 ({why}): "
            "rewrite it without look-around, back-references or large repetitions",
        ) from cause


def equals(field: str, literals: frozenset[str]) -> Test:
    """One of the values is one of the literals."""

    def test(view: View) -> bool:
        text = view.text(field)
        if text.__class__ is str:
            return text in literals
        return text is not None and not literals.isdisjoint(text)

    return test


def satisfies(field: str, predicate: Predicate) -> Test:
    """One of the values, in lower case, satisfies the predicate."""

    def test(view: View) -> bool:
        text = view.text(field)
        if isinstance(text, str):
            return predicate(text)
        return text is not None and any(map(predicate, text))

    return test


def satisfies_cased(field: str, predicate: Predicate) -> Test:
    """One of the values, as it stands, satisfies the predicate."""

    def test(view: View) -> bool:
        value = view.raw(field)
        if isinstance(value, list):
            return any(predicate(plain(item)) for item in value if item is not None)
        return value is not None and not isinstance(value, dict) and predicate(plain(value))

    return test


def plain(value: Any) -> str:  # noqa: ANN401 - JSON is any JSON value
    """Return a scalar as text with its case kept; booleans as JSON writes them."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def contains(needles: tuple[str, ...]) -> Predicate:
    """One of the needles stands somewhere in the text."""
    if len(needles) == 1:
        needle = needles[0]
        return lambda text: needle in text

    def one_by_one(text: str) -> bool:
        for needle in needles:  # noqa: SIM110 - `any` over a generator takes twice as long
            if needle in text:
                return True
        return False

    if len(needles) < WORTH_AN_AUTOMATON:
        return one_by_one
    find = AhoCorasick(needles).find_matches_as_indexes

    def at_once(text: str) -> bool:
        try:
            return bool(find(text))
        except UnicodeEncodeError:  # half a surrogate pair: the automaton reads UTF-8
            return one_by_one(text)

    return at_once


def starts(prefixes: tuple[str, ...]) -> Predicate:
    """The text starts with one of the prefixes."""
    return lambda text: text.startswith(prefixes)


def ends(suffixes: tuple[str, ...]) -> Predicate:
    """The text ends with one of the suffixes."""
    return lambda text: text.endswith(suffixes)


def in_order(runs: tuple[str, ...]) -> Predicate:
    """The text starts with the first run, ends with the last, and holds the others in between, in their order."""
    first, *middle, last = runs

    def predicate(text: str) -> bool:
        position, end = len(first), len(text) - len(last)
        if position > end or not text.startswith(first) or not text.endswith(last):
            return False
        for run in middle:
            found = text.find(run, position, end)
            if found < 0:
                return False
            position = found + len(run)
        return True

    return predicate


def matches(pattern: str) -> Predicate:
    """The RE2 pattern is found in the text."""
    search = compile_re2(pattern)
    return lambda text: search(text) is not None


def within(network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> Predicate:
    """The text is an address of the network."""
    return lambda text: (address := _address(text)) is not None and address in network


@lru_cache(maxsize=4096)
def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def compares(holds: Callable[[float, float], bool], bound: float) -> Predicate:
    """The text is a number that stands in the relation to the bound."""

    def predicate(text: str) -> bool:
        try:
            return holds(float(text), bound)
        except ValueError:
            return False

    return predicate


def is_null(field: str) -> Test:
    """There is no value."""
    return lambda view: view.raw(field) is None


def exists(field: str) -> Test:
    """There is a value."""
    return lambda view: view.raw(field) is not None


def refers(field: str, other: str, relation: Callable[[str, str], bool]) -> Test:
    """One value of the field stands in the relation to one value of the other field."""

    def test(view: View) -> bool:
        left, right = view.text(field), view.text(other)
        if left is None or right is None:
            return False
        lefts = (left,) if isinstance(left, str) else left
        rights = (right,) if isinstance(right, str) else right
        return any(relation(mine, theirs) for mine in lefts for theirs in rights)

    return test


def anywhere(predicate: Predicate) -> Test:
    """The keyword stands in some value of the event."""
    return lambda view: predicate(view.everything())
