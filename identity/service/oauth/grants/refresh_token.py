"""The refresh token grant (RFC 6749 section 6): what is checked, in order.

1 the token is the client's own and unused, or repeated at once by a public client holding the same key, once
(RFC 9700 4.14.2); a later reuse kills the grant, a foreign client's nothing; 2 it has not expired; 3 the key is the
token's; 4 the scope, the resources and the details are no wider than what was granted; 5 the grant lives, and with it
its session unless access was granted offline. What fails after the claim undoes it: only success spends a token.

A sender-constrained confidential client keeps its token: it must not rotate (FAPI 2.0 Security Profile 5.3.2.1).
"""

from dataclasses import replace

from identity.domain.oauth.binding import UNBOUND, Binding
from identity.domain.oauth.errors import OAuthError
from identity.domain.oauth.token_requests import narrowed, narrowed_details
from identity.domain.opaque import Kind, Opaque
from identity.domain.records import Client, GrantState, StoredRefresh
from identity.service.foundation import SECOND_US, Foundation
from identity.service.oauth.grants.replay import kill_grant, replay_refused
from identity.service.oauth.grants.token_request import TokenRequest, refuse_grant
from identity.service.oauth.issuing import Answer, Bestowal, Issuing
from identity.store.database import Tables


class RefreshTokenGrant:
    """Refreshes."""

    def __init__(self, foundation: Foundation, issuing: Issuing) -> None:
        self._foundation = foundation
        self._issuing = issuing

    async def answer(self, request: TokenRequest) -> Answer:
        """Return fresh tokens for a refresh token."""
        token = request.credential("refresh_token", Kind.REFRESH)
        async with self._foundation.database.begin() as tables:
            stored = await self._claimed(tables, request, token)
            if stored is not None:
                return await self._refresh(tables, request, stored)
            spent = await tables.refresh_tokens.find(token)
            if spent is None or spent.client_id != request.client.id:
                refuse_grant("the refresh token is not known")
            if await self._is_lost_answer(tables, request, spent):
                return await self._refresh(tables, request, spent)
            await kill_grant(self._foundation, tables, request, grant_id=spent.grant_id, action="refresh_replayed")
        raise replay_refused(self._foundation, spent.grant_id)

    async def _claimed(self, tables: Tables, request: TokenRequest, token: Opaque) -> StoredRefresh | None:
        if rotates(request.client):
            return await tables.refresh_tokens.claim(token, request.client.id, self._foundation.now_us())
        stored = await tables.refresh_tokens.unused(token)
        return stored if stored is not None and stored.client_id == request.client.id else None

    async def _is_lost_answer(self, tables: Tables, request: TokenRequest, spent: StoredRefresh) -> bool:
        """Whether a public client repeats what it just did, with the same key, for the first time."""
        if not request.client.is_public or request.binding != Binding(spent.jkt, spent.certificate):
            return False
        grace_us = self._foundation.lifetimes.refresh_grace_s * SECOND_US
        return await tables.refresh_tokens.claim_again(spent.id, self._foundation.now_us(), grace_us)

    async def _refresh(self, tables: Tables, request: TokenRequest, stored: StoredRefresh) -> Answer:
        now_us, scopes = self._foundation.now_us(), request.scopes
        if stored.expires_at_us <= now_us:
            refuse_grant("the refresh token has expired")
        _check_key(stored, request)
        if scopes is not None and not scopes <= stored.scopes:
            raise OAuthError("invalid_scope", "a refresh can narrow the scope, never broaden it (RFC 6749 6)")
        state = await tables.grants.state(stored.grant_id, now_us)
        if state is None:
            refuse_grant("the grant has ended")
        return await self._issuing.answer(tables, self._bestowal(request, stored, state), request.context)

    def _bestowal(self, request: TokenRequest, stored: StoredRefresh, state: GrantState) -> Bestowal:
        terms, own_api = state.terms, self._foundation.mint.audience
        return Bestowal(
            request.client, state, request.scopes or stored.scopes, replace(
                terms, resources=narrowed(request.parameters.resources, terms.resources or (own_api,)),
                authorization_details=narrowed_details(request.details, terms.authorization_details),
                jkt=request.binding.jkt, certificate=request.binding.certificate),
            stored.expires_at_us, "refresh_token",
            refresh_scopes=stored.scopes if rotates(request.client) else None)


def rotates(client: Client) -> bool:
    """Whether a refresh token of this client is used up by a refresh."""
    is_constrained = client.is_fapi2 or client.settings.dpop_bound or client.settings.certificate_bound
    return client.is_public or not is_constrained


def _check_key(stored: StoredRefresh, request: TokenRequest) -> None:
    """A public client's token is bound to its key (RFC 9449 section 5, RFC 8705 section 4).

    A confidential client is bound by proving itself and may bring a new key, but what was bound is never unbound.
    """
    if request.client.is_public:
        request.binding.require(jkt=stored.jkt, certificate=stored.certificate)
    elif request.binding == UNBOUND and Binding(stored.jkt, stored.certificate) != UNBOUND:
        refuse_grant("the first tokens of this grant were bound to a key: prove one (RFC 9449 5)")
