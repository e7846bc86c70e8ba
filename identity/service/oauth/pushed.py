"""The pushed authorization request endpoint (RFC 9126): the whole table of checks, before any browser is involved."""

from dataclasses import replace
from typing import Any

from identity.domain.oauth.asked import Asked, Pairs
from identity.domain.oauth.errors import AuthorizationError, InvalidProofError, OAuthError, UntrustedRedirectError
from identity.domain.oauth.pushed_request import LIFETIME_S, StoredRequest, uri_of
from identity.domain.opaque import Kind, mint
from identity.domain.records import Client
from identity.service.clients.registry import Registry
from identity.service.foundation import SECOND_US, Foundation
from identity.service.oauth.arrivals import Arrivals
from identity.service.oauth.sender import SenderConstraints
from shared_kernel.context import RequestContext

_PROOFS_OF_CLIENT = frozenset({"client_secret", "client_assertion", "client_assertion_type"})
"""Parameters that are for us alone and never part of the request."""


class PushedRequestDesk:
    """Takes requests that clients push."""

    def __init__(self, foundation: Foundation, registry: Registry, sender: SenderConstraints) -> None:
        self._foundation = foundation
        self._registry = registry
        self._sender = sender
        self._arrivals = Arrivals(foundation, registry)

    async def push(self, pairs: Pairs, context: RequestContext) -> dict[str, Any]:
        """Return request_uri and expires_in; raise OAuthError. Client authentication comes before everything."""
        sent = Asked.of(pairs)
        if sent.broken:
            raise OAuthError("invalid_request", "a parameter stands twice or holds control characters")
        client = await self._registry.authenticate(context.credentials, sent.values)
        binding = await self._sender.offered(context.credentials, client)
        try:
            asked = _bound(await self._asked(sent, client), binding.jkt)
            self._arrivals.checked(asked, client)
        except AuthorizationError as error:
            raise OAuthError(error.code, error.description, client_id=client.id) from error
        except UntrustedRedirectError as error:
            raise OAuthError("invalid_request", error.detail, client_id=client.id) from error
        return await self._kept(asked, client)

    async def _asked(self, sent: Asked, client: Client) -> Asked:
        """Return the request itself. Beside a request object nothing else is said (RFC 9126 section 3)."""
        if sent.get("request_uri") is not None:
            raise AuthorizationError("invalid_request", "request_uri is never pushed (RFC 9126 section 2.1)")
        values = {name: value for name, value in sent.values.items() if name not in _PROOFS_OF_CLIENT}
        plain = replace(sent, values={**values, "client_id": client.id}, is_pushed=True)
        return plain if plain.get("request") is None else await self._arrivals.opened(plain, client, is_pushed=True)

    async def _kept(self, asked: Asked, client: Client) -> dict[str, Any]:
        reference = mint(Kind.REQUEST)
        expires_at_us = self._foundation.now_us() + LIFETIME_S * SECOND_US
        stored = StoredRequest(reference.id, client.id, tuple(asked.pairs), expires_at_us, asked.is_signed)
        async with self._foundation.database.read() as tables:
            await tables.pushed_requests.add(reference, stored)
        return {"request_uri": uri_of(reference), "expires_in": LIFETIME_S}


def _bound(asked: Asked, jkt: str | None) -> Asked:
    """Bind the code to the key that pushed the request (RFC 9449 section 10.1)."""
    if jkt is None:
        return asked
    if asked.get("dpop_jkt") not in {None, jkt}:
        raise InvalidProofError("dpop_jkt names another key than the proof of this request (RFC 9449 section 10.1)")
    return replace(asked, values={**asked.values, "dpop_jkt": jkt})
