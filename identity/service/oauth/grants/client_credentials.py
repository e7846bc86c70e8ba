"""The client credentials grant (RFC 6749 section 4.4): a confidential client for itself, in one statement.

1 the scope is among the client's, and about no person; 2 each resource is one it may ask for (RFC 8707 section 2);
3 each authorization detail is of a type it is registered for (RFC 9396 section 5).
The event is sealed first, then one INSERT makes the grants of all who wait; should it fail, no token leaves, and none
is good for anything.
"""

from collections.abc import Mapping, Sequence

from identity.domain.oauth.authorization_details import read as read_details
from identity.domain.oauth.errors import InvalidClientError, OAuthError
from identity.domain.oauth.resource_indicators import chosen
from identity.domain.records import Client, Grant, GrantState, GrantTerms
from identity.service.coalescing import Coalescing
from identity.service.foundation import SECOND_US, Foundation
from identity.service.oauth.grants.token_request import TokenRequest
from identity.service.oauth.issuing import Answer, Bestowal, Issuing
from shared_kernel.ids import uuid7

PERSONAL_SCOPES = frozenset({"openid", "profile", "email", "address", "phone", "offline_access"})
"""What only a person can grant."""


class ClientCredentialsGrant:
    """Gives clients tokens for themselves."""

    def __init__(self, foundation: Foundation, issuing: Issuing) -> None:
        self._foundation = foundation
        self._issuing = issuing
        self._new: dict[str, Grant] = {}
        self._adding: Coalescing[str, bool] = Coalescing(self._add_all)

    async def answer(self, request: TokenRequest) -> Answer:
        """Return a token for the client itself; never a refresh token (RFC 6749 section 4.4.3)."""
        client, now_us = request.client, self._foundation.now_us()
        until_us = now_us + self._foundation.lifetimes.access_s * SECOND_US
        grant = Grant(uuid7(), client.id, None, None, self._scopes(request), now_us, until_us, self._terms(request))
        answer = await self._issuing.access_only(
            Bestowal(client, _state(grant, client), grant.scopes, grant.terms, until_us, "client_credentials"),
            request.context)
        await self._add(grant)
        return answer

    async def _add(self, grant: Grant) -> None:
        self._new[grant.id] = grant
        try:
            if not await self._adding.of(grant.id):
                raise InvalidClientError(grant.client_id)
        finally:
            self._new.pop(grant.id, None)

    async def _add_all(self, grant_ids: Sequence[str]) -> Mapping[str, bool]:
        grants = [grant for grant_id in grant_ids if (grant := self._new.get(grant_id))]
        if not grants:
            return {}
        async with self._foundation.database.read() as tables:
            return dict.fromkeys(await tables.grants.add_all(grants), True)

    def _scopes(self, request: TokenRequest) -> frozenset[str]:
        asked, allowed = request.scopes, request.client.scopes - PERSONAL_SCOPES
        if asked is not None and not asked <= allowed:
            raise OAuthError("invalid_scope", "a scope is asked for that this client cannot have for itself")
        return asked or allowed

    def _terms(self, request: TokenRequest) -> GrantTerms:
        client, details = request.client, request.details
        return GrantTerms(
            resources=chosen(request.parameters.resources, client, self._foundation.mint.audience),
            authorization_details=read_details(details, client.settings.authorization_details_types) if details else (),
            jkt=request.binding.jkt, certificate=request.binding.certificate)


def _state(grant: Grant, client: Client) -> GrantState:
    return GrantState(grant.id, client.id, None, None, None, None, client.first_party, frozenset(), client.roles,
                      grant.terms, grant.scopes)
