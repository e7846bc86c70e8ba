"""Which rows leave: those a row filter passes; and sums over enough households, where no single one may be seen.

A floor is checked here and not made here: whoever reads the rows sums them, and rows that are no such sums, over a
household too few or an hour too short, are refused, not repaired. `households` is how many went into a sum.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from governance.domain.errors import UnfulfilledObligationError
from shared_kernel.data_access import Row
from shared_kernel.obligations import (
    AGGREGATE_FLOOR,
    ROW_FILTER,
    WATERMARK,
    AggregateFloor,
    Obligations,
    RowFilter,
)

HOUSEHOLDS = "households"
SINGLING_OUT = frozenset({"address", "customer_id", "event_id", "meter_id", "name"})
"""Columns that belong to one household and to no sum."""
_GRAINS = {"hour": timedelta(hours=1), "day": timedelta(days=1)}


def narrowed(
    rows: Sequence[Row], columns: Sequence[str], obligations: Obligations, *, summed_over: RowFilter | None,
    watermark: str | None,
) -> Sequence[Row]:
    """Return the rows that may leave; raise a ForbiddenError when a demand is malformed or cannot be met."""
    if WATERMARK in obligations and not watermark:
        raise UnfulfilledObligationError(WATERMARK, "the answer was not given a mark")
    row_filter, floor = RowFilter.of(obligations), AggregateFloor.of(obligations)
    if floor is not None:
        return _sums(rows, columns, floor, is_narrowed=summed_over == row_filter)
    if row_filter is None:
        return rows
    if rows and not all(row_filter.column in row for row in rows):
        raise UnfulfilledObligationError(ROW_FILTER, f"the rows do not tell their {row_filter.column}")
    return [row for row in rows if row_filter.passes(row)]


def _sums(rows: Sequence[Row], columns: Sequence[str], floor: AggregateFloor, *, is_narrowed: bool) -> Sequence[Row]:
    if not is_narrowed:
        raise UnfulfilledObligationError(ROW_FILTER, "other rows than the permitted ones went into the sums")
    if HOUSEHOLDS not in columns or not SINGLING_OUT.isdisjoint(columns):
        raise UnfulfilledObligationError(AGGREGATE_FLOOR, "the answer is about single households, not sums over them")
    if not all(_is_sum(row, floor) for row in rows):
        raise UnfulfilledObligationError(
            AGGREGATE_FLOOR, f"a sum is over fewer than {floor.n} households or less than one {floor.grain}")
    return rows


def _is_sum(row: Row, floor: AggregateFloor) -> bool:
    households, start, end = row.get(HOUSEHOLDS), row.get("window_start"), row.get("window_end")
    return (
        type(households) is int and households >= floor.n
        and isinstance(start, datetime) and isinstance(end, datetime) and end - start >= _GRAINS[floor.grain]
    )
