"""From the tree of a filter to SQL with parameters. Nothing of what a client wrote becomes SQL text."""

from collections.abc import Mapping
from datetime import UTC, datetime

from identity.domain.scim.errors import invalid_filter, invalid_path
from identity.domain.scim.filters import Among, AttributePath, Both, Filter, Not, Test, Value
from identity.store.scim.columns import Column, Complex, Place, Values

_SIGNS = {"eq": "=", "ne": "<>", "gt": ">", "ge": ">=", "lt": "<", "le": "<="}
_FALSE = "false"
_TEXTS = {
    "co": "strpos({held}, {wanted}) > 0", "sw": "starts_with({held}, {wanted})",
    "ew": "right({held}, length({wanted})) = {wanted}"}
Schemas = Mapping[str, Mapping[str, Place]]


class Conditions:
    """Writes one filter; `parameters` are what the statement needs, from number `first` on."""

    def __init__(self, schemas: Schemas, *, first: int = 1, is_lenient: bool = False) -> None:
        self._schemas = schemas
        self._core = next(iter(schemas.values()))
        self._first = first
        self._is_lenient = is_lenient
        self.parameters: list[object] = []

    def sql(self, condition: Filter) -> str:
        """Return the condition; it is true or false, never null."""
        if isinstance(condition, Both):
            word = "OR" if condition.is_or else "AND"
            return f"({self.sql(condition.left)} {word} {self.sql(condition.right)})"
        if isinstance(condition, Not):
            return f"(NOT {self.sql(condition.inner)})"
        if isinstance(condition, Among):
            return self._among(condition)
        return self._test(condition)

    def order(self, path: AttributePath, *, is_descending: bool) -> str:
        """Return what ORDER BY sorts by; raise ScimError for what has no order."""
        place = self._place(path)
        if isinstance(place, Complex):
            place = place.parts.get((path.part or "").lower())
        elif isinstance(place, Values):
            value = place.parts.get((path.part or "value").lower())
            place = value and Column(f"({place.sql}->0->>'{value[0]}')", value[1])
        if not isinstance(place, Column):
            raise invalid_path(f"{path} has no order to sort by")
        held = f"lower({place.sql})" if place.kind == "text" else place.sql
        return f"{held} DESC NULLS FIRST" if is_descending else f"{held} ASC NULLS LAST"

    def _place(self, path: AttributePath) -> Place | None:
        places = self._core if path.urn is None else self._schemas.get(path.urn.lower())
        return places.get(path.name.lower()) if places is not None else None

    def _test(self, test: Test) -> str:
        place, part = self._place(test.path), (test.path.part or "").lower()
        if isinstance(place, Column) and not part:
            return self._compared(place.sql, place.kind, test)
        if isinstance(place, Complex) and part in place.parts:
            return self._compared(place.parts[part].sql, place.parts[part].kind, test)
        if isinstance(place, Complex) and not part and test.operator == "pr":
            return "(" + " OR ".join(self._compared(each.sql, each.kind, test) for each in place.parts.values()) + ")"
        if isinstance(place, Values) and not part and test.operator == "pr":
            return f"(jsonb_array_length({place.sql}) > 0)"
        if isinstance(place, Values) and (part or "value") in place.parts:
            return self._exists(place, self._part(place, part or "value", test))
        if self._is_lenient:
            return _FALSE
        raise invalid_filter(f"asks for {test.path}, which is no attribute here, or one that cannot be asked for")

    def _among(self, among: Among) -> str:
        place = self._place(among.path)
        if isinstance(place, Values) and among.path.part is None:
            return self._exists(place, self._inner(place, among.inner))
        if self._is_lenient:
            return _FALSE
        raise invalid_filter(f"chooses among the values of {among.path}, which has none")

    def _inner(self, place: Values, condition: Filter) -> str:
        if isinstance(condition, Both):
            word = "OR" if condition.is_or else "AND"
            return f"({self._inner(place, condition.left)} {word} {self._inner(place, condition.right)})"
        if isinstance(condition, Not):
            return f"(NOT {self._inner(place, condition.inner)})"
        name = condition.path.name.lower()
        if isinstance(condition, Among) or condition.path.part or condition.path.urn or name not in place.parts:
            raise invalid_filter(f"asks a value for {condition.path}, which it does not have")
        return self._part(place, name, condition)

    def _part(self, place: Values, name: str, test: Test) -> str:
        key, kind = place.parts[name]
        held = f"(each.value->'{key}')::boolean" if kind == "boolean" else f"(each.value->>'{key}')"
        return self._compared(held, kind, test)

    def _exists(self, place: Values, condition: str) -> str:
        return f"EXISTS (SELECT 1 FROM jsonb_array_elements({place.sql}) AS each (value) WHERE {condition})"  # noqa: S608 - ours

    def _compared(self, held: str, kind: str, test: Test) -> str:
        if test.operator == "pr":
            return f"coalesce({held} <> '', false)" if kind not in {"boolean", "moment"} else f"({held} IS NOT NULL)"
        if test.value is None:
            return self._null(held, test)
        if kind == "boolean":
            return self._truth(held, test)
        wanted = self._wanted(kind, test.value)
        if wanted is None:
            return "true" if test.operator == "ne" else _FALSE
        if test.operator in _TEXTS and kind == "moment":
            raise invalid_filter(f"searches in the moment {test.path}")
        return _ordered(f"lower({held})" if kind == "text" else held, test.operator, wanted)

    def _null(self, held: str, test: Test) -> str:
        if test.operator not in {"eq", "ne"}:
            raise invalid_filter(f"compares {test.path} with null by {test.operator}")
        return f"({held} IS {'NOT ' if test.operator == 'ne' else ''}NULL)"

    def _truth(self, held: str, test: Test) -> str:
        if test.operator not in {"eq", "ne"}:
            raise invalid_filter(f"compares {test.path}, which is true or false, by {test.operator}")
        if not isinstance(test.value, bool):
            return "true" if test.operator == "ne" else _FALSE
        is_wanted = test.value == (test.operator == "eq")
        return f"coalesce({held}, false)" if is_wanted else f"(NOT coalesce({held}, false))"

    def _wanted(self, kind: str, value: Value) -> str | None:
        """Return the place of a parameter, or None when the value is of a kind the attribute never has."""
        if kind == "moment":
            self.parameters.append(_moment(value))
            return f"${self._first + len(self.parameters) - 1}::bigint"
        if not isinstance(value, str):
            return None
        self.parameters.append(value if kind == "exact" else value.lower())
        return f"${self._first + len(self.parameters) - 1}::text"


def _ordered(held: str, operator: str, wanted: str) -> str:
    if operator in _TEXTS:
        return "coalesce(" + _TEXTS[operator].format(held=held, wanted=wanted) + ", false)"
    if operator == "ne":
        return f"({held} IS DISTINCT FROM {wanted})"
    return f"coalesce({held} {_SIGNS[operator]} {wanted}, false)"


def _moment(value: Value) -> int:
    """Return microseconds since 1970 (RFC 7643 section 2.3.5)."""
    try:
        moment = datetime.fromisoformat(value if isinstance(value, str) else "")
    except ValueError as cause:
        raise invalid_filter("compares a moment with what is none: write 2026-01-31T12:00:00Z") from cause
    passed = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - datetime(1970, 1, 1, tzinfo=UTC)
    return (passed.days * 86_400 + passed.seconds) * 1_000_000 + passed.microseconds
