"""Introspection (RFC 7662) and revocation (RFC 7009): what became of a token, and making an end of it."""

from collections.abc import Mapping
from typing import Any

from identity.domain.oauth.access_tokens import AccessToken, read_access_token
from identity.domain.oauth.errors import InvalidTokenError, OAuthError
from identity.domain.oauth.parameters import scope_text
from identity.domain.opaque import Kind, read
from identity.domain.records import Client, GrantState
from identity.service.foundation import SECOND_US, Foundation
from shared_kernel.context import RequestContext

INACTIVE: Mapping[str, Any] = {"active": False}
"""The one answer for unknown, expired, revoked, malformed, and for a caller whom it is no business of."""


class TokenStatus:
    """Tells about tokens and ends them."""

    def __init__(self, foundation: Foundation) -> None:
        self._foundation = foundation

    async def introspect(self, client: Client, parameters: Mapping[str, str]) -> Mapping[str, Any]:
        """Return the token's state, to its own client and to resource servers. Never writes."""
        text = _token(parameters)
        now_us = self._foundation.now_us()
        try:
            access = read_access_token(text, self._foundation.mint, now_us)
        except InvalidTokenError:
            return INACTIVE
        state = await self._foundation.states.of(access.grant_id, now_us)
        if state is None or not (client.id == access.client_id or client.is_resource_server):
            return INACTIVE
        return self._description(access, state)

    async def revoke(self, client: Client, parameters: Mapping[str, str], context: RequestContext) -> None:
        """Kill the token's grant; an unknown token is already dead (RFC 7009 section 2.2)."""
        grant_id = await self._grant_of(_token(parameters))
        if grant_id is None:
            return
        async with self._foundation.database.begin() as tables:
            grant = await tables.grants.get(grant_id)
            if grant is None:
                return
            if grant.client_id != client.id:
                raise OAuthError("invalid_request", "the token was issued to another client (RFC 7009 2.1)")
            if await tables.grants.revoke(grant_id, "token_revoked", self._foundation.now_us()):
                await self._foundation.journal.seal(
                    "token_revoked", context=context, user={"id": grant.user_id or client.id},
                    grid={"oauth": {"client_id": client.id, "grant_id": grant_id}})
        self._foundation.states.forget()

    async def _grant_of(self, text: str) -> str | None:
        opaque = read(text, Kind.REFRESH)
        if opaque is not None:
            async with self._foundation.database.read() as tables:
                stored = await tables.refresh_tokens.find(opaque)
            return stored.grant_id if stored else None
        try:
            return read_access_token(text, self._foundation.mint, self._foundation.now_us()).grant_id
        except InvalidTokenError:
            return None

    def _description(self, access: AccessToken, state: GrantState) -> dict[str, Any]:
        found: dict[str, Any] = {
            "active": True, "scope": scope_text(access.scopes), "client_id": access.client_id, "sub": access.subject,
            "token_type": "Bearer", "iss": self._foundation.mint.issuer, "aud": self._foundation.mint.audience,
            "iat": access.issued_at_s, "exp": access.expires_at_s, "jti": access.token_id, "gid": access.grant_id,
            "roles": sorted(state.roles_for(access.scopes)),
        }
        if state.user_name is not None:
            found["username"] = state.user_name
        if state.authenticated_at_us is not None:
            found["auth_time"] = state.authenticated_at_us // SECOND_US
        return found


def _token(parameters: Mapping[str, str]) -> str:
    if "token" not in parameters:
        raise OAuthError("invalid_request", "the parameter token is missing")
    return parameters["token"]
