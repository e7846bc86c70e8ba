"""Obligations: what a decision demands besides yes or no, in the words that policy, gateway and data houses share.

| name            | parameters                                       | demands |
|-----------------|--------------------------------------------------|---------|
| step_up         | acr: text or null, max_age: seconds or null      | log in again, so and no longer ago (RFC 9470) |
| mask            | columns: list of names, or object name -> mask   | hide these columns |
| row_filter      | column, and `in` or `starts_with`: list of texts | show only rows whose column says so |
| aggregate_floor | n: households, grain: hour or day                | show only sums over at least n households |
| notify          | whom, why: texts                                 | tell somebody |
| watermark       | none                                             | mark the answer with whose it is |

Whoever meets an obligation that it does not know or cannot fulfil refuses (XACML 3.0 section 7.18).
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from shared_kernel.errors import ForbiddenError

STEP_UP, MASK, ROW_FILTER = "step_up", "mask", "row_filter"
AGGREGATE_FLOOR, NOTIFY, WATERMARK = "aggregate_floor", "notify", "watermark"
GRAINS = ("hour", "day")
MAX_VALUES, MAX_TEXT = 10_000, 4_096
LEAST_HOUSEHOLDS, MOST_HOUSEHOLDS = 2, 1_000_000
LEAST_AGE_S, MOST_AGE_S = 30, 366 * 86_400
"""A login must stay good for long enough to be used: whoever logs in again would be sent to log in again."""

_ACR = re.compile(r"[A-Za-z0-9:._/+-]{1,128}")
_COLUMN = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")


class MalformedObligationError(ForbiddenError):
    """A decision demands something that cannot be understood: nothing is done."""

    def __init__(self, name: str, wanted: str) -> None:
        super().__init__(
            f"the obligation {name[:64]!r} is malformed ({wanted}), so nothing is done: correct the policy")
        self.name = name
        self.wanted = wanted


@dataclass(frozen=True, slots=True)
class StepUp:
    """How sure the caller must be made of."""

    acr: str | None
    max_age: int | None


@dataclass(frozen=True, slots=True)
class RowFilter:
    """Rows pass whose `column` is one of `values`, or begins with one of them; without values none does."""

    column: str
    values: tuple[str, ...]
    is_prefix: bool

    def passes(self, row: Mapping[str, Any]) -> bool:
        """Whether a row may be shown; one without a text in the column may not."""
        value = row.get(self.column)
        if not isinstance(value, str):
            return False
        return value.startswith(self.values) if self.is_prefix else value in self.values


@dataclass(frozen=True, slots=True)
class AggregateFloor:
    """Sums over at least `n` households, and over a `grain` of time."""

    n: int
    grain: str


Obligations = Mapping[str, Mapping[str, Any]]


def step_up_of(obligations: Obligations) -> StepUp | None:
    """Return the demanded login; raise MalformedObligationError when it cannot be understood."""
    given = _given(obligations, STEP_UP)
    if given is None:
        return None
    acr, max_age = given.get("acr"), given.get("max_age")
    is_right = (
        given.keys() <= {"acr", "max_age"} and not acr is max_age is None
        and (acr is None or (isinstance(acr, str) and _ACR.fullmatch(acr) is not None))
        and (max_age is None or (type(max_age) is int and LEAST_AGE_S <= max_age <= MOST_AGE_S))
    )
    if not is_right:
        raise MalformedObligationError(STEP_UP, f"acr is a class, max_age {LEAST_AGE_S} seconds or more; name one")
    return StepUp(acr, max_age)


def row_filter_of(obligations: Obligations) -> RowFilter | None:
    """Return the demanded filter; raise MalformedObligationError when it cannot be understood."""
    given = _given(obligations, ROW_FILTER)
    if given is None:
        return None
    column, how = given.get("column"), given.keys() - {"column"}
    values = given.get(next(iter(how))) if how in ({"in"}, {"starts_with"}) else None
    if not (isinstance(column, str) and _COLUMN.fullmatch(column) and _texts(values)):
        raise MalformedObligationError(ROW_FILTER, "column is a name, and `in` or `starts_with` a list of texts")
    return RowFilter(column, tuple(values or ()), "starts_with" in how)


def aggregate_floor_of(obligations: Obligations) -> AggregateFloor | None:
    """Return the demanded floor; raise MalformedObligationError when it cannot be understood."""
    given = _given(obligations, AGGREGATE_FLOOR)
    if given is None:
        return None
    n, grain = given.get("n"), given.get("grain")
    is_whole = type(n) is int and LEAST_HOUSEHOLDS <= n <= MOST_HOUSEHOLDS
    if given.keys() != {"n", "grain"} or not is_whole or grain not in GRAINS:
        raise MalformedObligationError(
            AGGREGATE_FLOOR, f"n is {LEAST_HOUSEHOLDS} households or more, grain one of {', '.join(GRAINS)}")
    return AggregateFloor(given["n"], given["grain"])


def refuse_malformed(obligations: Obligations) -> None:
    """Raise MalformedObligationError for an obligation nobody knows, or one whose parameters are not its own."""
    for name in obligations:
        if name not in _CHECKS:
            raise MalformedObligationError(name, f"nobody knows it; known are {', '.join(sorted(_CHECKS))}")
        _CHECKS[name](obligations)


def _mask(obligations: Obligations) -> None:
    given = _given(obligations, MASK) or {}
    columns = given.get("columns")
    is_right = _texts(columns) or (
        isinstance(columns, Mapping) and _texts(list(columns)) and _texts(list(columns.values())))
    if given.keys() != {"columns"} or not is_right:
        raise MalformedObligationError(MASK, "columns is a list of names, or an object of name to mask")


def _notify(obligations: Obligations) -> None:
    given = _given(obligations, NOTIFY) or {}
    if given.keys() != {"whom", "why"} or not _texts(list(given.values())):
        raise MalformedObligationError(NOTIFY, "whom and why are texts")


def _watermark(obligations: Obligations) -> None:
    if _given(obligations, WATERMARK):
        raise MalformedObligationError(WATERMARK, "it has no parameters")


_CHECKS: Mapping[str, Callable[[Obligations], object]] = {
    STEP_UP: step_up_of, MASK: _mask, ROW_FILTER: row_filter_of, AGGREGATE_FLOOR: aggregate_floor_of,
    NOTIFY: _notify, WATERMARK: _watermark,
}
KNOWN = frozenset(_CHECKS)


def _given(obligations: Obligations, name: str) -> Mapping[str, Any] | None:
    if name not in obligations:
        return None
    given = obligations[name]
    if not isinstance(given, Mapping):
        raise MalformedObligationError(name, "its parameters are not an object")
    return given


def _texts(value: object) -> bool:
    return isinstance(value, list | tuple) and len(value) <= MAX_VALUES and all(
        isinstance(item, str) and 0 < len(item) <= MAX_TEXT for item in value)
