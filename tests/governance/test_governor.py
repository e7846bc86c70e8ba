"""The Governor: masked, sealed, then shown; without permit or seal nothing leaves."""

from dataclasses import replace
from typing import Any

import asyncpg
import pytest

from governance.domain.errors import (
    NoPermitError,
    NotSealedError,
    UnknownMaskError,
    UnknownObligationError,
    UnknownPurposeError,
)
from governance.service import Catalog, Governor
from governance.store.catalog import CatalogStore
from shared_kernel.context import RequestContext
from shared_kernel.data_access import ReadGuard
from tests.frozen_clock import FrozenClock
from tests.governance.house import KEY, Ledger, permitted

DATASET = "grid.meter_readings"
COLUMNS = ("meter_id", "customer_id", "reading_kwh")
ROWS = [{"meter_id": "M-1", "customer_id": "C-1001", "reading_kwh": 1.25, "internal_id": 9},
        {"meter_id": "M-2", "customer_id": "C-1001", "reading_kwh": 2.5, "internal_id": 10}]
VIEWER = permitted("vera", "grid_viewer", masks=["customer_id"])


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture
async def governor(app_pool: asyncpg.Pool, clock: FrozenClock, ledger: Ledger) -> Governor:
    catalog = Catalog(CatalogStore(app_pool), ledger, clock)
    await catalog.start()
    return Governor(catalog, ledger, clock, pseudonym_key=KEY)


async def test_a_viewer_sees_one_pseudonym_where_one_customer_was(governor: Governor) -> None:
    released = await governor.release(VIEWER, DATASET, ROWS, columns=COLUMNS)

    assert [row["reading_kwh"] for row in released] == [1.25, 2.5]
    assert len({row["customer_id"] for row in released}) == 1
    assert "C-1001" not in str(released)


async def test_an_operator_with_a_purpose_sees_the_customer(governor: Governor, ledger: Ledger) -> None:
    context = permitted("omar", "grid_operator", purpose="outage-investigation")

    released = await governor.release(context, DATASET, ROWS, columns=COLUMNS)

    assert [row["customer_id"] for row in released] == ["C-1001", "C-1001"]
    assert ledger.events[-1]["grid"]["data"]["classification"] == "RESTRICTED"


async def test_the_seal_names_the_real_answer_and_no_value(governor: Governor, ledger: Ledger) -> None:
    await governor.release(VIEWER, DATASET, ROWS, columns=COLUMNS)

    (event,) = ledger.events
    assert event["event"] | {"id": ""} == {
        "id": "", "kind": "event", "category": ["database"], "type": ["access"], "action": "data_access",
        "outcome": "success",
    }
    assert event["user"]["name"] == "vera"
    assert event["grid"]["data"] == {
        "dataset": DATASET, "classification": "INTERNAL", "columns": list(COLUMNS),
        "masks": {"customer_id": "sha-256-global"}, "rows": 2, "purpose": None, "permit": 7,
    }
    assert "C-1001" not in str(event)


async def test_only_the_named_columns_leave(governor: Governor) -> None:
    released = await governor.release(VIEWER, DATASET, ROWS, columns=COLUMNS)

    assert set(released[0]) == set(COLUMNS)


async def test_a_column_unknown_to_the_catalog_is_null_whatever_the_decision_says(
    governor: Governor, ledger: Ledger,
) -> None:
    context = permitted("ada", "admin", purpose="audit")

    released = await governor.release(context, DATASET, ROWS, columns=("meter_id", "internal_id"))

    assert released == [{"meter_id": "M-1", "internal_id": None}, {"meter_id": "M-2", "internal_id": None}]
    assert ledger.events[-1]["grid"]["data"]["masks"] == {"internal_id": "replace-with-null"}


async def test_an_unclassified_dataset_is_restricted_and_shows_nothing(governor: Governor, ledger: Ledger) -> None:
    released = await governor.release(VIEWER, "grid.new_table", [{"secret": 1}], columns=("secret",))

    assert released == [{"secret": None}]
    assert ledger.events[-1]["grid"]["data"]["classification"] == "RESTRICTED"


async def test_without_a_permit_nothing_leaves_and_the_attempt_is_sealed(governor: Governor, ledger: Ledger) -> None:
    with pytest.raises(NoPermitError, match="through the gateway"):
        await governor.release(RequestContext("r"), DATASET, ROWS, columns=COLUMNS)

    (event,) = ledger.events
    assert event["event"]["outcome"] == "failure"
    assert event["grid"]["data"]["permit"] is None
    assert event["grid"]["data"]["rows"] == 0


async def test_a_purpose_nobody_accepts_is_refused_and_not_repeated_in_the_seal(
    governor: Governor, ledger: Ledger,
) -> None:
    with pytest.raises(UnknownPurposeError, match="outage-investigation"):
        await governor.release(permitted("omar", "grid_operator", purpose="curiosity"), DATASET, ROWS, columns=COLUMNS)

    assert "curiosity" not in str(ledger.events)


@pytest.mark.parametrize("masks", [{"customer_id": "apply-expression"}, "customer_id", [1], 5])
async def test_a_mask_that_is_not_understood_denies(governor: Governor, ledger: Ledger, masks: Any) -> None:
    with pytest.raises(UnknownMaskError, match="nothing is shown"):
        await governor.release(permitted("vera", "grid_viewer", masks=masks), DATASET, ROWS, columns=COLUMNS)

    assert ledger.events[-1]["event"]["outcome"] == "failure"


async def test_an_obligation_nobody_can_fulfil_denies(governor: Governor) -> None:
    context = replace(VIEWER, obligations={"self_destruct": {}})

    with pytest.raises(UnknownObligationError, match="self_destruct"):
        await governor.release(context, DATASET, ROWS, columns=COLUMNS)


async def test_two_masks_on_one_column_mean_the_stricter(governor: Governor) -> None:
    context = permitted("vera", "grid_viewer", masks={"customer_id": "show-last-4", "meter_id": "mask-alphanum"})

    released = await governor.release(context, DATASET, ROWS, columns=COLUMNS)

    assert len(released[0]["customer_id"]) == 64
    assert released[0]["meter_id"] == "x-n"


async def test_when_the_access_cannot_be_sealed_no_row_leaves(governor: Governor, ledger: Ledger) -> None:
    ledger.is_down = True

    with pytest.raises(NotSealedError, match="no row is shown"):
        await governor.release(VIEWER, DATASET, ROWS, columns=COLUMNS)


async def test_the_rows_given_are_left_as_they_were(governor: Governor) -> None:
    await governor.release(VIEWER, DATASET, ROWS, columns=COLUMNS)

    assert ROWS[0]["customer_id"] == "C-1001"


def test_the_governor_is_the_kernels_read_guard(governor: Governor) -> None:
    guard: ReadGuard = governor

    assert guard is governor
