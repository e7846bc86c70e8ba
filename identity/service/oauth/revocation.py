"""Revocation (RFC 7009): a client makes an end of its own token, and with it of the whole grant."""

from collections.abc import Mapping

from identity.domain.oauth.access_tokens import issued_access_token
from identity.domain.oauth.errors import InvalidTokenError, OAuthError
from identity.domain.opaque import Kind, read
from identity.domain.records import Client
from identity.service.foundation import Foundation
from shared_kernel.context import RequestContext


class Revocation:
    """Ends tokens."""

    def __init__(self, foundation: Foundation) -> None:
        self._foundation = foundation

    async def revoke(self, client: Client, parameters: Mapping[str, str], context: RequestContext) -> None:
        """Kill the token's grant; an unknown token is already dead (section 2.2), a hint only ever a hint (2.1)."""
        text = parameters.get("token")
        if text is None:
            raise OAuthError("invalid_request", "the parameter token is missing")
        grant_id = await self._grant_of(text)
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
        self._foundation.states.forget_grant(grant_id)

    async def _grant_of(self, text: str) -> str | None:
        opaque = read(text, Kind.REFRESH)
        if opaque is not None:
            async with self._foundation.database.read() as tables:
                stored = await tables.refresh_tokens.find(opaque)
            return stored.grant_id if stored else None
        try:
            return issued_access_token(text, self._foundation.mint, self._foundation.now_us()).grant_id
        except InvalidTokenError:
            return None
