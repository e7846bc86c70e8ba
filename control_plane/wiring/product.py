"""The houses introduced to one another."""

import contextlib
import hashlib
from collections.abc import AsyncIterator
from functools import partial

from audit_ledger.service import Ledger
from control_plane.config import Settings
from control_plane.connectors import connectors
from control_plane.continuous.changes import Changes, tell
from control_plane.continuous.streams import Streams
from control_plane.continuous.suspicion import Suspicion
from control_plane.continuous.verification import Reactions, Verification
from control_plane.fleet.metrics import Peers
from control_plane.home import Home
from control_plane.parts import Governed, Grid, Guarding, Policy
from control_plane.product import Product
from control_plane.signing_keys import key_source, vault_of
from control_plane.wiring.identity import identity_of
from control_plane.wiring.ledger import make_ledger
from control_plane.wiring.limits import limits_of
from control_plane.wiring.policy import archive_of, membership_of, publisher_of, source_of, verification_key
from control_plane.wiring.pools import Pools, opened
from control_plane.wiring.risk import risk_of
from control_plane.wiring.settling import left
from control_plane.wiring.upstreams import upstreams_of
from governance.service import Catalog, Governor, Lineage
from governance.store.catalog import CatalogStore
from governance.store.lineage import LineageStore
from grid_services.adapters.forecast_process import TrainingProcess
from grid_services.adapters.load_parquet import ParquetArchive
from grid_services.service import Analytics, Bus, Ingestion, Processing
from grid_services.service.forecasting import Forecasting
from grid_services.service.load_analytics import LoadAnalytics
from grid_services.service.load_archive import LoadArchive
from grid_services.store.bus_store import BusStore
from grid_services.store.forecast_store import ForecastStore
from grid_services.store.household_sums import HouseholdSums
from grid_services.store.ingest_store import IngestStore
from grid_services.store.load_store import LoadStore
from grid_services.store.telemetry_store import TelemetryStore
from grid_services.store.window_store import WindowStore
from identity.adapters.key_files import KeyFiles
from identity.service import IdentityProvider
from policy_engine.adapters.opa_server import OpaServerEvaluator
from policy_engine.adapters.regorus_evaluator import RegorusEvaluator
from policy_engine.service import Evaluator, PolicyEngine
from policy_engine.service.explaining import Explainer
from policy_engine.service.succession import started
from policy_engine.store.kept_bundles import KeptBundles
from shared_kernel.clock import Clock, SystemClock
from siem_rules.service import AlertQueue, Detector, shipped_rules
from siem_rules.store.alerts import AlertStore
from siem_rules.store.progress import ProgressStore
from soar_playbooks.adapters.folders import PlaybookFolders
from soar_playbooks.service import Responder
from soar_playbooks.store import PlaybookStore


def pseudonym_key(keys: KeyFiles) -> bytes:
    """Return the key under which governance makes pseudonyms, derived from a key of ours that never leaves."""
    return hashlib.sha256(b"gridwarden pseudonyms\0" + keys.form_key()).digest()


def make_grid(pools: Pools, ledger: Ledger, governed: Governed, clock: Clock) -> Grid:
    """Return the measuring services."""
    bus, loads = Bus(BusStore(pools.app)), LoadStore(pools.app)
    return Grid(
        bus=bus, ingestion=Ingestion(IngestStore(pools.app), ledger, clock),
        processing=Processing(WindowStore(pools.app), bus, governed.lineage),
        analytics=Analytics(TelemetryStore(pools.app), HouseholdSums(pools.app)),
        archive=LoadArchive(ParquetArchive(), loads, governed.lineage), load=LoadAnalytics(loads),
        forecasting=Forecasting(loads, ForecastStore(pools.app), TrainingProcess(), governed.lineage),
    )


@contextlib.asynccontextmanager
async def policy_of(settings: Settings, pools: Pools, ledger: Ledger, clock: Clock) -> AsyncIterator[Policy]:
    """Yield who decides, its bundle loaded, and who scores, its histories read."""
    evaluator: Evaluator = OpaServerEvaluator(str(settings.opa_url), clock) if settings.opa_url else RegorusEvaluator()
    key, kept = verification_key(settings), KeptBundles(pools.app)
    engine = PolicyEngine(
        evaluator, source_of(settings, key), ledger, clock, membership=membership_of(pools.app, key), kept=kept)
    try:
        publisher = publisher_of(pools.app, key, ledger, clock)
        await started(engine, publisher, archive_of(settings, key))
        with risk_of(settings, pools.app, ledger, clock) as risk:
            await risk.start()
            yield Policy(engine, risk, Explainer(kept, lambda: engine.bundle), publisher)
    finally:
        await engine.close()


async def govern(pools: Pools, home: Home, ledger: Ledger, clock: Clock) -> Governed:
    """Return governance, its catalog loaded."""
    catalog = Catalog(CatalogStore(pools.app), ledger, clock)
    await catalog.start()
    governor = Governor(catalog, ledger, clock, pseudonym_key=pseudonym_key(KeyFiles(home.keys / "identity")))
    return Governed(catalog, governor, Lineage(LineageStore(pools.app), clock))


def watch(  # noqa: PLR0913 - a composition point
    pools: Pools, home: Home, *, ledger: Ledger, identity: IdentityProvider, grid: Grid, clock: Clock,
) -> Guarding:
    """Return who notices and who answers; the operator's folders come after the shipped ones."""
    alerts = AlertStore(pools.app)
    detector = Detector(
        ProgressStore(pools.app), alerts, folders=[shipped_rules(), home.rules], recorder=ledger, clock=clock,
        reader=ledger,
    )
    responder = Responder(
        PlaybookStore.on(pools.app), PlaybookFolders([home.playbooks]), connectors(identity, grid.ingestion), ledger,
        clock,
    )
    return Guarding(detector, AlertQueue(alerts, ledger, clock), responder)


def vigilance(pools: Pools, policy: Policy, clock: Clock) -> Verification:
    """Return what keeps judging after a request was let in."""
    return Verification(Streams(clock, lambda: policy.engine.revision), Suspicion(partial(tell, pools.app)))


@contextlib.asynccontextmanager
async def assembled(
    settings: Settings, home: Home, url: str, *, peers: Peers | None = None,
) -> AsyncIterator[Product]:
    """Yield the product, its ledger leading or following, its services ready; on the way out everything is drained."""
    async with opened(url) as pools, contextlib.AsyncExitStack() as stack:
        clock = SystemClock()
        vault = stack.enter_context(vault_of(settings))
        audited = await make_ledger(pools, home, settings, clock, vault)
        ledger = audited.ledger
        await ledger.join()
        stack.push_async_callback(left, audited)
        policy = await stack.enter_async_context(policy_of(settings, pools, ledger, clock))
        identity = stack.enter_context(identity_of(
            settings, pools, await key_source(settings, home, vault, clock.now_us()), ledger=ledger, risk=policy.risk,
            clock=clock))
        governed = await govern(pools, home, ledger, clock)
        grid = make_grid(pools, ledger, governed, clock)
        guarding = watch(pools, home, ledger=ledger, identity=identity, grid=grid, clock=clock)
        await guarding.detector.reload(is_telling=False)
        counting = await stack.enter_async_context(limits_of(settings, pools, ledger, clock))
        verification, changes = vigilance(pools, policy, clock), Changes(url)
        Reactions(identity, policy.engine, verification, clock).listen(changes)
        upstreams = await stack.enter_async_context(upstreams_of(settings, home, identity.pen, vault, clock))
        product = Product(
            settings=settings, home=home, audited=audited, policy=policy, identity=identity, governed=governed,
            grid=grid, guarding=guarding, clock=clock, changes=changes, verification=verification,
            counting=counting, vault=vault, peers=peers or Peers(), upstreams=upstreams,
        )
        stack.push_async_callback(product.stop)
        yield product
