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

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from msgspec import Meta, Struct, ValidationError, convert

from shared_kernel.errors import ForbiddenError

STEP_UP, MASK, ROW_FILTER = "step_up", "mask", "row_filter"
AGGREGATE_FLOOR, NOTIFY, WATERMARK = "aggregate_floor", "notify", "watermark"
Obligations = Mapping[str, Mapping[str, Any]]
Text = Annotated[str, Meta(min_length=1, max_length=4_096)]
Texts = Annotated[tuple[Text, ...], Meta(max_length=10_000)]


class MalformedObligationError(ForbiddenError):
    """A decision demands something that cannot be understood: nothing is done."""

    def __init__(self, name: str, fault: str) -> None:
        super().__init__(f"the obligation {name[:64]!r} is malformed ({fault}), so nothing is done: correct the policy")
        self.name, self.fault = name, fault


class Demand(Struct, frozen=True, forbid_unknown_fields=True):
    """An obligation with its parameters, understood exactly."""

    name: ClassVar[str]

    @classmethod
    def of(cls, obligations: Obligations) -> Self | None:
        """Return what is demanded, None when it is not; raise MalformedObligationError when it is not understood."""
        try:
            return convert(obligations[cls.name], cls) if cls.name in obligations else None
        except ValidationError as cause:
            raise MalformedObligationError(cls.name, str(cause)[:200]) from cause


class RowFilter(Demand, frozen=True, rename={"values": "in"}):
    """Rows pass whose `column` is one of `values`, or begins with one of `starts_with`; of no texts none does."""

    name = ROW_FILTER
    column: Annotated[str, Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,62}\Z")]
    values: Texts | None = None
    starts_with: Texts | None = None

    def __post_init__(self) -> None:
        """Refuse two ways to compare, and none."""
        if (self.values is None) is (self.starts_with is None):
            raise ValueError("name either `in` or `starts_with`")

    def passes(self, row: Mapping[str, Any]) -> bool:
        """Whether a row may be shown; one without a text in the column may not."""
        value = row.get(self.column)
        return isinstance(value, str) and (value in (self.values or ()) or value.startswith(self.starts_with or ()))


class AggregateFloor(Demand, frozen=True):
    """Sums over at least `n` households, and over a `grain` of time."""

    name = AGGREGATE_FLOOR
    n: Annotated[int, Meta(ge=2, le=1_000_000)]
    grain: Literal["hour", "day"]
