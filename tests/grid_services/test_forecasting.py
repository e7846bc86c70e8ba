"""Forecasting trains once, keeps what was trained, and says why when it could not."""

import asyncio
from hashlib import sha256
from typing import Any

import asyncpg
import orjson
import pytest

from grid_services.adapters.forecast_process import TrainingError, TrainingProcess
from grid_services.domain.forecast_recipe import QUANTILES, Variant
from grid_services.service.forecasting import Forecasting, NoForecastError
from grid_services.service.load_archive import LoadArchive
from grid_services.store.forecast_store import ForecastStore
from grid_services.store.load_store import LoadStore
from tests.grid_services.load_fakes import HOUR, START, KeptLineage, ListArchive


class QuickTrainer:
    """Answers at once with a forecast of one hour, and counts how often it was asked."""

    def __init__(self) -> None:
        """Nobody asked yet."""
        self.asked: list[dict[str, Any]] = []

    async def train(self, asked: bytes) -> bytes:
        """Return a forecast that is well formed."""
        self.asked.append(orjson.loads(asked))
        hour = {"hour": START + 48 * HOUR, "issued_at": START, "p10": 1.0, "p50": 2.0, "p90": 3.0}
        return orjson.dumps({
            "models": [{"variant": variant, "quantile": quantile, "model": f"{variant} {quantile}"}
                       for variant in Variant for quantile in QUANTILES],
            "hours": [{"kind": kind, "variant": Variant.WITHOUT_OPERATOR, **hour}
                      for kind in ("backtest", "day_ahead")],
            "scores": [{"period": period, "hours": 1, "operator": 4.0, "naive_week": 3.0, "without_operator": 2.0,
                        "with_operator": 1.0, "coverage_without_operator": 80.0, "coverage_with_operator": 80.0}
                       for period in ("total", "2025-02", "2025-01")],
            "cpu_ms": 5,
        })


class BrokenTrainer:
    """Always fails."""

    async def train(self, asked: bytes) -> bytes:
        """Fail with a reason."""
        raise TrainingError(f"{len(asked) > 0} reason")


@pytest.fixture
async def loads(app_pool: asyncpg.Pool) -> LoadStore:
    """An archive of a few hours, one of them zero."""
    store = LoadStore(app_pool)
    rows: list[tuple[int, float | None]] = [(START, 1000.0), (START + HOUR, 0.0), (START + 3 * HOUR, 1100.0)]
    await LoadArchive(ListArchive(rows), store, KeptLineage()).load()
    return store


async def test_a_training_sees_good_hours_only_and_is_kept_with_its_hashes(
    app_pool: asyncpg.Pool, loads: LoadStore,
) -> None:
    trainer, lineage = QuickTrainer(), KeptLineage()
    forecasting = Forecasting(loads, ForecastStore(app_pool), trainer, lineage)

    trained = await forecasting.ensure_trained()
    found = await forecasting.backtest()

    assert trained
    assert trainer.asked[0]["actual"] == {"first": START, "mw": [1000.0, None, None, 1100.0]}
    assert [row["period"] for row in found["scores"]] == ["2025-01", "2025-02", "total"]
    assert {model["sha256"] for model in found["about"]["models"]} == {
        sha256(f"{variant} {quantile}".encode()).hexdigest() for variant in Variant for quantile in QUANTILES}
    assert lineage.runs == [(
        "grid_services.forecast_training", ("grid.load_actual", "grid.load_forecast"), ("grid.forecast",))]


async def test_a_second_start_trains_nothing(app_pool: asyncpg.Pool, loads: LoadStore) -> None:
    trainer, lineage = QuickTrainer(), KeptLineage()
    await Forecasting(loads, ForecastStore(app_pool), trainer, lineage).ensure_trained()

    again = await Forecasting(loads, ForecastStore(app_pool), trainer, lineage).ensure_trained()

    assert not again
    assert (len(trainer.asked), len(lineage.runs)) == (1, 1)


async def test_new_data_is_trained_anew_and_replaces_the_old_run(app_pool: asyncpg.Pool, loads: LoadStore) -> None:
    forecasting = Forecasting(loads, ForecastStore(app_pool), QuickTrainer(), KeptLineage())
    await forecasting.ensure_trained()
    await LoadArchive(ListArchive([(START, 1.0)], edition="b"), loads, KeptLineage()).load()

    trained = await forecasting.ensure_trained()

    assert trained
    assert await app_pool.fetchval("SELECT count(*) FROM grid_services.forecast_run") == 1


async def test_a_failed_training_is_told_with_its_reason_and_leaves_no_lineage(
    app_pool: asyncpg.Pool, loads: LoadStore,
) -> None:
    lineage = KeptLineage()
    forecasting = Forecasting(loads, ForecastStore(app_pool), BrokenTrainer(), lineage)

    trained = await forecasting.ensure_trained()

    assert not trained
    assert lineage.runs == []
    with pytest.raises(NoForecastError, match="True reason"):
        await forecasting.day_ahead(Variant.WITHOUT_OPERATOR)


async def test_an_answer_that_makes_no_sense_is_a_failed_training(app_pool: asyncpg.Pool, loads: LoadStore) -> None:
    class Babbling:
        async def train(self, asked: bytes) -> bytes:
            return b'{"models": []}' if asked else b""

    forecasting = Forecasting(loads, ForecastStore(app_pool), Babbling(), KeptLineage())

    assert not await forecasting.ensure_trained()
    with pytest.raises(NoForecastError, match="not understood"):
        await forecasting.backtest()


async def test_quantiles_the_database_refuses_leave_no_half_run(app_pool: asyncpg.Pool, loads: LoadStore) -> None:
    class Crossing(QuickTrainer):
        async def train(self, asked: bytes) -> bytes:
            return (await super().train(asked)).replace(b'"p10":1.0', b'"p10":9.0')

    forecasting = Forecasting(loads, ForecastStore(app_pool), Crossing(), KeptLineage())

    assert not await forecasting.ensure_trained()
    assert await app_pool.fetchval("SELECT count(*) FROM grid_services.forecast_run") == 0
    with pytest.raises(NoForecastError, match="CheckViolationError"):
        await forecasting.backtest()


async def test_before_the_archive_is_loaded_the_forecast_says_so(app_pool: asyncpg.Pool) -> None:
    forecasting = Forecasting(LoadStore(app_pool), ForecastStore(app_pool), QuickTrainer(), KeptLineage())

    assert not await forecasting.ensure_trained()
    with pytest.raises(NoForecastError, match="archive is not loaded"):
        await forecasting.backtest()


async def test_a_changed_model_text_is_refused_by_the_database(app_pool: asyncpg.Pool, loads: LoadStore) -> None:
    await Forecasting(loads, ForecastStore(app_pool), QuickTrainer(), KeptLineage()).ensure_trained()

    with pytest.raises(asyncpg.CheckViolationError):
        await app_pool.execute("UPDATE grid_services.forecast_model SET model = 'mine'")


async def test_a_child_that_fails_is_a_training_error_with_its_words() -> None:
    with pytest.raises(TrainingError, match="no_such_module"):
        await TrainingProcess("grid_services.no_such_module").train(b"{}")


async def test_a_machine_without_openmp_is_told_what_to_install(
    app_pool: asyncpg.Pool, loads: LoadStore,
) -> None:
    trainer = TrainingProcess("tests.grid_services.without_openmp")
    forecasting = Forecasting(loads, ForecastStore(app_pool), trainer, KeptLineage())

    assert not await forecasting.ensure_trained()

    with pytest.raises(NoForecastError, match="apt install libgomp1"):
        await forecasting.backtest()


async def test_a_cancelled_training_leaves_no_process() -> None:
    training = asyncio.create_task(TrainingProcess("http.server").train(b""))
    await asyncio.sleep(0.5)

    training.cancel()

    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(training, 5)
