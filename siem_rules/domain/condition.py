"""A Sigma condition compiled to one Python expression over leaf tests, and the pins that let most events skip it.

The boolean skeleton becomes text of the form `(t0(v) and not (t1(v) or t2(v)))`; only names this module counts
itself enter the text, never a word of the rule. *Pins* are necessary conditions: field -> literals, one of which an
event must hold there for the condition to be true at all. What is not listed in `_LEAVES` is refused by its name.
"""

import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import re2
from sigma.conditions import (
    ConditionAND,
    ConditionFieldEqualsValueExpression,
    ConditionNOT,
    ConditionOR,
    ConditionValueExpression,
)
from sigma.types import (
    CompareOperators,
    SigmaBool,
    SigmaCasedString,
    SigmaCIDRExpression,
    SigmaCompareExpression,
    SigmaExists,
    SigmaExpansion,
    SigmaFieldReference,
    SigmaNull,
    SigmaNumber,
    SigmaRegularExpression,
    SigmaRegularExpressionFlag,
    SigmaString,
    SpecialChars,
)

from siem_rules.domain import patterns
from siem_rules.domain.errors import RuleRefusedError
from siem_rules.domain.patterns import Test

Pins = Mapping[str, frozenset[str]]
MAX_NESTING = 60
"""Python's own parser takes about 100 open parentheses; no SigmaHQ rule nests deeper than 5."""

_COMPARISONS: dict[CompareOperators, Callable[[float, float], bool]] = {
    CompareOperators.LT: operator.lt, CompareOperators.LTE: operator.le,
    CompareOperators.GT: operator.gt, CompareOperators.GTE: operator.ge, CompareOperators.NEQ: operator.ne,
}
_FLAGS = {
    SigmaRegularExpressionFlag.IGNORECASE: "i",
    SigmaRegularExpressionFlag.MULTILINE: "m",
    SigmaRegularExpressionFlag.DOTALL: "s",
}
_ANY, _ONE = SpecialChars.WILDCARD_MULTI, SpecialChars.WILDCARD_SINGLE
_MERGED: dict[str, Callable[[tuple[str, ...]], patterns.Predicate]] = {
    "contains": patterns.contains, "startswith": patterns.starts, "endswith": patterns.ends,
}


@dataclass(frozen=True, slots=True)
class _Part:
    """A piece of the expression and what it pins."""

    code: str
    pins: Pins


@dataclass(frozen=True, slots=True)
class Compiled:
    """A whole condition: its test, and the pins an index may use to skip it."""

    test: Test
    pins: Pins


def compile_condition(conditions: Iterable[Any], routing: Mapping[str, frozenset[str]]) -> Compiled:
    """Compile parsed pySigma conditions (any of them suffices), restricted to the log source's `routing`."""
    compiler = _Compiler()
    part = compiler.any_of([compiler.visit(condition, 0) for condition in conditions])
    routes = [compiler.leaf(patterns.equals(field, values), {field: values}) for field, values in routing.items()]
    whole = compiler.all_of([*routes, part])
    names: dict[str, Any] = {"__builtins__": {}} | compiler.tests
    return Compiled(eval(f"lambda v: {whole.code}", names), whole.pins)  # noqa: S307 - our own counters only


class _Compiler:
    """Collects leaf tests under counted names while it writes the expression."""

    def __init__(self) -> None:
        self.tests: dict[str, Test] = {}

    def leaf(self, test: Test, pins: Pins | None = None) -> _Part:
        name = f"t{len(self.tests)}"
        self.tests[name] = test
        return _Part(f"{name}(v)", pins or {})

    def visit(self, node: Any, depth: int) -> _Part:  # noqa: ANN401 - pySigma's tree has no common class
        if depth > MAX_NESTING:
            raise RuleRefusedError(f"its condition nests deeper than {MAX_NESTING} levels")
        if isinstance(node, ConditionAND):
            return self.all_of([self.visit(arg, depth + 1) for arg in node.args])
        if isinstance(node, ConditionOR):
            return self._either(node.args, depth)
        if isinstance(node, ConditionNOT):
            return _Part(f"(not {self.visit(node.args[0], depth + 1).code})", {})
        if isinstance(node, ConditionFieldEqualsValueExpression):
            return self._question(node.field, node.value)
        if isinstance(node, ConditionValueExpression):
            return self.leaf(patterns.anywhere(_keyword(node.value)))
        raise RuleRefusedError("its condition selects nothing: check the names after `1 of` and `all of`")

    def all_of(self, parts: list[_Part]) -> _Part:
        """Join by `and`; of two pins on one field the narrower stands (not their meeting: a field may be a list)."""
        pins: dict[str, frozenset[str]] = {}
        for part in parts:
            for field, values in part.pins.items():
                pins[field] = min(pins.get(field, values), values, key=len)
        return parts[0] if len(parts) == 1 else _Part(f"({' and '.join(part.code for part in parts)})", pins)

    def any_of(self, parts: list[_Part]) -> _Part:
        if len(parts) == 1:
            return parts[0]
        shared = set.intersection(*(set(part.pins) for part in parts))
        pins = {field: frozenset().union(*(part.pins[field] for part in parts)) for field in shared}
        return _Part(f"({' or '.join(part.code for part in parts)})", pins)

    def _either(self, args: list[Any], depth: int) -> _Part:
        """Compile alternatives, those on one field merged into one test."""
        literals: dict[str, set[str]] = {}
        merged: dict[tuple[str, str], list[str]] = {}
        others: list[Any] = []
        for arg in args:
            field, how, text = _simple(arg)
            if how == "equals":
                literals.setdefault(field, set()).add(text)
            elif how:
                merged.setdefault((field, how), []).append(text)
            else:
                others.append(arg)
        parts = [self._equals(field, frozenset(values)) for field, values in literals.items()]
        parts += [self.leaf(patterns.satisfies(field, _MERGED[how](tuple(texts))))
                  for (field, how), texts in merged.items()]
        return self.any_of(parts + [self.visit(arg, depth + 1) for arg in others])

    def _equals(self, field: str, values: frozenset[str]) -> _Part:
        return self.leaf(patterns.equals(field, values), {field: values})

    def _question(self, field: str, value: Any) -> _Part:  # noqa: ANN401 - pySigma's values have no useful base
        if isinstance(value, SigmaExpansion):
            return self.any_of([self._question(field, item) for item in value.values])
        _, how, text = _simple(ConditionFieldEqualsValueExpression(field, value))
        if how == "equals":
            return self._equals(field, frozenset({text}))
        if how:
            return self.leaf(patterns.satisfies(field, _MERGED[how]((text,))))
        for kind, build in _LEAVES:
            if isinstance(value, kind):
                return self.leaf(build(field, value))
        raise RuleRefusedError(f"{type(value).__name__} on the field {field!r} is not supported")


def _simple(node: Any) -> tuple[str, str, str]:  # noqa: ANN401 - pySigma's tree has no common class
    """Return field, how and text of a plain string or number question; `how` is empty for everything else."""
    if not isinstance(node, ConditionFieldEqualsValueExpression):
        return "", "", ""
    value = node.value
    if type(value) is SigmaNumber:
        return node.field, "equals", str(value.number)
    if type(value) is SigmaString:
        how, text = _shape(value)
        return node.field, how, text.lower()
    return "", "", ""


def _shape(value: SigmaString) -> tuple[str, str]:
    """Return how a string with wildcards at its ends is asked, and its text; `how` is empty for other patterns."""
    parts = [part for part in value.s if part != ""]
    texts = [part for part in parts if isinstance(part, str)]
    if not texts:
        return ("", "") if parts else ("equals", "")
    match parts:
        case [str()]:
            return "equals", texts[0]
        case [SpecialChars.WILDCARD_MULTI, str(), SpecialChars.WILDCARD_MULTI]:
            return "contains", texts[0]
        case [str(), SpecialChars.WILDCARD_MULTI]:
            return "startswith", texts[0]
        case [SpecialChars.WILDCARD_MULTI, str()]:
            return "endswith", texts[0]
    return "", ""


def _wildcard_pattern(value: SigmaString, *, lower: bool) -> str:
    return "".join(_wildcard_piece(part, lower=lower) for part in value.s)


def _wildcard_piece(part: Any, *, lower: bool) -> str:  # noqa: ANN401 - a str, a wildcard or a placeholder
    if isinstance(part, str):
        return str(re2.escape(part.lower() if lower else part))
    if part is _ANY:
        return ".*"
    if part is _ONE:
        return "."
    raise RuleRefusedError("the modifier `expand` (placeholders) is not supported")


def _keyword(value: Any) -> patterns.Predicate:  # noqa: ANN401 - pySigma's values have no useful base
    if isinstance(value, SigmaRegularExpression):
        return patterns.matches(f"(?i){_regex(value)}")
    if isinstance(value, SigmaCasedString) or not isinstance(value, SigmaString | SigmaNumber):
        raise RuleRefusedError(f"a keyword of type {type(value).__name__} is not supported")
    if isinstance(value, SigmaNumber):
        return patterns.contains((str(value.number),))
    _, text = _shape(value)
    return patterns.contains((text.lower(),)) if text else patterns.matches(_wildcard_pattern(value, lower=True))


def _regex(value: SigmaRegularExpression) -> str:
    flags = "".join(sorted(_FLAGS[flag] for flag in value.flags))
    return f"(?{flags}){value.regexp}" if flags else str(value.regexp)


def _cased(field: str, value: SigmaCasedString) -> Test:
    return patterns.satisfies_cased(field, patterns.matches(f"(?s)^{_wildcard_pattern(value, lower=False)}$"))


def _wild(field: str, value: SigmaString) -> Test:
    return patterns.satisfies(field, patterns.matches(f"(?s)^{_wildcard_pattern(value, lower=True)}$"))


def _compare(field: str, value: SigmaCompareExpression) -> Test:
    return patterns.satisfies(field, patterns.compares(_COMPARISONS[value.op], float(value.number.number)))


def _reference(field: str, value: SigmaFieldReference) -> Test:
    relation: Callable[[str, str], bool] = operator.eq
    if value.starts_with and value.ends_with:
        relation = operator.contains
    elif value.starts_with:
        relation = str.startswith
    elif value.ends_with:
        relation = str.endswith
    return patterns.refers(field, value.field, relation)


_LEAVES: tuple[tuple[type, Callable[[str, Any], Test]], ...] = (
    (SigmaCasedString, _cased),
    (SigmaString, _wild),
    (SigmaRegularExpression, lambda field, value: patterns.satisfies_cased(field, patterns.matches(_regex(value)))),
    (SigmaCIDRExpression, lambda field, value: patterns.satisfies(field, patterns.within(value.network))),
    (SigmaCompareExpression, _compare),
    (SigmaFieldReference, _reference),
    (SigmaExists, lambda field, value: patterns.exists(field) if value else lambda view: view.raw(field) is None),
    (SigmaBool, lambda field, value: patterns.equals(field, frozenset({str(value).lower()}))),
    (SigmaNull, lambda field, _: patterns.is_null(field)),
)
"""SigmaTimestampPart (a SigmaNumber of another meaning) and SigmaQueryExpression are absent on purpose: refused."""
