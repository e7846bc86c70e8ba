"""The Catalog: unclassified is RESTRICTED; a raised label stays; lowering needs a review."""

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.domain.declaration import datasets_from
from governance.domain.entries import Column, Dataset, Override, effective, raised
from governance.domain.errors import DeclarationError, LoweringRefusedError, UnknownColumnError, UnknownDatasetError
from governance.http import endpoints
from governance.service import Catalog, LabelChange, Lineage
from governance.service.catalog import shipped_datasets
from governance.store.catalog import CatalogStore
from governance.store.lineage import LineageStore
from shared_kernel.classification import Classification
from shared_kernel.errors import UnavailableError
from tests.frozen_clock import FrozenClock
from tests.governance.house import Ledger, client_of, permitted

STEWARD = permitted("stana", "data_steward", purpose="audit")
CONFIDENTIAL, INTERNAL, RESTRICTED = Classification.CONFIDENTIAL, Classification.INTERNAL, Classification.RESTRICTED
labels = st.sampled_from(Classification)


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture
async def catalog(app_pool: asyncpg.Pool, clock: FrozenClock, ledger: Ledger) -> Catalog:
    catalog = Catalog(CatalogStore(app_pool), ledger, clock)
    await catalog.start()
    return catalog


@pytest.fixture
def lineage(app_pool: asyncpg.Pool, clock: FrozenClock) -> Lineage:
    return Lineage(LineageStore(app_pool), clock)


async def test_what_is_not_in_the_catalog_is_restricted(catalog: Catalog) -> None:
    assert catalog.classification("grid.nobody_knows") is RESTRICTED
    assert catalog.labels("grid.nobody_knows") == {}


async def test_the_shipped_labels_are_the_agreed_ones(catalog: Catalog) -> None:
    found = {entry.name: entry.classification.name for entry in catalog.entries()}

    assert found == {
        "grid.load_actual": "PUBLIC", "grid.load_forecast": "PUBLIC", "grid.forecast": "PUBLIC",
        "grid.sensor_data": "INTERNAL", "grid.sensor_aggregates": "INTERNAL",
        "grid.consumption_aggregates": "INTERNAL", "grid.meter_readings": "INTERNAL", "grid.customers": "RESTRICTED",
    }
    assert catalog.labels("grid.meter_readings")["customer_id"] is RESTRICTED
    assert catalog.labels("grid.meter_readings")["meter_id"] is INTERNAL


async def test_every_restricted_personal_column_declares_its_mask() -> None:
    bare = [f"{entry.name}.{column.name}" for entry in shipped_datasets() for column in entry.columns.values()
            if column.categories and column.classification is RESTRICTED and column.mask is None]

    assert bare == []


async def test_a_raised_label_is_sealed_seen_at_once_and_survives_a_restart(
    catalog: Catalog, ledger: Ledger, app_pool: asyncpg.Pool, clock: FrozenClock,
) -> None:
    await catalog.change_label("grid.sensor_data", LabelChange(CONFIDENTIAL, "substation map"), STEWARD)
    again = Catalog(CatalogStore(app_pool), ledger, clock)
    await again.start()

    assert catalog.classification("grid.sensor_data") is CONFIDENTIAL
    assert again.classification("grid.sensor_data") is CONFIDENTIAL
    assert ledger.events[-1]["grid"]["label"]["to"] == "CONFIDENTIAL"
    assert ledger.events[-1]["event"]["reason"] == "substation map"


async def test_a_column_is_raised_alone(catalog: Catalog) -> None:
    await catalog.change_label("grid.meter_readings", LabelChange(RESTRICTED, "profiles", "reading_kwh"), STEWARD)

    assert catalog.labels("grid.meter_readings")["reading_kwh"] is RESTRICTED
    assert catalog.classification("grid.meter_readings") is INTERNAL


async def test_lowering_is_refused_and_nothing_is_sealed(catalog: Catalog, ledger: Ledger) -> None:
    with pytest.raises(LoweringRefusedError, match="needs a reviewed declassification"):
        await catalog.change_label("grid.customers", LabelChange(INTERNAL, "easier"), STEWARD)

    assert ledger.events == []


async def test_a_change_that_cannot_be_sealed_does_not_happen(catalog: Catalog, ledger: Ledger) -> None:
    ledger.is_down = True

    with pytest.raises(UnavailableError):
        await catalog.change_label("grid.sensor_data", LabelChange(CONFIDENTIAL, "map"), STEWARD)
    await catalog.refresh()

    assert catalog.classification("grid.sensor_data") is INTERNAL


async def test_the_same_label_again_changes_and_seals_nothing(catalog: Catalog, ledger: Ledger) -> None:
    await catalog.change_label("grid.sensor_data", LabelChange(INTERNAL, "as it is"), STEWARD)

    assert ledger.events == []


async def test_unknown_names_are_named(catalog: Catalog) -> None:
    with pytest.raises(UnknownDatasetError, match="nope"):
        await catalog.change_label("nope", LabelChange(RESTRICTED, "why"), STEWARD)
    with pytest.raises(UnknownColumnError, match="shoe_size"):
        await catalog.change_label("grid.customers", LabelChange(RESTRICTED, "why", "shoe_size"), STEWARD)


async def test_a_dataset_that_left_the_file_is_unclassified_and_its_override_waits(catalog: Catalog) -> None:
    await catalog.change_label("grid.sensor_data", LabelChange(CONFIDENTIAL, "map"), STEWARD)

    await catalog.start(tuple(entry for entry in shipped_datasets() if entry.name != "grid.sensor_data"))
    gone = catalog.classification("grid.sensor_data")
    await catalog.start()

    assert gone is RESTRICTED
    assert catalog.classification("grid.sensor_data") is CONFIDENTIAL


async def test_the_application_may_not_delete_a_raised_label(app_pool: asyncpg.Pool) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await app_pool.execute("DELETE FROM governance.label_overrides")


@given(st.lists(labels))
def test_the_effective_label_is_the_greatest(several: list[Classification]) -> None:
    assert effective(*several) == (max(several) if several else RESTRICTED)


@given(labels, labels, labels)
def test_a_column_is_never_below_its_dataset_nor_an_override(
    own: Classification, column: Classification, override: Classification,
) -> None:
    entry = Dataset("d", "", "", own, {"c": Column("c", column)})

    after = raised(entry, Override("d", "c", override, "", "", 0))

    assert after.label("c") == max(own, column, override)


@pytest.mark.parametrize(("document", "place"), [
    (None, "top level"), ({"datasets": []}, "datasets"), ({"datasets": {"d": {"colour": 1}}}, "colour"),
    ({"datasets": {"d": {"classification": "SECRET"}}}, "SECRET"),
    ({"datasets": {"d": {"columns": {"c": {"mask": "blur"}}}}}, "blur"),
    ({"datasets": {"d": {"columns": {"c": {"categories": ["FUN"]}}}}}, "FUN"),
])
def test_a_wrong_declaration_is_refused_with_its_place(document: object, place: str) -> None:
    with pytest.raises(DeclarationError, match=place):
        datasets_from(document)


def test_a_column_without_a_label_is_declared_restricted() -> None:
    (entry,) = datasets_from({"datasets": {"d": {"classification": "PUBLIC", "columns": {"c": None}}}})

    assert entry.label("c") is RESTRICTED


async def test_the_catalog_is_listed_and_shown(catalog: Catalog, lineage: Lineage) -> None:
    async with client_of(endpoints(catalog, lineage, Ledger()), STEWARD) as client:
        listed = await client.get("/api/v1/catalog/datasets")
        shown = await client.get("/api/v1/catalog/datasets/grid.meter_readings")
        missing = await client.get("/api/v1/catalog/datasets/grid.nothing")

    assert len(listed.json()["items"]) == 8
    assert {"name": "customer_id", "classification": "RESTRICTED", "categories": ["PII"],
            "mask": "sha-256-global"} in shown.json()["columns"]
    assert missing.status_code == 404


@pytest.mark.parametrize(("body", "status", "sentence"), [
    ('{"classification": "CONFIDENTIAL", "reason": "map"}', 200, ""),
    ('{"classification": "SECRET", "reason": "map"}', 422, "is not a classification"),
    ('{"classification": "PUBLIC", "reason": "map"}', 403, "reviewed declassification"),
    ('{"classification": "CONFIDENTIAL"}', 422, "reason"),
    ('{"classification": "CONFIDENTIAL", "reason": "map\\u0000"}', 422, "reason"),
    ('{"classification": "CONFIDENTIAL", "reason": "map", "force": true}', 422, "force"),
    ('{"classification": "CONFIDENTIAL", "reason": "a", "reason": "b"}', 400, "twice"),
])
async def test_a_label_is_put_or_refused_with_the_reason(
    catalog: Catalog, lineage: Lineage, body: str, status: int, sentence: str,
) -> None:
    async with client_of(endpoints(catalog, lineage, Ledger()), STEWARD) as client:
        answer = await client.put("/api/v1/catalog/datasets/grid.sensor_data/label", content=body)

    assert answer.status_code == status
    assert sentence in answer.text
