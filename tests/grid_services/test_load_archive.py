"""All real hours in the database, judged against Polars reading the same files."""

from itertools import pairwise
from pathlib import Path

import asyncpg
import polars as pl
import pytest

import grid_services
from grid_services.adapters.load_parquet import ParquetArchive, UnreadableArchiveError
from grid_services.service.load_analytics import LoadAnalytics
from grid_services.service.load_archive import HOURS_SHIPPED, LoadArchive
from grid_services.store.load_store import LoadStore
from tests.grid_services.load_fakes import HOUR, START, KeptLineage, ListArchive

FOLDER = Path(grid_services.__path__[0]) / "data" / "bih_load"


@pytest.fixture
def lineage() -> KeptLineage:
    return KeptLineage()


@pytest.fixture
async def store(app_pool: asyncpg.Pool) -> LoadStore:
    return LoadStore(app_pool)


@pytest.fixture
def measured() -> pl.DataFrame:
    """The shipped file as Polars reads it: `hour` in local time, `mw`."""
    return pl.read_parquet(FOLDER / "load_actual.parquet").rename({"Actual Load": "mw", "__index_level_0__": "hour"})


async def _load(store: LoadStore, lineage: KeptLineage) -> list[tuple[int, int]]:
    told: list[tuple[int, int]] = []
    await LoadArchive(ParquetArchive(), store, lineage).load(lambda done, total: told.append((done, total)))
    return told


async def test_the_known_faults_are_marked_and_nothing_else(
    app_pool: asyncpg.Pool, store: LoadStore, lineage: KeptLineage,
) -> None:
    await _load(store, lineage)

    counted = {
        table: dict(await app_pool.fetch(f"SELECT quality, count(*) FROM grid_services.{table} GROUP BY 1"))  # noqa: S608 - a table's name
        for table in ("load_actual", "load_forecast")
    }

    assert counted["load_actual"] == {"ok": 81_151, "zero": 1_229, "spike": 14, "missing": 244}
    assert counted["load_forecast"] == {"ok": 92_481, "zero": 671, "missing": 144}


async def test_every_stored_hour_is_the_files_hour(
    app_pool: asyncpg.Pool, store: LoadStore, lineage: KeptLineage, measured: pl.DataFrame,
) -> None:
    await _load(store, lineage)

    rows = await app_pool.fetch(
        "SELECT extract(epoch FROM hour)::bigint, mw FROM grid_services.load_actual WHERE mw IS NOT NULL ORDER BY 1")

    expected = measured.select(pl.col("hour").dt.epoch("s"), "mw").sort("hour").rows()
    assert [tuple(row) for row in rows] == expected


async def test_statistics_of_every_year_are_those_of_polars(
    store: LoadStore, lineage: KeptLineage, measured: pl.DataFrame,
) -> None:
    await _load(store, lineage)
    analytics = LoadAnalytics(store)
    good = measured.filter((pl.col("mw") > 0) & (pl.col("mw") <= 2_500))
    months = good.group_by(month=pl.col("hour").dt.strftime("%Y-%m")).agg(
        ok=pl.len(), mean=pl.col("mw").mean(), low=pl.col("mw").min(), high=pl.col("mw").max())
    years = good.group_by(month=pl.col("hour").dt.strftime("%Y")).agg(
        ok=pl.len(), mean=pl.col("mw").mean(), low=pl.col("mw").min(), high=pl.col("mw").max())
    expected = {row["month"]: row for row in (*months.to_dicts(), *years.to_dicts())}

    ours = {row["month"]: row for year in range(2017, 2027) for row in await analytics.statistics(year)}

    assert ours.keys() == expected.keys()
    for month, row in ours.items():
        assert row["ok"] == expected[month]["ok"]
        assert (row["min_mw"], row["max_mw"]) == (expected[month]["low"], expected[month]["high"])
        assert row["mean_mw"] == pytest.approx(expected[month]["mean"], rel=1e-12)


async def test_the_days_the_clock_changes_have_23_and_25_hours(
    app_pool: asyncpg.Pool, store: LoadStore, lineage: KeptLineage,
) -> None:
    await _load(store, lineage)

    rows = await app_pool.fetch("""
        SELECT (hour AT TIME ZONE 'Europe/Sarajevo')::date::text AS day, count(*) FROM grid_services.load_actual
        WHERE hour >= '2018-01-01' AND hour < '2025-12-31' GROUP BY 1 HAVING count(*) <> 24 ORDER BY 1""")

    counts = dict(rows)
    assert counts.pop("2018-01-01", None) == 23, "the range itself begins an hour after that local midnight"
    assert counts.pop("2025-12-31", None) == 1, "and ends an hour after this one"
    assert sorted(counts.values()) == [23] * 8 + [25] * 8
    assert (counts["2025-03-30"], counts["2025-10-26"]) == (23, 25)


async def test_a_second_start_loads_nothing_and_tells_no_lineage(store: LoadStore, lineage: KeptLineage) -> None:
    told = await _load(store, lineage)
    before = list(lineage.runs)

    again = await _load(store, lineage)

    assert told[-1] == (HOURS_SHIPPED, HOURS_SHIPPED)
    assert all(earlier[0] < later[0] for earlier, later in pairwise(told))
    assert again == []
    assert lineage.runs == before
    assert [run[2] for run in before] == [("grid.load_actual",), ("grid.load_forecast",)]


async def test_an_interrupted_load_leaves_nothing_and_the_next_start_completes_it(
    app_pool: asyncpg.Pool, store: LoadStore, lineage: KeptLineage,
) -> None:
    rows = [(START + place * HOUR, 1000.0) for place in range(50)]

    with pytest.raises(UnreadableArchiveError, match="load_forecast"):
        await LoadArchive(ListArchive(rows, breaks_after=25), store, lineage).load()
    left = await app_pool.fetchval("SELECT count(*) FROM grid_services.load_actual")
    written = await LoadArchive(ListArchive(rows), store, lineage).load()

    assert (left, written, len(lineage.runs)) == (0, 100, 2)


async def test_a_torn_file_is_named_with_the_remedy(tmp_path: Path, store: LoadStore, lineage: KeptLineage) -> None:
    for name in ("load_actual", "load_forecast"):
        (tmp_path / f"{name}.parquet").write_bytes((FOLDER / f"{name}.parquet").read_bytes()[:-500])

    with pytest.raises(UnreadableArchiveError, match=r"load_actual\.parquet.*install Gridwarden again"):
        await LoadArchive(ParquetArchive(tmp_path), store, lineage).load()


async def test_a_new_edition_replaces_the_old_one(
    app_pool: asyncpg.Pool, store: LoadStore, lineage: KeptLineage,
) -> None:
    await LoadArchive(ListArchive([(START, 1000.0), (START + HOUR, 1.0)]), store, lineage).load()

    await LoadArchive(ListArchive([(START, 1100.0)], edition="b"), store, lineage).load()

    assert await app_pool.fetchval("SELECT array_agg(mw) FROM grid_services.load_actual") == [1100.0]


async def test_zeros_spikes_and_gaps_never_enter_an_average(store: LoadStore, lineage: KeptLineage) -> None:
    rows = [(START, 1000.0), (START + HOUR, 0.0), (START + 2 * HOUR, 16_590.52), (START + 5 * HOUR, 1200.0)]
    await LoadArchive(ListArchive(rows), store, lineage).load()

    year = (await LoadAnalytics(store).statistics(2025))[-1]

    assert (year["hours"], year["ok"], year["zero"], year["spike"], year["missing"]) == (6, 2, 1, 1, 2)
    assert (year["mean_mw"], year["min_mw"], year["max_mw"]) == (1100.0, 1000.0, 1200.0)
