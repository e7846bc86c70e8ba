"""Requests to places that clients named: a client may name any URL, so none of them may reach inside (SSRF).

https only, on known ports; the name is resolved here, and the very address that was checked is connected to, so a
name cannot answer differently the second time (DNS rebinding). Addresses that are not global (loopback, private,
link-local with the cloud's metadata, multicast, and those hidden in IPv6) are refused unless the operator allowed
their network. No redirect, no proxy, no compression, a cap on bytes and on time.
"""

import asyncio
import re
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cached_property
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
_NAT64 = ip_network("64:ff9b::/96")
"""Where an IPv6-only network puts the IPv4 internet (RFC 6052); the last 32 bits are the address that is meant."""
_GLOBAL_UNICAST = ip_network("2000::/3")
_SPECIAL = tuple(ip_network(text) for text in (
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
    "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
    "224.0.0.0/3", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
))
"""The special-purpose addresses of IANA's registries (RFC 6890): Python's own list differs between its versions."""
MAX_URL = 2_048
_NUMERIC = re.compile(r"(^|\.)(\d+|0x[0-9a-f]*)\.?$", re.ASCII | re.IGNORECASE)
"""A host whose last label is a number: old name services read it as an address in octal, hexadecimal, or short."""


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
        self._networks, self._ca = tuple(networks), ca
        self._names = names or _system_names

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        """The roots we trust, read when somebody is called at all."""
        context = ssl.create_default_context()
        if self._ca is not None:
            context.load_verify_locations(cafile=str(self._ca))
        return context

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
    """Whether it is an address of the internet at large; those that wrap an IPv4 address count as what is inside."""
    if address in _NAT64:
        return is_public(IPv4Address(int(address) & 0xFFFFFFFF))
    if isinstance(address, IPv6Address) and address not in _GLOBAL_UNICAST:
        return False  # loopback, link-local, unique local, mapped (::ffff:0:0/96), compatible (::/96), multicast ...
    return address.is_global and not any(address in network for network in _SPECIAL)


def _target(url: str) -> URL:
    if len(url) > MAX_URL or not url.isprintable() or " " in url or "\\" in url:
        raise RefusedDestinationError("it is not a URL")
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
    if _NUMERIC.search(target.host) and not _is_address(target.host):
        raise RefusedDestinationError("its host is a number, and no address as RFC 3986 writes one")
    return target


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


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
