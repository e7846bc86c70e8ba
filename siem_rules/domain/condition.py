"""A Sigma condition compiled to one Python expression over leaf tests, and the needs that let most events skip it.

The boolean skeleton becomes text of the form `(t0(v) and not (t1(v) or t2(v)))`; only names this module counts
itself enter the text, never a word of the rule. What is not listed in `_LEAVES` is refused by its name.
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

from siem_rules.domain import needs, patterns
from siem_rules.domain.errors import RuleRefusedError
from siem_rules.domain.needs import NOTHING, How, Needs
from siem_rules.domain.patterns import Test

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
_PLACEHOLDERS = "the modifier `expand` (placeholders) is not supported"
_ANY, _ONE = SpecialChars.WILDCARD_MULTI, SpecialChars.WILDCARD_SINGLE
_MERGED: dict[str, Callable[[tuple[str, ...]], patterns.Predicate]] = {
    "contains": patterns.contains, "startswith": patterns.starts, "endswith": patterns.ends,
}


@dataclass(frozen=True, slots=True)
class _Part:
    """A piece of the expression and what an event must hold for it to be true."""

    code: str
    needs: Needs


@dataclass(frozen=True, slots=True)
class Compiled:
    """A whole condition: its test, and the needs an index may use to skip it."""

    test: Test
    needs: Needs


def compile_condition(conditions: Iterable[Any], routing: Mapping[str, frozenset[str]]) -> Compiled:
    """Compile parsed pySigma conditions (any of them suffices), restricted to the log source's `routing`."""
    compiler = _Compiler()
    part = compiler.any_of([compiler.visit(condition, 0) for condition in conditions])
    routes = [compiler.equals(field, values) for field, values in routing.items()]
    whole = compiler.all_of([*routes, part])
    names: dict[str, Any] = {"__builtins__": {}} | compiler.tests
    return Compiled(eval(f"lambda v: {whole.code}", names), whole.needs)  # noqa: S307 - our own counters only


class _Compiler:
    """Collects leaf tests under counted names while it writes the expression."""

    def __init__(self) -> None:
        self.tests: dict[str, Test] = {}

    def leaf(self, test: Test, needed: Needs) -> _Part:
        name = f"t{len(self.tests)}"
        self.tests[name] = test
        return _Part(f"{name}(v)", needed)

    def equals(self, field: str, values: frozenset[str]) -> _Part:
        return self.leaf(patterns.equals(field, values), needs.clues(field, How.EQUALS, values))

    def visit(self, node: Any, depth: int) -> _Part:  # noqa: ANN401 - pySigma's tree has no common class
        if depth > MAX_NESTING:
            raise RuleRefusedError(f"its condition nests deeper than {MAX_NESTING} levels")
        if isinstance(node, ConditionAND):
            return self.all_of([self.visit(arg, depth + 1) for arg in node.args])
        if isinstance(node, ConditionOR):
            return self._either(node.args, depth)
        if isinstance(node, ConditionNOT):
            return _Part(f"(not {self.visit(node.args[0], depth + 1).code})", NOTHING)
        if isinstance(node, ConditionFieldEqualsValueExpression):
            return self._question(node.field, node.value)
        if isinstance(node, ConditionValueExpression):
            return self.leaf(patterns.anywhere(_keyword(node.value)), _keyword_needs(node.value))
        raise RuleRefusedError("its condition selects nothing: check the names after `1 of` and `all of`")

    def all_of(self, parts: list[_Part]) -> _Part:
        if len(parts) == 1:
            return parts[0]
        return _Part(f"({' and '.join(part.code for part in parts)})", needs.all_of(part.needs for part in parts))

    def any_of(self, parts: list[_Part]) -> _Part:
        if len(parts) == 1:
            return parts[0]
        return _Part(f"({' or '.join(part.code for part in parts)})", needs.any_of([part.needs for part in parts]))

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
        parts = [self.equals(field, frozenset(values)) for field, values in literals.items()]
        parts += [self._holds(field, how, tuple(texts)) for (field, how), texts in merged.items()]
        return self.any_of(parts + [self.visit(arg, depth + 1) for arg in others])

    def _holds(self, field: str, how: str, texts: tuple[str, ...]) -> _Part:
        return self.leaf(patterns.satisfies(field, _MERGED[how](texts)), needs.clues(field, How(how), texts))

    def _question(self, field: str, value: Any) -> _Part:  # noqa: ANN401 - pySigma's values have no useful base
        if isinstance(value, SigmaExpansion):
            return self.any_of([self._question(field, item) for item in value.values])
        _, how, text = _simple(ConditionFieldEqualsValueExpression(field, value))
        if how == "equals":
            return self.equals(field, frozenset({text}))
        if how:
            return self._holds(field, how, (text,))
        for kind, build, needed in _LEAVES:
            if isinstance(value, kind):
                return self.leaf(build(field, value), needed(field, value))
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
    raise RuleRefusedError(_PLACEHOLDERS)


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
    if _ONE in value.s:
        return patterns.satisfies(field, patterns.matches(f"(?s)^{_wildcard_pattern(value, lower=True)}$"))
    return patterns.satisfies(field, patterns.in_order(_between_wildcards(value)))


def _between_wildcards(value: SigmaString) -> tuple[str, ...]:
    """Return the runs between the wildcards, in lower case; the first and the last may be empty."""
    runs = [""]
    for part in value.s:
        if isinstance(part, str):
            runs[-1] += part.lower()
        elif part is _ANY:
            runs.append("")
        else:
            raise RuleRefusedError(_PLACEHOLDERS)
    return tuple(runs)


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


def _present(field: str, _: Any) -> Needs:  # noqa: ANN401 - pySigma's values have no useful base
    return needs.clues(field, How.PRESENT)


def _nothing(_field: str, _value: Any) -> Needs:  # noqa: ANN401 - pySigma's values have no useful base
    return NOTHING


def _wild_needs(field: str, value: SigmaString) -> Needs:
    """Each run of letters between the wildcards stands in the value."""
    pieces = [part.lower() for part in value.s if isinstance(part, str) and part]
    return needs.all_of(needs.clues(field, How.HOLDS, (piece,)) for piece in pieces) or _present(field, value)


def _keyword_needs(value: Any) -> Needs:  # noqa: ANN401 - pySigma's values have no useful base
    """The longest run of letters stands somewhere; of a regular expression nothing is known."""
    if isinstance(value, SigmaRegularExpression):
        return NOTHING
    pieces = [part.lower() for part in value.s if isinstance(part, str)] if isinstance(value, SigmaString) else [
        str(value.number)]
    longest = max(pieces, key=len, default="")
    return needs.clues("", How.ANYWHERE, (longest,)) if longest else NOTHING


def _exists(field: str, value: SigmaExists) -> Test:
    return patterns.exists(field) if value else patterns.is_null(field)


_LEAVES: tuple[tuple[type, Callable[[str, Any], Test], Callable[[str, Any], Needs]], ...] = (
    (SigmaCasedString, _cased, _present),
    (SigmaString, _wild, _wild_needs),
    (SigmaRegularExpression,
     lambda field, value: patterns.satisfies_cased(field, patterns.matches(_regex(value))), _present),
    (SigmaCIDRExpression, lambda field, value: patterns.satisfies(field, patterns.within(value.network)), _present),
    (SigmaCompareExpression, _compare, _present),
    (SigmaFieldReference, _reference, _present),
    (SigmaExists, _exists, lambda field, value: _present(field, value) if value else NOTHING),
    (SigmaBool, lambda field, value: patterns.equals(field, frozenset({str(value).lower()})),
     lambda field, value: needs.clues(field, How.EQUALS, (str(value).lower(),))),
    (SigmaNull, lambda field, _: patterns.is_null(field), _nothing),
)
"""SigmaTimestampPart (a SigmaNumber of another meaning) and SigmaQueryExpression are absent on purpose: refused."""
