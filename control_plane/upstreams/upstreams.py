"""The services of others as this process holds them: made from the plan, opened, kept, and offered as endpoints."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog
from starlette.types import Message

from control_plane.config import ConfigurationError
from control_plane.upstreams.assertion import Assertions, Pen, audience_of
from control_plane.upstreams.client import Client
from control_plane.upstreams.contexts import Contexts
from control_plane.upstreams.discovery import Consul, Discovery, Guard
from control_plane.upstreams.forwarding import Forwarder, Remote
from control_plane.upstreams.local import Resident, ResidentForwarder, UnusableApplicationError, application_of
from control_plane.upstreams.paths import Locations, PathMap
from control_plane.upstreams.plan import Discovered, Plan, Route, Service, Tls
from control_plane.upstreams.targets import RetryBudget, Targets
from control_plane.upstreams.websocket import WebsocketForwarder
from shared_kernel.clock import Clock
from shared_kernel.endpoint import Endpoint

LIFESPAN_S = 10.0
_log = structlog.get_logger("gridwarden.upstreams")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What services need of the product: who signs, the time, our name, ports and hosts, and Consul if there is one."""

    pen: Pen
    clock: Clock
    issuer: str
    public_host: str
    contexts: Contexts
    consul: Consul | None = None
    own_ports: tuple[int, ...] = ()
    own_hosts: tuple[str, ...] = ()


class Upstreams:
    """Every service of a plan. `open` before serving; run the `keepers`; `close` at the end."""

    def __init__(self, plan: Plan, around: Surroundings) -> None:
        self._plan, self._around = plan, around
        self._remotes: dict[str, Remote] = {}
        self._residents: dict[str, Resident] = {}
        self._discoveries: list[Discovery] = []
        self._lifespans: list[_Lifespan] = []
        for name, service in plan.services.items():
            if service.app is None:
                self._remotes[name] = self._remote(name, service)
            else:
                self._residents[name] = self._resident(name, service, service.app)

    def endpoints(self) -> tuple[Endpoint, ...]:
        """Return the plan's routes."""
        return tuple(
            Endpoint(route.method, route.path, route.action, self._handler(route), dataset=route.dataset,
                     max_body=route.max_body, fulfils=self._plan.services[route.service].fulfils)
            for route in self._plan.routes)

    def keepers(self) -> tuple[tuple[str, Callable[[], Awaitable[None]]], ...]:
        """Return the background work, by name."""
        names = [name for name, service in self._plan.services.items() if isinstance(service.targets, Discovered)]
        return (("service certificates", self._around.contexts.keep),
                *((f"discovery of {name}", each.run) for name, each in zip(names, self._discoveries, strict=True)))

    def notes(self) -> tuple[str, ...]:
        """Return what an operator should know and what no reason is to send requests elsewhere."""
        return ("Consul does not answer: the last known targets go on",) if any(
            each.is_away for each in self._discoveries) else ()

    async def open(self) -> None:
        """Make the TLS contexts, start the applications; raise ConfigurationError, UnavailableError."""
        for name, service in self._plan.services.items():
            if service.is_tls:
                await self._around.contexts.make(name, service.tls or Tls())
        for name, resident in self._residents.items():
            lifespan = _Lifespan(name, resident)
            self._lifespans.append(lifespan)
            await lifespan.start()

    async def close(self) -> None:
        """Close every connection, stop the applications."""
        for remote in self._remotes.values():
            await remote.client.close()
        if self._around.consul is not None:
            await self._around.consul.close()
        for lifespan in reversed(self._lifespans):
            await lifespan.stop()

    def _handler(self, route: Route) -> Callable[[Any], Awaitable[Any]]:
        if route.service in self._residents:
            return ResidentForwarder(self._residents[route.service], route)
        remote = self._remotes[route.service]
        return WebsocketForwarder(remote, route) if route.method == "WEBSOCKET" else Forwarder(remote, route)

    def _remote(self, name: str, service: Service) -> Remote:
        around = self._around
        known = service.targets if isinstance(service.targets, tuple) else ()
        targets = Targets(name, service, around.clock, known)
        if isinstance(service.targets, Discovered):
            self._discoveries.append(self._discovery(name, service, service.targets, targets))
        client = Client(service, partial(around.contexts.of, name) if service.is_tls else None)
        return Remote(name, service, targets, client, self._assertions(name, service),
                      RetryBudget(service.retry.budget_percent, around.clock), self._locations(name),
                      around.public_host)

    def _resident(self, name: str, service: Service, app: str) -> Resident:
        return Resident(name, service, application_of(name, app), self._assertions(name, service),
                        self._locations(name), self._around.public_host, {})

    def _discovery(self, name: str, service: Service, wanted: Discovered, targets: Targets) -> Discovery:
        around = self._around
        if around.consul is None:
            raise ConfigurationError(f"GRIDWARDEN_UPSTREAMS: services.{name}.targets asks Consul: set "
                                     "GRIDWARDEN_CONSUL_ADDR")
        guard = Guard(name, wanted.networks, around.own_ports, around.own_hosts)
        return Discovery(name, wanted, around.consul, guard, is_tls=service.is_tls, tell=targets.replace)

    def _assertions(self, name: str, service: Service) -> Assertions:
        around = self._around
        return Assertions(around.pen, around.clock, issuer=around.issuer,
                          audience=service.audience or audience_of(name))

    def _locations(self, service: str) -> Locations:
        routes: Sequence[Route] = self._plan.routes
        return Locations(tuple(PathMap(route.path, route.there) for route in routes
                               if route.service == service and route.method != "WEBSOCKET"))


class _Lifespan:
    """An application's start and end (ASGI lifespan); one that does not know of it just runs."""

    def __init__(self, name: str, resident: Resident) -> None:
        self._name, self._resident = name, resident
        self._to_app: asyncio.Queue[Message] = asyncio.Queue()
        self._started: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start it; raise UnusableApplicationError when it says that it cannot."""
        self._task = asyncio.create_task(self._run())
        await self._to_app.put({"type": "lifespan.startup"})
        try:
            async with asyncio.timeout(LIFESPAN_S):
                failure = await self._started
        except TimeoutError:
            failure = "it does not start in time"
        if failure is not None:
            raise UnusableApplicationError(self._name, self._resident.service.app or "", failure)

    async def stop(self) -> None:
        """End it."""
        if self._task is None:
            return
        await self._to_app.put({"type": "lifespan.shutdown"})
        with contextlib.suppress(TimeoutError, asyncio.CancelledError):
            await asyncio.wait_for(self._task, LIFESPAN_S)

    async def _run(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self._resident.state}
        try:
            await self._resident.application(scope, self._to_app.get, self._heard)
        except Exception as error:  # noqa: BLE001 - an application without lifespan raises at once
            _log.info("application_without_lifespan", service=self._name, error=type(error).__name__)
        if not self._started.done():
            self._started.set_result(None)

    async def _heard(self, message: Message) -> None:
        if not self._started.done():
            if message["type"] == "lifespan.startup.complete":
                self._started.set_result(None)
            elif message["type"] == "lifespan.startup.failed":
                self._started.set_result(str(message.get("message") or "it failed to start"))
