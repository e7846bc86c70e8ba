"""The product as it runs: its services, its gateway, its background work, its first start and its end."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version

import structlog

from audit_ledger.http.endpoints import endpoints as ledger_endpoints
from audit_ledger.service import Ledger
from control_plane import first_start, health
from control_plane.config import Settings
from control_plane.continuous.changes import Changes
from control_plane.continuous.verification import Verification
from control_plane.decision_point import city_of, page_token_key
from control_plane.fleet.duties import Duties, Named
from control_plane.fleet.labels import Labels
from control_plane.fleet.metrics import Peers
from control_plane.gateway import decisions, live_decisions, watermark_desk, why
from control_plane.gateway.enforcement import Gateway
from control_plane.gateway.watermark import Watermarks
from control_plane.home import Home
from control_plane.memory import settle_memory
from control_plane.openapi import own as own_operations
from control_plane.openapi.audience import Audience
from control_plane.openapi.endpoints import with_description
from control_plane.parts import Audited, Counting, Governed, Grid, Guarding, Policy
from control_plane.relay import relay
from control_plane.screen import Screen
from control_plane.subscriptions import subscriptions
from control_plane.supervision import Supervisor
from control_plane.upstreams.upstreams import Upstreams
from control_plane.vault_session import VaultSession
from governance.http import endpoints as governance_endpoints
from grid_services.http import endpoints as grid_endpoints
from identity.adapters.key_files import KeyFiles
from identity.http.endpoints import endpoints as identity_endpoints
from identity.service import IdentityProvider
from policy_engine.http import endpoints as policy_endpoints
from policy_engine.http import operations as policy_operations
from policy_engine.http.authzen import described as authzen_described
from policy_engine.http.authzen import endpoints as authzen_endpoints
from policy_engine.http.bundles import bundle_endpoints
from shared_kernel.clock import Clock
from shared_kernel.endpoint import Endpoint
from shared_kernel.operation import described
from siem_rules.http import endpoints as siem_endpoints
from soar_playbooks.http import endpoints as soar_endpoints

PRUNE_EVERY_S = 3600.0
RULES_EVERY_S = 1.0
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Product:
    """Everything wired; `supervisor` keeps the background work, `checks` are those of whoever runs it."""

    settings: Settings
    home: Home
    audited: Audited
    policy: Policy
    identity: IdentityProvider
    governed: Governed
    grid: Grid
    guarding: Guarding
    clock: Clock
    changes: Changes
    verification: Verification
    counting: Counting
    vault: VaultSession | None = None
    peers: Peers = field(default_factory=Peers)
    checks: dict[str, health.Check] = field(default_factory=dict)
    upstreams: Upstreams | None = None
    supervisor: Supervisor = field(default_factory=Supervisor)
    duties: Duties = field(init=False)

    def __post_init__(self) -> None:
        """Prepare the duties of a lead."""
        object.__setattr__(self, "duties", Duties(self.ledger, self._once))

    @property
    def ledger(self) -> Ledger:
        """The record of everything."""
        return self.audited.ledger

    def endpoints(self) -> tuple[Endpoint, ...]:
        """Return every route of the city, each naming its action."""
        own = self._own_endpoints()
        city = city_of(
            own, policy=self.policy, identity=self.identity, governed=self.governed, ledger=self.ledger,
            clock=self.clock, token_key=page_token_key(KeyFiles(self.home.keys / "identity")),
            origin=self.settings.gateway_origin())
        return with_description(
            (*own, *authzen_described(authzen_endpoints(city))), self._audience,
            version=version("gridwarden"), origin=self.settings.gateway_origin())

    def _audience(self) -> Audience:
        bundle = self.policy.engine.bundle
        return Audience() if bundle is None else Audience(bundle.revision, bundle.data.get("access", {}))

    def _own_endpoints(self) -> tuple[Endpoint, ...]:
        checks = {"ledger": self._ledger_check, "database": self.grid.bus.check, "background": self.supervisor.check,
                  "policy": self.policy.engine.check, "changes": self.changes.check,
                  "duties": self.duties.supervisor.check, **self.checks}
        return described((
            *health.endpoints(health.Health(checks, self._notes), self.peers.exposition),
            *identity_endpoints(self.identity),
            *policy_endpoints(self.policy.engine, self.policy.risk, self.policy.explainer),
            *bundle_endpoints(self.policy.publisher),
            *self._ledger_endpoints(),
            *governance_endpoints(self.governed.catalog, self.governed.lineage, self.ledger),
            *grid_endpoints(self.grid, self.governed.governor),
            *siem_endpoints(self.guarding.detector, self.guarding.alerts),
            *soar_endpoints(self.guarding.responder),
            *decisions.endpoints(self.ledger),
            *why.endpoints(self.ledger, self.policy.explainer),
            *watermark_desk.endpoints(self._watermarks(), self.ledger),
            *live_decisions.endpoints(self.ledger),
            *(own_operations.passed_on(self.upstreams.endpoints()) if self.upstreams else ()),
        ), {**own_operations.OPERATIONS, **policy_operations.OPERATIONS})

    def gateways(self, *origins: str) -> list[Gateway]:
        """Return the enforcement point in front of all of them, once for each origin they are called by."""
        endpoints = self.endpoints()
        return [self.gateway_before(endpoints, origin) for origin in origins]

    def gateway_before(self, endpoints: Sequence[Endpoint], origin: str) -> Gateway:
        """Return an enforcement point in front of some routes."""
        return Gateway(
            endpoints, identity=self.identity, policy=self.policy.engine, risk=self.policy.risk,
            ledger=self.ledger, labels=self.governed.catalog, clock=self.clock,
            origin=origin, verification=self.verification, limits=self.counting.limiter,
            trusted_proxies=self.settings.trusted_proxies, watermarks=self._watermarks(),
        )

    def _watermarks(self) -> Watermarks:
        return Watermarks(KeyFiles(self.home.keys / "identity").form_key())

    async def first_start(self, screen: Screen, *, demo: bool) -> None:
        """Bring what a first start brings; later starts find it there, and so do processes that do not lead."""
        if not self.ledger.membership.leads:
            return
        await first_start.ensure_clients(self.identity, self.settings, self.home)
        screen.credentials(await first_start.ensure_people(self.identity, demo=demo))
        with screen.progress("Loading the load of Bosnia and Herzegovina") as advance:
            await self.grid.archive.load(advance)

    def start_background(self) -> None:
        """Start what runs beside the requests: some of it in every process, some only where the ledger is led."""
        settle_memory()
        for name, work in self._everywhere():
            self.supervisor.start(name, work)
        self.supervisor.start("duties", self.duties.run)

    def _everywhere(self) -> Iterator[Named]:
        """What each process needs of its own."""
        yield "changes", self.changes.run
        yield "streams", self.verification.streams.run
        yield "policy bundle", self.policy.engine.run
        yield "rate limits", self.counting.exchange.run
        yield "risk history", self.policy.risk.run
        yield "labels", Labels(self.governed.catalog, self.changes).run
        yield "rules", self._know_rules
        yield "signing keys", self.identity.keychain.keep
        if self.vault is not None:
            yield "vault session", self.vault.keep

    def _once(self) -> Iterator[Named]:
        """What one process of all on this database does: the one that leads the ledger."""
        yield "detection", self._detect
        yield "playbooks", self.guarding.responder.run
        yield "processing", self.grid.processing.run
        yield "forecast", self._train
        yield "pruning", self._prune
        yield "mail", self.identity.mailing.run
        yield "logout deliveries", self.identity.logout_courier.run
        yield "signal deliveries", self.identity.signals.courier.run
        for mirror in self.audited.mirrors:
            yield f"ledger copy {mirror.copy.name}", mirror.run
        if self.audited.witnessing is not None:
            yield "witnessing", self.audited.witnessing.run
        if self.audited.timestamping is not None:
            yield "timestamping", self.audited.timestamping.run

    async def stop(self) -> None:
        """End the background work."""
        await self.supervisor.stop()

    async def _detect(self) -> None:
        """Take up where whoever detected before left off."""
        await self.guarding.detector.start()
        async with asyncio.TaskGroup() as group:
            group.create_task(self.guarding.detector.run())
            group.create_task(self._relay())

    async def _know_rules(self) -> None:
        """Show the rules that run, also where another process runs them."""
        while True:
            await self.ledger.membership.wait_lost()
            await self.guarding.detector.reload(is_telling=False)
            await asyncio.sleep(RULES_EVERY_S)

    async def _relay(self) -> None:
        await relay(subscriptions(self.ledger, self.grid.bus, self.guarding.detector, self.guarding.responder))

    async def _train(self) -> None:
        await self.grid.forecasting.ensure_trained()

    async def _prune(self) -> None:
        while True:
            await asyncio.sleep(PRUNE_EVERY_S)
            _log.info("pruned", rows=await self.identity.prune())

    def _ledger_endpoints(self) -> tuple[Endpoint, ...]:
        audited = self.audited
        return ledger_endpoints(
            audited.ledger, self.clock, erasure=audited.erasure, tiles=audited.tiles, mirrors=audited.mirrors,
            witnessing=audited.witnessing, exporter=audited.exporter)

    def _notes(self) -> tuple[str, ...]:
        return self.upstreams.notes() if self.upstreams else ()

    async def _ledger_check(self) -> None:
        self.ledger.refuse_unless_sealing()
