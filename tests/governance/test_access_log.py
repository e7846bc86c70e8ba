"""The access log comes from the sealed events and from nowhere else."""

import asyncpg
import pytest

from governance.http import endpoints
from governance.service import Catalog, Governor, Lineage
from governance.store.catalog import CatalogStore
from governance.store.lineage import LineageStore
from shared_kernel.endpoint import Endpoint
from tests.frozen_clock import FrozenClock
from tests.governance.house import KEY, Ledger, client_of, permitted

AUDITOR = permitted("aida", "auditor")


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture
async def routes(app_pool: asyncpg.Pool, clock: FrozenClock, ledger: Ledger) -> tuple[Endpoint, ...]:
    catalog = Catalog(CatalogStore(app_pool), ledger, clock)
    await catalog.start()
    governor = Governor(catalog, ledger, clock, pseudonym_key=KEY)
    for name in ("vera", "viktor", "vera"):
        context = permitted(name, "grid_viewer", masks=["customer_id"], purpose="billing")
        await governor.release(
            context, "grid.meter_readings", [{"customer_id": "C-1"}], columns=("meter_id", "customer_id"),
        )
    return endpoints(catalog, Lineage(LineageStore(app_pool), clock), ledger)


async def test_an_entry_names_person_purpose_dataset_columns_rows_and_masks(routes: tuple[Endpoint, ...]) -> None:
    async with client_of(routes, AUDITOR) as client:
        answer = await client.get("/api/v1/access-log?limit=1")

    (entry,) = answer.json()["items"]
    assert entry["person"]["name"] == "vera"
    assert entry["purpose"] == "billing"
    assert entry["dataset"] == "grid.meter_readings"
    assert entry["columns"] == ["meter_id", "customer_id"]
    assert entry["masks"] == {"customer_id": "sha-256-global"}
    assert entry["rows"] == 1


async def test_pages_follow_one_another_without_gap_or_repetition(routes: tuple[Endpoint, ...]) -> None:
    async with client_of(routes, AUDITOR) as client:
        first = (await client.get("/api/v1/access-log?limit=2")).json()
        second = (await client.get(f"/api/v1/access-log?limit=2&before={first['next']}")).json()

    assert [entry["seq"] for entry in first["items"] + second["items"]] == [2, 1, 0]
    assert second["next"] is None


async def test_one_persons_accesses_are_found(routes: tuple[Endpoint, ...]) -> None:
    async with client_of(routes, AUDITOR) as client:
        answer = await client.get("/api/v1/access-log?person=id-viktor")

    assert [entry["person"]["name"] for entry in answer.json()["items"]] == ["viktor"]


@pytest.mark.parametrize("query", ["limit=many", "before=-1", "person=a%00b", "who=vera"])
async def test_a_parameter_that_is_not_understood_is_refused(routes: tuple[Endpoint, ...], query: str) -> None:
    async with client_of(routes, AUDITOR) as client:
        answer = await client.get(f"/api/v1/access-log?{query}")

    assert answer.status_code == 400
