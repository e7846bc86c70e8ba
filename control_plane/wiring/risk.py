"""Who scores: histories and the active model of the database, verified by the home's key, countries by the map."""

import contextlib
from collections.abc import Iterator

import asyncpg
import structlog

from control_plane.config import Settings
from control_plane.home import Home
from policy_engine.adapters.countries import Countries
from policy_engine.adapters.risk_keys import RiskKeys
from policy_engine.domain.risk_model import Model
from policy_engine.service import RiskScorer
from policy_engine.service.risk_models import ModelKeeper
from policy_engine.store.risk_history import RiskHistoryStore
from policy_engine.store.risk_models import RiskModelStore
from shared_kernel.clock import Clock
from shared_kernel.events import Recorder

_log = structlog.get_logger()


@contextlib.contextmanager
def risk_of(settings: Settings, pool: asyncpg.Pool, recorder: Recorder, clock: Clock) -> Iterator[RiskScorer]:
    """Yield the scorer, not started; without GEOIP_DB nothing is known of countries."""
    keys = RiskKeys(Home(settings.home.resolve()).keys)

    def read(artifact: bytes) -> Model:
        from policy_engine.adapters.risk_model_file import from_bytes  # numpy, for who has a model

        return from_bytes(artifact, keys)

    with contextlib.closing(Countries(settings.geoip_db)) as countries:
        if not countries.is_on:
            _log.info("risk_by_country_is_off", why="GEOIP_DB names no file")
        yield RiskScorer(
            RiskHistoryStore(pool), ModelKeeper(RiskModelStore(pool), read, recorder, clock),
            countries.find if countries.is_on else None)
