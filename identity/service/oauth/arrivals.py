"""Where an authorization request comes from: said plainly, signed in an object (RFC 9101), or pushed (RFC 9126).

First who asks (the client) and where errors may go, then what is asked, then the tables of checks.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from identity.adapters.outbound import DestinationDownError, RefusedDestinationError
from identity.domain.jose.foreign import Verified, peeked
from identity.domain.oauth.asked import Asked, Pairs
from identity.domain.oauth.authorization import AuthorizationRequest, Reading, read_request, trusted_redirect
from identity.domain.oauth.errors import AuthorizationError, InvalidTokenError, UntrustedRedirectError
from identity.domain.oauth.pushed_request import PREFIX, StoredRequest, reference_in
from identity.domain.oauth.request_object import candidate_of, is_unsigned, parameters_of, read_object
from identity.domain.oauth.responses import ResponsePlace, error_place
from identity.domain.records import Client
from identity.service.clients.registry import Registry
from identity.service.foundation import SECOND_US, Foundation

MAX_SEALED = 4_096
"""Characters of a request that our forms carry along; what is longer must be pushed."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A request whose client is known and whose errors have a trusted place to go; nothing else is checked yet."""

    client: Client
    asked: Asked
    place: ResponsePlace
    pushed: StoredRequest | None = None
    request_uri: str | None = None

    @property
    def query(self) -> str:
        """What brings this request back after a page."""
        if self.request_uri is None:
            return self.asked.query
        return urlencode({"client_id": self.client.id, "request_uri": self.request_uri})


class Arrivals:
    """Receives authorization requests."""

    def __init__(self, foundation: Foundation, registry: Registry) -> None:
        self._foundation = foundation
        self._registry = registry

    async def receive(self, pairs: Pairs, *, is_resumed: bool) -> Arrival:
        """Return who asks and where errors go; raise UntrustedRedirectError while nobody may be redirected."""
        outside = Asked.of(pairs, is_resumed=is_resumed)
        client_id, request_uri = outside.get("client_id"), outside.get("request_uri")
        client = await self._registry.get(client_id) if client_id else None
        if client is None or "client_id" in outside.broken:
            raise UntrustedRedirectError("no such client is registered here: check client_id")
        if request_uri is not None and request_uri.startswith(PREFIX):
            return await self._pushed(outside, client, request_uri)
        if outside.get("request") is not None:
            return Arrival(client, outside, _place_of_object(outside, client))
        return Arrival(client, outside, error_place(outside, trusted_redirect(outside, client)))

    async def read(self, arrival: Arrival) -> tuple[AuthorizationRequest, str]:
        """Return the checked request and the query that brings it back; raise AuthorizationError."""
        asked = arrival.asked
        if asked.get("request") is not None and arrival.pushed is None:
            asked = await self.opened(asked, arrival.client, is_pushed=False)
        request = self.checked(asked, arrival.client)
        query = replace(arrival, asked=asked).query
        if len(query) > MAX_SEALED:
            raise AuthorizationError("invalid_request", "the request is too long for a browser: push it to /oauth2/par")
        return request, query

    async def opened(self, outside: Asked, client: Client, *, is_pushed: bool) -> Asked:
        """Return the parameters of a request object; raise AuthorizationError for one that does not hold."""
        text = outside.values["request"]
        if outside.broken or outside.get("request_uri") is not None:
            raise AuthorizationError("invalid_request", "a parameter stands twice, or request beside request_uri")
        claimed = _peeked(text)
        if is_unsigned(claimed):
            raise AuthorizationError("request_not_supported", "request objects must be signed: alg none is not taken")
        keys = await self._keys(client, claimed.header.get("kid"))
        issuer, now_s = self._foundation.mint.issuer, self._foundation.now_us() // SECOND_US
        return parameters_of(read_object(text, keys, client, issuer, now_s), outside, client, is_pushed=is_pushed)

    async def _keys(self, client: Client, kid: object) -> Mapping[str, Any]:
        """Keys that are missing or out of reach verify nothing; whose fault it is, the client must mend it."""
        try:
            return await self._foundation.client_keys.of(client, kid=kid)
        except (InvalidTokenError, RefusedDestinationError, DestinationDownError) as cause:
            why = f"the keys of this client are not to be had: {cause.detail}"
            raise AuthorizationError("invalid_request_object", why) from cause

    def checked(self, asked: Asked, client: Client) -> AuthorizationRequest:
        """Return the request that these parameters make; raise UntrustedRedirectError, AuthorizationError."""
        return read_request(Reading(asked, client, trusted_redirect(asked, client), self._foundation.mint))

    async def _pushed(self, outside: Asked, client: Client, request_uri: str) -> Arrival:
        reference = reference_in(request_uri)
        async with self._foundation.database.read() as tables:
            stored = await tables.pushed_requests.find(reference) if reference else None
        if stored is None or stored.client_id != client.id:
            raise UntrustedRedirectError("this request_uri was not given to this client, or is long gone: push anew")
        if outside.get("request") is not None:
            raise UntrustedRedirectError("request and request_uri exclude each other (RFC 9101 section 5)")
        asked = Asked.of(stored.pairs, is_signed=stored.is_signed, is_pushed=True, is_resumed=outside.is_resumed)
        return Arrival(client, asked, error_place(asked, trusted_redirect(asked, client)), stored, request_uri)


def _place_of_object(outside: Asked, client: Client) -> ResponsePlace:
    """Return where errors of a request object go: to the registered redirect URI in it, else to the one beside it.

    Neither is signed, as in any plain request; both must be registered, and that is what counts.
    """
    try:
        inside = candidate_of(_peeked(outside.values["request"]), client)
        return error_place(inside, trusted_redirect(inside, client))
    except (UntrustedRedirectError, AuthorizationError):
        return error_place(outside, trusted_redirect(outside, client))


def _peeked(text: str) -> Verified:
    try:
        return peeked(f"{text}AA" if text.endswith(".") else text)
    except InvalidTokenError as cause:
        why = f"the request object is not valid: {cause.reason}"
        raise AuthorizationError("invalid_request_object", why) from cause
