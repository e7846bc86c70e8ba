"""Requests to places that clients named: a client may name any URL, so none of them may reach inside (SSRF).

https only, on known ports; the name is resolved here, and the very address that was checked is connected to, so a
name cannot answer differently the second time (DNS rebinding). Addresses that are not global (loopback, private,
link-local with the cloud's metadata, multicast, and those hidden in IPv6) are refused unless the operator allowed
their network. No redirect, no proxy, no compression, a cap on bytes and on time.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from shared_kernel.errors import InvalidInputError, UnavailableError
from shared_kernel.strict_json import parse_strict

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Names = Callable[[str, int], Awaitable[Sequence[str]]]

TIMEOUT_S = 5.0
MAX_ANSWER_BYTES = 65_536
_NAT64 = (ip_network("64:ff9b::/96"), ip_network("64:ff9b:1::/48"))
_ALWAYS_REFUSED = (ip_network("169.254.169.254/32"), ip_network("fd00:ec2::254/128"))


class RefusedDestinationError(InvalidInputError):
    """We do not call there."""

    def __init__(self, why: str) -> None:
        super().__init__(f"that address is not called: {why}")


class DestinationDownError(UnavailableError):
    """It was called, and did not answer as it should."""

    def __init__(self, why: str) -> None:
        super().__init__(f"the address did not answer: {why}")


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; `headers` in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Outbound:
    """Calls the world. `networks` are inside addresses it may call too; `ca` names roots beside the system's."""

    def __init__(self, networks: Sequence[Network] = (), ca: Path | None = None, *, names: Names | None = None) -> None:
        self._networks = tuple(networks)
        self._tls = ssl.create_default_context()
        if ca is not None:
            self._tls.load_verify_locations(cafile=str(ca))
        self._names = names or _system_names

    async def get_json(self, url: str, *, max_bytes: int) -> Any:  # noqa: ANN401 - JSON is any JSON value
        """Return the JSON at a URL; raise RefusedDestinationError, DestinationDownError."""
        answer = await self._call("GET", url, body=None, headers={"Accept": "application/json"}, timeout_s=TIMEOUT_S,
                                  max_bytes=max_bytes)
        if answer.status != 200:  # noqa: PLR2004 - HTTP
            raise DestinationDownError(f"its status is {answer.status}")
        try:
            return parse_strict(answer.body)
        except InvalidInputError as cause:
            raise DestinationDownError("its answer is not strict JSON") from cause

    async def post(self, url: str, *, body: bytes, headers: Mapping[str, str], timeout_s: float = TIMEOUT_S) -> Answer:
        """Send a body and return the answer of any status; raise RefusedDestinationError, DestinationDownError."""
        return await self._call("POST", url, body=body, headers=headers, timeout_s=timeout_s,
                                max_bytes=MAX_ANSWER_BYTES)

    async def _call(self, method: str, url: str, *, body: bytes | None, headers: Mapping[str, str],  # noqa: PLR0913 - a request's parts
                    timeout_s: float, max_bytes: int) -> Answer:
        target = _target(url)
        try:
            async with asyncio.timeout(timeout_s), self._session(target) as session, session.request(
                method, target, data=body, headers={**headers, "Accept-Encoding": "identity"}, allow_redirects=False,
            ) as answer:
                return Answer(answer.status, {name.lower(): value for name, value in answer.headers.items()},
                              await _capped(answer, max_bytes))
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as cause:
            raise DestinationDownError(type(cause).__name__) from cause

    @asynccontextmanager
    async def _session(self, target: URL) -> AsyncIterator[aiohttp.ClientSession]:
        guard = _Guard(self._networks, self._names, is_plain=target.scheme == "http")
        connector = aiohttp.TCPConnector(ssl=self._tls, resolver=guard, socket_factory=guard.open, use_dns_cache=False,
                                         force_close=True)
        async with aiohttp.ClientSession(connector=connector, trust_env=False, auto_decompress=False,
                                         cookie_jar=aiohttp.DummyCookieJar()) as session:
            yield session


class _Guard(AbstractResolver):
    """Resolves and connects for one request; every address passes `check`, right before the socket is made."""

    def __init__(self, networks: Sequence[Network], names: Names, *, is_plain: bool) -> None:
        self._networks, self._names, self._is_plain = networks, names, is_plain

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET,  # noqa: ARG002 - aiohttp's signature
                      ) -> list[ResolveResult]:
        """Return the addresses of a name, all of which we may call."""
        found = await self._names(host, port)
        for address in found:
            self.check(address, port)
        return [_resolved(host, address, port) for address in found]

    async def close(self) -> None:
        """Nothing to close."""

    def open(self, address: Any) -> socket.socket:  # noqa: ANN401 - getaddrinfo's tuple
        """Make the socket for one address, checked once more: literals never came through `resolve`."""
        family, kind, protocol, _, place = address
        self.check(str(place[0]), int(place[1]))
        return socket.socket(family, kind, protocol)

    def check(self, text: str, port: int) -> None:
        """Raise RefusedDestinationError for an address or a port that is not for us."""
        address = ip_address(text)
        is_allowed = any(address in network for network in self._networks)
        if is_allowed:
            return
        if self._is_plain:
            raise RefusedDestinationError("it is not https")
        if not is_public(address):
            raise RefusedDestinationError("it is not on the public internet")
        if port != 443 and port < 1_024:  # noqa: PLR2004 - https, or a port of no system service
            raise RefusedDestinationError("its port is a system service's")


def is_public(address: Address) -> bool:
    """Whether anybody on the internet could reach it, also looking through IPv6 at the IPv4 address inside."""
    if isinstance(address, IPv6Address):
        inner = _embedded(address)
        if inner is not None:
            return is_public(inner)
    return address.is_global and not address.is_multicast


def _embedded(address: IPv6Address) -> IPv4Address | None:
    if any(address in network for network in _NAT64):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)


def _target(url: str) -> URL:
    try:
        target = URL(url)
        port = target.port
    except ValueError as cause:
        raise RefusedDestinationError("it is not a URL") from cause
    if target.scheme not in {"https", "http"} or not target.host or port is None:
        raise RefusedDestinationError("it is not an https URL")
    if target.user is not None or target.password is not None:
        raise RefusedDestinationError("it has a user or a password")
    if target.fragment:
        raise RefusedDestinationError("it has a fragment")
    return target


async def _capped(answer: aiohttp.ClientResponse, max_bytes: int) -> bytes:
    if answer.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise DestinationDownError("its answer is compressed, which was not asked for")
    body = bytearray()
    async for chunk in answer.content.iter_chunked(16_384):
        body += chunk
        if len(body) > max_bytes:
            raise DestinationDownError(f"its answer is longer than {max_bytes} bytes")
    return bytes(body)


def _resolved(host: str, address: str, port: int) -> ResolveResult:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return ResolveResult(hostname=host, host=address, port=port, family=family, proto=0,
                         flags=socket.AI_NUMERICHOST)


async def _system_names(host: str, port: int) -> Sequence[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(place[0]) for *_, place in found]
