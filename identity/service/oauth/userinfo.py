"""The userinfo endpoint: what a client may know about the person behind its token (OpenID Connect Core 5.3).

1. The token is good now, and presented by its holder.  2. It stands for a person who allowed `openid`.
3. Their claims by scope and by the parameter `claims`, and the roles the token carries.  4. What was told is sealed.
5. Signed, when the client registered for that (5.3.2).
"""

from dataclasses import dataclass
from typing import Any

from identity.domain.oauth.claims import person_claims
from identity.domain.oauth.errors import InvalidTokenError
from identity.domain.oauth.resource_errors import InsufficientScopeError, TokenRequiredError
from identity.domain.records import Client, User
from identity.service.foundation import Foundation
from identity.service.oauth.authenticator import Authenticator
from shared_kernel.context import RequestContext
from shared_kernel.credentials import Credentials
from shared_kernel.principal import Principal, PrincipalKind

USERINFO_TYPE = "userinfo+jwt"
"""A type of its own, so that nobody takes the answer for an ID token (RFC 8725 3.11)."""


@dataclass(frozen=True, slots=True)
class UserInfo:
    """The answer: claims, or the same claims signed."""

    claims: dict[str, Any]
    signed: str | None = None


class UserInfoDesk:
    """Tells clients about people."""

    def __init__(self, foundation: Foundation, authenticator: Authenticator) -> None:
        self._foundation = foundation
        self._authenticator = authenticator

    async def answer(self, credentials: Credentials, context: RequestContext) -> UserInfo:
        """Return what the token's client may know; raise UnauthenticatedError, InsufficientScopeError."""
        principal = await self._authenticator.authenticate(credentials)
        if principal.kind is PrincipalKind.ANONYMOUS:
            raise TokenRequiredError
        if principal.kind is not PrincipalKind.PERSON:
            raise InvalidTokenError("it does not stand for a person")
        if "openid" not in principal.scopes:
            raise InsufficientScopeError("openid")
        claims = await self._claims(principal)
        await self._foundation.journal.seal(
            "userinfo_read", context=context, user={"id": principal.subject, "name": principal.name},
            grid={"oauth": {"client_id": principal.client_id, "claims": sorted(claims)}})
        client = await self._foundation.known_clients.get(principal.client_id or "")
        return UserInfo(claims, await self._signed(claims, client))

    async def _claims(self, principal: Principal) -> dict[str, Any]:
        state = await self._foundation.states.of(principal.grant_id or "", self._foundation.now_us())
        user = await self._user(principal.subject)
        if state is None or user is None:
            raise InvalidTokenError("it was revoked or its session ended")
        told = person_claims(user, principal.scopes, state.terms.claims)
        return {"sub": principal.subject, "roles": sorted(principal.roles), **told}

    async def _user(self, user_id: str) -> User | None:
        async with self._foundation.database.read() as tables:
            return await tables.users.get(user_id)

    async def _signed(self, claims: dict[str, Any], client: Client | None) -> str | None:
        if client is None or client.settings.userinfo_signing_alg is None:
            return None
        mint = self._foundation.mint
        return await mint.sign({**claims, "iss": mint.issuer, "aud": client.id}, token_type=USERINFO_TYPE,
                               algorithm=client.settings.userinfo_signing_alg)
