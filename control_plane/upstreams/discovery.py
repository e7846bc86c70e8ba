"""Targets that Consul names, as they come and go: its health endpoint, asked by blocking queries.

An answer carries an index; the next question waits there until something is newer (`X-Consul-Index`,
https://developer.hashicorp.com/consul/api-docs/features/blocking). An index that goes backwards or is not positive
begins anew. While Consul is away the last known targets go on, with an alarm. What Consul says is believed only so
far: addresses must be numeric, in the networks the operator named, and never link-local, nor our own ports.
"""

import asyncio
import ssl
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Any

import aiohttp
import structlog
from prometheus_client import Counter, Gauge

from control_plane.upstreams.plan import Address, Discovered
from shared_kernel.errors import InvalidInputError, UnavailableError
from shared_kernel.strict_json import parse_strict

WAIT_S = 55
PATIENCE_S = WAIT_S + WAIT_S / 16 + 5
"""Consul adds up to a sixteenth to a wait, so that not everybody asks at once."""
MAX_ANSWER_BYTES = 4 << 20
MAX_TARGETS = 1_000
PAUSES_S = (0.2, 1.0, 5.0, 15.0)
REST_S = 0.1
"""At most ten answers a second are taken: a service that flaps must not keep us busy."""
_OK = 200
_away = Gauge("gridwarden_upstream_discovery_away", "1 while Consul does not tell a service's targets", ["service"])
_refused = Counter("gridwarden_upstream_discovery_refused_total", "Targets that Consul named and we do not believe",
                   ["service", "reason"])
_log = structlog.get_logger("gridwarden.upstreams")


class ConsulAwayError(UnavailableError):
    """Consul does not answer as it should."""

    def __init__(self, why: str) -> None:
        super().__init__(f"Consul does not tell where services are ({why}): check GRIDWARDEN_CONSUL_ADDR and its "
                         "token; the last known targets go on")


@dataclass(frozen=True, slots=True)
class Seen:
    """What one answer told."""

    index: int
    addresses: tuple[Address, ...]


class Consul:
    """A Consul agent's HTTP API."""

    def __init__(self, address: str, *, token: str | None = None, tls: ssl.SSLContext | None = None) -> None:
        self._address, self._token, self._tls = address.rstrip("/"), token, tls
        self._session: aiohttp.ClientSession | None = None

    async def passing(self, service: str, index: int) -> tuple[int, Any]:
        """Return the index and the healthy instances, once they are newer than `index`; raise ConsulAwayError."""
        question = {"passing": "1", "index": str(index), "wait": f"{WAIT_S}s"} if index else {"passing": "1"}
        try:
            async with asyncio.timeout(PATIENCE_S), self._sessions().get(
                f"{self._address}/v1/health/service/{service}", params=question, allow_redirects=False,
            ) as answer:
                if answer.status != _OK:
                    raise ConsulAwayError(f"it answers {answer.status}")
                body = await answer.content.read(MAX_ANSWER_BYTES + 1)
                while len(body) <= MAX_ANSWER_BYTES and (more := await answer.content.readany()):
                    body += more
                if len(body) > MAX_ANSWER_BYTES:
                    raise ConsulAwayError("its answer is too long")
                return int(answer.headers["X-Consul-Index"]), parse_strict(body)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError, KeyError, InvalidInputError) as cause:
            raise ConsulAwayError(type(cause).__name__) from cause

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _sessions(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=self._tls if self._tls is not None else True),
                headers={"X-Consul-Token": self._token} if self._token else {}, trust_env=False,
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=2.0), cookie_jar=aiohttp.DummyCookieJar())
        return self._session


class Guard:
    """Which of the addresses that Consul names may be asked."""

    def __init__(self, service: str, networks: Sequence[IPv4Network | IPv6Network], own_ports: Iterable[int],
                 own_hosts: Iterable[str]) -> None:
        self._service, self._networks = service, tuple(networks)
        self._own_ports, self._own_hosts = frozenset(own_ports), frozenset(own_hosts)

    def believed(self, host: object, port: object, *, is_tls: bool) -> Address | None:
        """Return the address if it may be asked."""
        reason = self._doubt(host, port)
        if reason is None:
            return Address(host=str(host), port=int(str(port)), is_tls=is_tls)
        _refused.labels(self._service, reason).inc()
        _log.error("discovered_target_refused", service=self._service, reason=reason, host=str(host)[:64],
                   port=str(port)[:8])
        return None

    def _doubt(self, host: object, port: object) -> str | None:
        try:
            address = ip_address(host if isinstance(host, str) else "")
        except ValueError:
            return "not-an-address"
        is_ours = port in self._own_ports and (address.is_loopback or host in self._own_hosts)
        doubts = {
            "not-a-port": type(port) is not int or not 0 < port < 65_536,  # noqa: PLR2004 - 16 bits
            "not-canonical": getattr(address, "ipv4_mapped", None) is not None or str(address) != host,
            "special-purpose": address.is_link_local or address.is_multicast or address.is_unspecified,
            "outside-networks": not any(address in network for network in self._networks),
            "ourselves": is_ours,
        }
        return next((reason for reason, holds in doubts.items() if holds), None)


class Discovery:
    """Follows one service."""

    def __init__(self, service: str, wanted: Discovered, consul: Consul, guard: Guard, *, is_tls: bool,  # noqa: PLR0913 - what it follows, and whom it tells
                 tell: Callable[[tuple[Address, ...]], None]) -> None:
        self._service, self._wanted, self._consul = service, wanted, consul
        self._guard, self._is_tls, self._tell = guard, is_tls, tell
        self._index, self._failures = 0, 0
        self.is_away = True

    async def run(self) -> None:
        """Follow until cancelled."""
        while True:
            try:
                seen = await self.look()
            except ConsulAwayError as error:
                self._lose(error)
                await asyncio.sleep(PAUSES_S[min(self._failures, len(PAUSES_S)) - 1])
                continue
            self._find()
            self._tell(seen.addresses)
            await asyncio.sleep(REST_S)

    async def look(self) -> Seen:
        """Ask once; return what is healthy now, in the operator's networks. Raise ConsulAwayError."""
        index, instances = await self._consul.passing(self._wanted.consul, self._index)
        self._index = index if index >= self._index and index > 0 else 0
        return Seen(self._index, self._addresses(instances))

    def _addresses(self, instances: Any) -> tuple[Address, ...]:  # noqa: ANN401 - any JSON
        if not isinstance(instances, list):
            raise ConsulAwayError("it names no list")
        found = []
        for instance in instances[:MAX_TARGETS]:
            try:
                service, node = instance["Service"], instance["Node"]
                host = service.get("Address") or node.get("Address")
                address = self._guard.believed(host, service.get("Port"), is_tls=self._is_tls)
            except (KeyError, TypeError, AttributeError) as cause:
                raise ConsulAwayError("an instance is malformed") from cause
            if address is not None:
                found.append(address)
        return tuple(found)

    def _lose(self, error: ConsulAwayError) -> None:
        self._failures += 1
        self._index = 0
        _away.labels(self._service).set(1)
        if not self.is_away or self._failures == 1:
            _log.error("consul_away", service=self._service, why=error.detail)
        self.is_away = True

    def _find(self) -> None:
        if self.is_away:
            _log.info("consul_found", service=self._service)
        self.is_away, self._failures = False, 0
        _away.labels(self._service).set(0)
