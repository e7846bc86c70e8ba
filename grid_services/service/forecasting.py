"""Forecasting keeps one trained day-ahead forecast of the load, and says why when there is none."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar, Protocol

import orjson
import structlog
from prometheus_client import Counter

from grid_services.domain.forecast_recipe import RECIPE, Variant
from grid_services.domain.load_hours import Series
from grid_services.store.forecast_store import ForecastStore, Run
from grid_services.store.load_store import LoadStore
from shared_kernel.data_access import LineageRecorder
from shared_kernel.errors import GridwardenError, NotFoundError

_log = structlog.get_logger()
_trainings = Counter("gridwarden_grid_services_forecast_trainings", "Trainings of the load forecast.", ["outcome"])
_LOAD = "grid.load_actual.actual_mw"
_OPERATOR = "grid.load_forecast.operator_forecast_mw"
_FORECAST = "grid.forecast"
_ANSWER = {"models", "hours", "scores", "cpu_ms"}


class NoForecastError(NotFoundError):
    """There is no trained forecast yet; the plane itself is well, so this is no fault of a server."""

    headers: ClassVar[Mapping[str, str]] = {"Retry-After": "60"}

    def __init__(self, why: str) -> None:
        super().__init__(f"there is no forecast: {why}")


class Trainer(Protocol):
    """Turns series into models and forecasts; adapters.forecast_process.TrainingProcess is one."""

    async def train(self, asked: bytes) -> bytes:
        """Return the training's JSON; raise a GridwardenError that says what went wrong."""


class Forecasting:
    """Trains once an edition of the data and answers from what is stored."""

    def __init__(self, loads: LoadStore, store: ForecastStore, trainer: Trainer, lineage: LineageRecorder) -> None:
        """Read from `loads`, keep in `store`, let `trainer` work, tell `lineage` what really ran."""
        self._loads = loads
        self._store = store
        self._trainer = trainer
        self._lineage = lineage
        self._state = "its training has not begun yet: retry in a minute"

    async def ensure_trained(self) -> bool:
        """Train unless this recipe has seen this data; return whether it trained.

        A failure is logged as an alarm and told to whoever asks for the forecast; it never stops the plane.
        """
        try:
            return await self._ensure()
        except Exception as cause:  # noqa: BLE001 - a background task's last word: whatever went wrong is told
            is_ours = isinstance(cause, GridwardenError)
            why = str(cause) if is_ours else f"the training failed ({type(cause).__name__})"
            self._state = f"{why}; the plane tries again when it starts"
            _trainings.labels("failure").inc()
            _log.error("forecast_training_failed", reason=why)
            return False

    async def backtest(self) -> dict[str, Any]:
        """Return `about` (the training) and `scores` (a month each, the total last)."""
        about = await self._store.about()
        if about is None:
            raise NoForecastError(self._state)
        return {"about": about, "scores": await self._store.scores()}

    async def day_ahead(self, variant: Variant) -> list[dict[str, Any]]:
        """Return the latest day's hours; empty when the operator has not published what the variant needs."""
        if await self._store.about() is None:
            raise NoForecastError(self._state)
        return await self._store.day_ahead(variant.value)

    async def _ensure(self) -> bool:
        source = await self._loads.fingerprint()
        if source is None:
            raise NoForecastError("the load archive is not loaded")
        if await self._store.has(RECIPE, source):
            return False
        self._state = "it is being trained: retry in a minute"
        actual = await self._loads.series("load_actual")
        operator = await self._loads.series("load_forecast")
        trained = _understood(await self._trainer.train(_question(actual, operator)))
        await self._store.save(Run(RECIPE, source, datetime.fromtimestamp(actual.end, UTC)), trained)
        await self._tell()
        _trainings.labels("success").inc()
        _log.info("forecast_trained", recipe=RECIPE, cpu_ms=trained["cpu_ms"], hours=len(trained["hours"]))
        return True

    async def _tell(self) -> None:
        written = {f"{_FORECAST}.forecast_{quantile}_mw": (_LOAD, _OPERATOR) for quantile in ("p10", "p50", "p90")}
        await self._lineage.ran(
            "grid_services.forecast_training", inputs=("grid.load_actual", "grid.load_forecast"),
            outputs=(_FORECAST,), columns=written,
        )


def _understood(answer: bytes) -> dict[str, Any]:
    try:
        trained = orjson.loads(answer)
    except orjson.JSONDecodeError as cause:
        raise NoForecastError("the training's answer is not understood") from cause
    if not isinstance(trained, dict) or trained.keys() != _ANSWER:
        raise NoForecastError("the training's answer is not understood")
    return trained


def _question(actual: Series, operator: Series) -> bytes:
    return orjson.dumps({name: {"first": series.first, "mw": series.mw}
                         for name, series in (("actual", actual), ("operator", operator))})
