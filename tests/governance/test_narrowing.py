"""Rows leave through a filter, sums over households above a floor; what cannot be made so does not leave."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from governance.domain.errors import UnfulfilledObligationError
from governance.domain.narrowing import narrowed
from governance.service import Catalog, Governor
from governance.store.catalog import CatalogStore
from shared_kernel.context import RequestContext
from shared_kernel.obligations import MalformedObligationError, RowFilter
from tests.frozen_clock import FrozenClock
from tests.governance.house import KEY, Ledger, person

ROWS = [{"meter_id": "MTR-0101", "reading_kwh": "1"}, {"meter_id": "MTR-0201", "reading_kwh": "2"},
        {"meter_id": "\u039cTR-0101", "reading_kwh": "3"}]
ONLY = {"row_filter": {"column": "meter_id", "starts_with": ["MTR-01"]}}
FLOOR = {"aggregate_floor": {"n": 5, "grain": "hour"}}
HOUR = datetime(2026, 11, 21, 7, tzinfo=UTC)
SUM = {"window_start": HOUR, "window_end": HOUR + timedelta(hours=1), "total_kwh": "9", "households": 5}
SUMS = ("window_start", "window_end", "total_kwh", "households")


def _narrowed(
    rows: Sequence[dict[str, Any]], obligations: Mapping[str, Any], *, columns: Sequence[str] = ("meter_id",),
    summed_over: RowFilter | None = None, watermark: str | None = None,
) -> Sequence[dict[str, Any]]:
    return narrowed(rows, columns, obligations, summed_over=summed_over, watermark=watermark)


def test_a_filter_keeps_what_it_names_and_no_lookalike() -> None:
    assert _narrowed(ROWS, ONLY) == ROWS[:1]


def test_rows_that_do_not_tell_what_is_filtered_by_do_not_leave() -> None:
    with pytest.raises(UnfulfilledObligationError, match="do not tell their meter_id"):
        _narrowed([{"count": 20}], ONLY, columns=("count",))


def test_sums_at_the_floor_leave() -> None:
    assert _narrowed([SUM], FLOOR, columns=SUMS) == [SUM]


@pytest.mark.parametrize("row", [
    {**SUM, "households": 4}, {**SUM, "households": "5"}, {**SUM, "households": True},
    {name: SUM[name] for name in SUMS[:3]}, {**SUM, "window_end": HOUR + timedelta(minutes=5)},
    {**SUM, "window_end": None},
])
def test_a_sum_over_too_little_does_not_leave_nor_do_the_others(row: dict[str, Any]) -> None:
    with pytest.raises(UnfulfilledObligationError, match="fewer than 5 households"):
        _narrowed([SUM, row], FLOOR, columns=SUMS)


@pytest.mark.parametrize("columns", [("meter_id", *SUMS), ("total_kwh",), (*SUMS, "customer_id")])
def test_rows_about_single_households_are_no_sums(columns: tuple[str, ...]) -> None:
    with pytest.raises(UnfulfilledObligationError, match="single households"):
        _narrowed([SUM], FLOOR, columns=columns)


def test_sums_over_other_rows_than_the_permitted_do_not_leave() -> None:
    only = RowFilter("meter_id", starts_with=("MTR-01",))

    assert _narrowed([SUM], {**FLOOR, **ONLY}, columns=SUMS, summed_over=only) == [SUM]
    with pytest.raises(UnfulfilledObligationError, match="other rows"):
        _narrowed([SUM], {**FLOOR, **ONLY}, columns=SUMS)
    with pytest.raises(UnfulfilledObligationError, match="other rows"):
        _narrowed([SUM], FLOOR, columns=SUMS, summed_over=only)


def test_a_demanded_mark_must_be_there() -> None:
    assert _narrowed(ROWS, {"watermark": {}}, watermark="gw1.x") == ROWS
    with pytest.raises(UnfulfilledObligationError, match="was not given a mark"):
        _narrowed(ROWS, {"watermark": {}})


def test_a_malformed_filter_lets_nothing_through() -> None:
    with pytest.raises(MalformedObligationError):
        _narrowed(ROWS, {"row_filter": {"column": "meter_id", "starts_with": "MTR"}})


async def test_what_was_filtered_away_is_not_counted_in_the_seal(app_pool: asyncpg.Pool, clock: FrozenClock) -> None:
    ledger = Ledger()
    catalog = Catalog(CatalogStore(app_pool), ledger, clock)
    await catalog.start()
    governor = Governor(catalog, ledger, clock, pseudonym_key=KEY)
    context = RequestContext("r-1", person("vera", "grid_viewer"), permit=7, obligations=ONLY)

    released = await governor.release(context, "grid.meter_readings", ROWS, columns=("meter_id", "reading_kwh"))

    assert [row["meter_id"] for row in released] == ["MTR-0101"]
    assert ledger.events[-1]["grid"]["data"]["rows"] == 1
