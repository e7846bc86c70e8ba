"""Whether one value of a resource holds a condition: for the value paths of a patch, never for rows."""

from collections.abc import Callable, Mapping
from typing import Any

from identity.domain.scim.errors import invalid_filter
from identity.domain.scim.filters import Among, Both, Filter, Not, Test, Value
from identity.domain.scim.schemas import Attribute

_Comparison = Callable[[Any, Any], bool]
_TEXT_ONLY: Mapping[str, _Comparison] = {
    "co": lambda held, wanted: wanted in held,
    "sw": lambda held, wanted: held.startswith(wanted),
    "ew": lambda held, wanted: held.endswith(wanted),
}
_ORDER: Mapping[str, _Comparison] = {
    "gt": lambda held, wanted: held > wanted, "ge": lambda held, wanted: held >= wanted,
    "lt": lambda held, wanted: held < wanted, "le": lambda held, wanted: held <= wanted,
}


def holds(condition: Filter, attribute: Attribute, value: Mapping[str, Any]) -> bool:
    """Whether a value of this multi-valued attribute holds a condition; raise ScimError for one it cannot be asked."""
    if isinstance(condition, Both):
        left, right = (holds(each, attribute, value) for each in (condition.left, condition.right))
        return left or right if condition.is_or else left and right
    if isinstance(condition, Not):
        return not holds(condition.inner, attribute, value)
    if isinstance(condition, Among):
        raise invalid_filter("nests value paths")
    return _test(condition, attribute, value)


def _test(test: Test, attribute: Attribute, value: Mapping[str, Any]) -> bool:
    part = attribute.part(test.path.name) if test.path.part is None and test.path.urn is None else None
    if part is None:
        raise invalid_filter(f"asks for {test.path}, which {attribute.name} does not have")
    held = value.get(part.name)
    if test.operator == "pr":
        return held is not None and held != ""
    return compared(test.operator, held, test.value, is_case_exact=part.is_case_exact)


def compared(operator: str, held: Value, wanted: Value, *, is_case_exact: bool) -> bool:
    """Whether `held operator wanted`; texts fold their case unless it counts."""
    if isinstance(held, str) and isinstance(wanted, str) and not is_case_exact:
        held, wanted = held.lower(), wanted.lower()
    if operator in {"eq", "ne"}:
        is_same = held == wanted and isinstance(held, bool) == isinstance(wanted, bool)
        return is_same == (operator == "eq")
    if isinstance(wanted, bool) or wanted is None:
        raise invalid_filter(f"compares with {operator} what has no order")
    if operator in _TEXT_ONLY:
        return isinstance(held, str) and isinstance(wanted, str) and _TEXT_ONLY[operator](held, wanted)
    is_text = isinstance(held, str)
    is_number = isinstance(held, int | float) and not isinstance(held, bool)
    if not (is_text and isinstance(wanted, str)) and not (is_number and not isinstance(wanted, str)):
        return False
    return _ORDER[operator](held, wanted)
