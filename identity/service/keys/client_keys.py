"""The keys that clients sign with: registered inline, or fetched from their `jwks_uri` and kept for a while.

An unknown kid fetches anew, and so does a failure, at most once a minute: otherwise anybody could make us fetch by
sending kids. While a client's address is down its last good keys go on for an hour.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import structlog

from identity.adapters.outbound import DestinationDownError, Outbound, RefusedDestinationError
from identity.domain.oauth.errors import InvalidTokenError
from identity.domain.records import Client
from shared_kernel.clock import Clock

FLOOR_S, FRESH_S, STALE_S = 60, 300, 3_600
MAX_JWKS_BYTES = 65_536
MAX_CLIENTS = 1_000
_SECOND_US = 1_000_000
_NEVER_US = -(1 << 62)
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Fetched:
    """What is known of one address; `tried_at_us` also tells of failures."""

    jwks: Mapping[str, Any] = field(default_factory=dict)
    good_at_us: int = _NEVER_US
    tried_at_us: int = _NEVER_US

    def answers(self, kid: object, now_us: int) -> bool:
        """Whether it need not be fetched again: just tried, or fresh and with that kid."""
        if now_us - self.tried_at_us < FLOOR_S * _SECOND_US:
            return True
        return now_us - self.good_at_us < FRESH_S * _SECOND_US and _has(self.jwks, kid)

    def is_usable(self, now_us: int) -> bool:
        """Whether these keys still count."""
        return now_us - self.good_at_us < STALE_S * _SECOND_US


class ClientKeys:
    """Answers a client's key set."""

    def __init__(self, outbound: Outbound, clock: Clock) -> None:
        self._outbound, self._clock = outbound, clock
        self._fetched: OrderedDict[str, _Fetched] = OrderedDict()
        self._fetching: dict[str, asyncio.Task[None]] = {}

    async def of(self, client: Client, *, kid: object = None) -> Mapping[str, Any]:
        """Return the set that should hold `kid`; raise InvalidTokenError when the client's keys cannot be had."""
        if client.settings.jwks is not None:
            return client.settings.jwks
        uri = client.settings.jwks_uri
        if uri is None:
            raise InvalidTokenError("its client has registered no keys")
        return await self.at(uri, kid=kid)

    async def at(self, uri: str, *, kid: object = None) -> Mapping[str, Any]:
        """Return the set at an address; raise InvalidTokenError when it cannot be had."""
        if not self._known(uri).answers(kid, self._clock.now_us()):
            await self._fetch_once(uri)
        known = self._known(uri)
        if not known.is_usable(self._clock.now_us()):
            raise InvalidTokenError("its signer's keys cannot be fetched from their jwks_uri")
        return known.jwks

    def _known(self, uri: str) -> _Fetched:
        return self._fetched.get(uri) or _Fetched()

    async def _fetch_once(self, uri: str) -> None:
        """Fetch, or wait for the fetch that is under way; one who goes away does not end it for the others."""
        task = self._fetching.get(uri)
        if task is None:
            task = self._fetching[uri] = asyncio.create_task(self._fetch(uri))
            task.add_done_callback(lambda _: self._fetching.pop(uri, None))
        await asyncio.shield(task)

    async def _fetch(self, uri: str) -> None:
        try:
            found = await self._outbound.get_json(uri, max_bytes=MAX_JWKS_BYTES)
        except (RefusedDestinationError, DestinationDownError) as error:
            _log.warning("client_keys_away", uri=uri, why=error.detail)
            self._remember(uri, replace(self._known(uri), tried_at_us=self._clock.now_us()))
            return
        now_us = self._clock.now_us()
        self._remember(uri, _Fetched(found if isinstance(found, dict) else {}, now_us, now_us))

    def _remember(self, uri: str, fetched: _Fetched) -> None:
        self._fetched[uri] = fetched
        self._fetched.move_to_end(uri)
        if len(self._fetched) > MAX_CLIENTS:
            self._fetched.popitem(last=False)


def _has(jwks: Mapping[str, Any], kid: object) -> bool:
    keys = jwks.get("keys")
    return kid is None or (isinstance(keys, list) and any(
        isinstance(key, Mapping) and key.get("kid") == kid for key in keys))
