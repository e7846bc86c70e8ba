"""The composition root: the only module that names concrete stores and adapters."""

import contextlib
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import asyncpg

from audit_ledger.adapters.ledger_folder import LedgerFolder
from audit_ledger.service import Ledger
from audit_ledger.store.reader import LedgerReader
from audit_ledger.store.writer import LedgerWriter
from control_plane.config import Settings
from control_plane.database.pools import open_pool
from control_plane.database.roles import APP, LEDGER_READER, LEDGER_WRITER
from control_plane.home import Home
from governance.service import Catalog, Governor, Lineage
from governance.store.catalog import CatalogStore
from governance.store.lineage import LineageStore
from grid_services.adapters.forecast_process import TrainingProcess
from grid_services.adapters.load_parquet import ParquetArchive
from grid_services.service import Analytics, Bus, Ingestion, Processing
from grid_services.service.forecasting import Forecasting
from grid_services.service.load_analytics import LoadAnalytics
from grid_services.service.load_archive import LoadArchive
from grid_services.store.forecast_store import ForecastStore
from grid_services.store.load_store import LoadStore
from identity.adapters.key_files import KeyFiles
from identity.service import IdentityProvider
from identity.store.database import Database
from policy_engine.service import PolicyEngine, RiskScorer
from shared_kernel.clock import Clock, SystemClock
from siem_rules.service import AlertQueue, Detector, shipped_rules
from siem_rules.store.alerts import AlertStore
from siem_rules.store.progress import ProgressStore
from soar_playbooks.adapters.folders import PlaybookFolders
from soar_playbooks.service import Responder
from soar_playbooks.store import PlaybookStore

POOL_SIZE, WRITER_POOL_SIZE, READER_POOL_SIZE = 16, 3, 6
"""Connections: the houses share one pool, the ledger's writer and readers have their own roles."""
PRUNE_EVERY_S = 3600.0


@dataclass(frozen=True, slots=True)
class Pools:
    """One pool a role."""

    app: asyncpg.Pool
    ledger_writer: asyncpg.Pool
    ledger_reader: asyncpg.Pool


@contextlib.asynccontextmanager
async def opened(url: str) -> AsyncIterator[Pools]:
    """Yield the pools; they are closed, connections and all, on the way out."""
    async with contextlib.AsyncExitStack() as stack:
        pools = []
        for role, size in ((APP, POOL_SIZE), (LEDGER_WRITER, WRITER_POOL_SIZE), (LEDGER_READER, READER_POOL_SIZE)):
            pool = await open_pool(url, role, size=size)
            stack.callback(pool.terminate)
            pools.append(pool)
        yield Pools(*pools)


def make_ledger(pools: Pools, home: Home, clock: Clock) -> Ledger:
    """Return the ledger of this home's key."""
    folder = LedgerFolder(keys=home.keys, checkpoints=home.checkpoints)
    signer = folder.signer()
    return Ledger(
        LedgerWriter(pools.ledger_writer, signer.name), LedgerReader(pools.ledger_reader, signer.name),
        signer=signer, folder=folder, clock=clock,
    )


def make_identity(pools: Pools, home: Home, settings: Settings, ledger: Ledger, risk: RiskScorer,
                  clock: Clock) -> IdentityProvider:
    """Return the provider; how unusual a login is comes from the policy engine's risk."""

    async def login_risk(user_id: str, source_ip: str, user_agent: str) -> int:
        return risk.score(RiskFeatures(user_id, source_ip, user_agent, clock.now_us())).value

    async def login_accepted(user_id: str, source_ip: str, user_agent: str) -> None:
        await risk.observe(RiskFeatures(user_id, source_ip, user_agent, clock.now_us()))

    return IdentityProvider(
        Database(pools.app), ledger, clock, issuer=settings.gateway_url(), keys=KeyFiles(home.keys / "identity"),
        login_risk=login_risk, login_accepted=login_accepted,
    )


def pseudonym_key(keys: KeyFiles) -> bytes:
    """Return the key under which governance makes pseudonyms, derived from a key of ours that never leaves."""
    return hashlib.sha256(b"gridwarden pseudonyms\0" + keys.form_key()).digest()


@contextlib.asynccontextmanager
async def assembled(settings: Settings, home: Home, url: str) -> AsyncIterator[Product]:
    """Yield the product, its ledger leading and its services ready; on the way out everything is drained."""
    async with opened(url) as pools, contextlib.AsyncExitStack() as stack:
        clock = SystemClock()
        ledger = make_ledger(pools, home, clock)
        await ledger.start()
        stack.push_async_callback(ledger.stop)
        policy = await stack.enter_async_context(policy_of(settings, pools, ledger, clock))
        identity = make_identity(pools, home, settings, ledger, policy.risk, clock)
        stack.callback(identity.close)
        governed = await govern(pools, home, ledger, clock)
        grid = make_grid(pools, ledger, governed, clock)
        guarding = watch(pools, home, ledger, identity, grid, clock)
        await guarding.detector.start()
        product = Product(
            settings=settings, home=home, pools=pools, ledger=ledger, policy=policy, identity=identity,
            governed=governed, grid=grid, guarding=guarding, clock=clock,
        )
        stack.push_async_callback(product.stop)
        yield product
