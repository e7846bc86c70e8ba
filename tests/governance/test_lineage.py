"""Lineage: only what ran, whatever the order, however often."""

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.domain.lineage import Direction, Edge, Grain, edges_of, reach, run_of
from governance.http import endpoints
from governance.service import Catalog, Lineage
from governance.store.catalog import CatalogStore
from governance.store.lineage import LineageStore
from shared_kernel.data_access import LineageRecorder
from shared_kernel.errors import InvalidInputError
from tests.frozen_clock import FrozenClock
from tests.governance.house import Ledger, client_of, permitted

names = st.sampled_from(["a", "b", "c", "d"])
runs = st.lists(st.tuples(names, st.lists(names, max_size=3), st.lists(names, max_size=3)), max_size=8)


@pytest.fixture
async def lineage(app_pool: asyncpg.Pool, clock: FrozenClock) -> Lineage:
    return Lineage(LineageStore(app_pool), clock)


async def _run_pipeline(lineage: LineageRecorder) -> None:
    await lineage.ran("ingest", inputs=["bus:smartgrid-sensor-data"], outputs=["grid.sensor_data"])
    await lineage.ran(
        "windows", inputs=["grid.sensor_data"], outputs=["grid.sensor_aggregates"],
        columns={"grid.sensor_aggregates.avg": ["grid.sensor_data.value"]},
    )


async def test_upstream_tells_where_data_came_from(lineage: Lineage) -> None:
    await _run_pipeline(lineage)

    story = await lineage.around("grid.sensor_aggregates", Direction.UPSTREAM, 5)

    assert story.graph.nodes == {
        "grid.sensor_aggregates": 0, "grid.sensor_data": 1, "bus:smartgrid-sensor-data": 2,
    }
    assert Edge("windows", Grain.COLUMN, "grid.sensor_data.value", "grid.sensor_aggregates.avg") in story.graph.edges
    assert {run.job for run in story.runs} == {"ingest", "windows"}


async def test_a_step_that_did_not_run_leaves_no_edge(lineage: Lineage) -> None:
    await _run_pipeline(lineage)

    story = await lineage.around("grid.sensor_aggregates", Direction.DOWNSTREAM, 5)

    assert story.graph.nodes == {"grid.sensor_aggregates": 0}
    assert story.graph.edges == ()


async def test_depth_bounds_the_walk(lineage: Lineage) -> None:
    await _run_pipeline(lineage)

    story = await lineage.around("bus:smartgrid-sensor-data", Direction.DOWNSTREAM, 1)

    assert set(story.graph.nodes) == {"bus:smartgrid-sensor-data", "grid.sensor_data"}


async def test_a_run_learned_a_hundred_times_is_one_kind_of_run_with_the_same_edges(
    lineage: Lineage, clock: FrozenClock,
) -> None:
    for _ in range(100):
        clock.advance(1)
        await _run_pipeline(lineage)

    story = await lineage.around("grid.sensor_data", Direction.BOTH, 5)

    assert len(story.graph.edges) == 3
    assert [run.times for run in story.runs] == [100, 100]
    assert story.runs[0].last_at_us - story.runs[0].first_at_us == 99_000_000


async def test_a_column_of_a_dataset_that_took_no_part_is_refused(lineage: Lineage) -> None:
    with pytest.raises(InvalidInputError, match=r"grid\.customers\.name"):
        await lineage.ran("windows", inputs=["a"], outputs=["b"], columns={"b.x": ["grid.customers.name"]})

    assert (await lineage.around("b", Direction.BOTH, 3)).graph.edges == ()


@given(runs, st.randoms())
def test_the_graph_does_not_depend_on_order_or_repetition(
    several: list[tuple[str, list[str], list[str]]], chance: st.DrawFn,
) -> None:
    shuffled = several + several[:2]
    chance.shuffle(shuffled)  # type: ignore[attr-defined]

    def graph(learned: list[tuple[str, list[str], list[str]]]) -> set[Edge]:
        return {edge for job, inputs, outputs in learned for edge in edges_of(run_of(job, inputs, outputs, None))}

    assert graph(several) == graph(shuffled)
    assert reach(graph(several), "a", Direction.BOTH, 9) == reach(graph(shuffled), "a", Direction.BOTH, 9)


@given(runs)
def test_cycles_and_self_loops_end_the_walk(several: list[tuple[str, list[str], list[str]]]) -> None:
    edges = [edge for job, inputs, outputs in several for edge in edges_of(run_of(job, inputs, outputs, None))]

    found = reach(edges, "a", Direction.DOWNSTREAM, 20)

    assert set(found.nodes) <= {"a", "b", "c", "d"}
    assert all(edge in edges for edge in found.edges)


async def test_lineage_is_asked_over_http(lineage: Lineage, app_pool: asyncpg.Pool, clock: FrozenClock) -> None:
    await _run_pipeline(lineage)
    catalog = Catalog(CatalogStore(app_pool), Ledger(), clock)
    await catalog.start()
    async with client_of(endpoints(catalog, lineage, Ledger()), permitted("ana", "analyst")) as client:
        answer = await client.get("/api/v1/lineage?dataset=grid.sensor_aggregates&direction=upstream&depth=1")

    assert [node["name"] for node in answer.json()["nodes"]] == ["grid.sensor_aggregates", "grid.sensor_data"]
    assert answer.json()["nodes"][0]["classification"] == "INTERNAL"
    assert answer.json()["runs"][0]["times"] == 1


@pytest.mark.parametrize(("query", "sentence"), [
    ("", "name the dataset"), ("?dataset=a&direction=sideways", "direction"), ("?dataset=a&depth=21", "depth"),
    ("?dataset=a&depth=-1", "depth"), ("?dataset=a&verbose=1", "verbose"),
])
async def test_a_question_that_is_not_understood_is_refused(
    lineage: Lineage, app_pool: asyncpg.Pool, clock: FrozenClock, query: str, sentence: str,
) -> None:
    catalog = Catalog(CatalogStore(app_pool), Ledger(), clock)
    async with client_of(endpoints(catalog, lineage, Ledger()), permitted("ana", "analyst")) as client:
        answer = await client.get(f"/api/v1/lineage{query}")

    assert answer.status_code == 400
    assert sentence in answer.text
