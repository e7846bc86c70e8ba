"""Token exchange (RFC 8693 section 2): what is checked, in order.

1 the client is confidential; 2 the subject token is ours and alive, the client's own or meant for it, and whoever
holds its key is the one who asks; 3 the actor token is alive, the client's own, its key proven too; 4 `may_act` and the
length of the chain allow the actor; 5 audiences are on the client's allow-list; 6 scope, roles and life end within the
subject token's. The new grant hangs below the old one: it dies with it and can never carry more.
"""

from collections.abc import Mapping
from dataclasses import replace

from identity.domain.oauth import token_exchange as rules
from identity.domain.oauth.access_tokens import AccessToken, issued_access_token
from identity.domain.oauth.audiences import is_concerned
from identity.domain.oauth.errors import InvalidTokenError, OAuthError
from identity.domain.records import Grant, GrantState, GrantTerms
from identity.service.foundation import SECOND_US, Foundation
from identity.service.oauth.grant_states import MAX_PARENTS, depth, live_state
from identity.service.oauth.grants.token_request import TokenRequest
from identity.service.oauth.issuing import Answer, Bestowal, Issuing
from shared_kernel.ids import uuid7


class TokenExchangeGrant:
    """Exchanges tokens."""

    def __init__(self, foundation: Foundation, issuing: Issuing) -> None:
        self._foundation = foundation
        self._issuing = issuing

    async def answer(self, request: TokenRequest) -> Answer:
        """Return a token for another audience; never a refresh token or an ID token."""
        if request.client.is_public:
            raise OAuthError("unauthorized_client", "only a client that proves itself can exchange tokens")
        values = request.parameters.values
        if "requested_token_type" in values:
            rules.check_type("requested_token_type", values["requested_token_type"])
        subject, parent = await self._presented(request, "subject_token")
        if not is_concerned(request.client, subject, self._foundation.mint.audience):
            raise _refusal("subject_token")
        if depth(parent) >= MAX_PARENTS:
            raise OAuthError("invalid_request", f"a token can be exchanged {MAX_PARENTS} times, one for another")
        grant = self._grant(request, subject, parent, await self._actor(request, values))
        state = _state(grant, request, parent)
        answer = await self._issuing.access_only(
            Bestowal(request.client, state, grant.scopes, grant.terms, grant.expires_at_us, rules.GRANT_TYPE,
                     action="token_exchanged"), request.context)
        async with self._foundation.database.read() as tables:
            await tables.grants.add(grant)
        return answer | {"issued_token_type": rules.ACCESS_TOKEN_TYPE}

    async def _presented(self, request: TokenRequest, name: str) -> tuple[AccessToken, GrantState]:
        """Return a token of the request and its live grant; one answer for whatever is wrong with it."""
        text = request.required(name)
        rules.check_type(f"{name}_type", request.required(f"{name}_type"))
        now_us = self._foundation.now_us()
        try:
            access = issued_access_token(text, self._foundation.mint, now_us)
        except InvalidTokenError as cause:
            raise _refusal(name) from cause
        async with self._foundation.database.read() as tables:
            state = await live_state(tables, access.grant_id, now_us)
        if state is None or state.client_id != access.client_id:
            raise _refusal(name)
        _check_possession(access, request, name)
        return access, state

    async def _actor(self, request: TokenRequest, values: Mapping[str, str]) -> AccessToken | None:
        if "actor_token" not in values:
            if "actor_token_type" in values:
                raise OAuthError("invalid_request", "actor_token_type without actor_token (RFC 8693 2.1)")
            return None
        actor, _ = await self._presented(request, "actor_token")
        if actor.client_id != request.client.id:
            raise _refusal("actor_token")
        return actor

    def _grant(self, request: TokenRequest, subject: AccessToken, parent: GrantState,
               actor: AccessToken | None) -> Grant:
        now_us, client = self._foundation.now_us(), request.client
        asked = (*request.parameters.audiences, *request.parameters.resources)
        ends_s = min(subject.expires_at_s, actor.expires_at_s if actor else subject.expires_at_s)
        terms = GrantTerms(
            resources=rules.audiences_of(asked, subject, client), actor=rules.actor_of(subject, actor, client),
            authorization_details=tuple(subject.claims.get("authorization_details", ())),
            jkt=request.binding.jkt, certificate=request.binding.certificate,
            authenticated_at_us=parent.authenticated_at_us, amr=parent.terms.amr, acr=parent.terms.acr)
        return Grant(
            uuid7(), client.id, parent.user_id, parent.session_id,
            rules.scopes_of(request.scopes, subject, client), now_us, ends_s * SECOND_US, terms,
            parent.grant_id)


def _state(grant: Grant, request: TokenRequest, parent: GrantState) -> GrantState:
    return replace(
        parent, grant_id=grant.id, client_id=grant.client_id, first_party=request.client.first_party,
        client_roles=request.client.roles, terms=grant.terms, scopes=grant.scopes, parent_id=parent.grant_id,
        parent=parent)


def _check_possession(access: AccessToken, request: TokenRequest, name: str) -> None:
    """A bound token is worth nothing without its key, here as at a resource (RFC 9449 7, RFC 8705 3)."""
    held = request.binding
    if access.binding.jkt not in {None, held.jkt} or access.binding.certificate not in {None, held.certificate}:
        raise _refusal(name)


def _refusal(name: str) -> OAuthError:
    return OAuthError("invalid_request", f"the {name} is not valid for this client (RFC 8693 2.2.2)")
