"""The keys that clients sign with: registered inline, or fetched from their `jwks_uri` and kept for a while.

An unknown kid fetches anew, at most once a minute: otherwise anybody could make us fetch by sending kids.
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from identity.adapters.outbound import Outbound
from identity.domain.oauth.errors import InvalidTokenError
from identity.domain.records import Client
from shared_kernel.clock import Clock

FRESH_S = 300
FLOOR_S = 60
MAX_JWKS_BYTES = 65_536
MAX_CLIENTS = 1_000
_SECOND_US = 1_000_000


@dataclass(frozen=True, slots=True)
class _Fetched:
    jwks: Mapping[str, Any]
    at_us: int


class ClientKeys:
    """Answers a client's key set."""

    def __init__(self, outbound: Outbound, clock: Clock) -> None:
        self._outbound = outbound
        self._clock = clock
        self._fetched: OrderedDict[str, _Fetched] = OrderedDict()

    async def of(self, client: Client, *, kid: object = None) -> Mapping[str, Any]:
        """Return the set that should hold `kid`; raise InvalidTokenError when the client has none."""
        if client.settings.jwks is not None:
            return client.settings.jwks
        if client.settings.jwks_uri is None:
            raise InvalidTokenError("its client has registered no keys")
        known = self._fetched.get(client.settings.jwks_uri)
        age_us = self._clock.now_us() - known.at_us if known else 0
        if known and (age_us < FLOOR_S * _SECOND_US or (age_us < FRESH_S * _SECOND_US and _has(known.jwks, kid))):
            return known.jwks
        return await self._fetch(client.settings.jwks_uri)

    async def _fetch(self, uri: str) -> Mapping[str, Any]:
        found = await self._outbound.get_json(uri, max_bytes=MAX_JWKS_BYTES)
        if not isinstance(found, dict):
            raise InvalidTokenError("its client's jwks_uri does not answer a key set")
        self._fetched[uri] = _Fetched(found, self._clock.now_us())
        if len(self._fetched) > MAX_CLIENTS:
            self._fetched.popitem(last=False)
        return found


def _has(jwks: Mapping[str, Any], kid: object) -> bool:
    keys = jwks.get("keys")
    return kid is None or (isinstance(keys, list) and any(
        isinstance(key, Mapping) and key.get("kid") == kid for key in keys))
