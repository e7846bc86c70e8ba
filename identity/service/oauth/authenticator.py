"""From the Authorization header to a principal: a verified token, and a grant that is alive at this moment.

The signature is checked once a token and process; the grant's state at most two seconds ago.
"""

from collections import OrderedDict

from identity.domain.oauth.access_tokens import AccessToken, read_access_token
from identity.domain.oauth.errors import InvalidTokenError
from identity.domain.records import GrantState
from identity.service.foundation import SECOND_US, Foundation
from shared_kernel.credentials import Credentials
from shared_kernel.principal import ANONYMOUS, Principal, PrincipalKind

MAX_VERIFIED = 20_000
_Known = tuple[AccessToken, GrantState | None, Principal | None]


class Authenticator:
    """Names the caller behind a bearer token."""

    def __init__(self, foundation: Foundation) -> None:
        self._foundation = foundation
        self._verified: OrderedDict[str, _Known] = OrderedDict()

    async def authenticate(self, credentials: Credentials) -> Principal:
        """Return the principal; raise InvalidTokenError for a token that is not good now.

        No header is nobody, and so is Basic: a client's secret at the token endpoint is nobody's bearer token.
        """
        authorization = credentials.authorization
        if authorization is None:
            return ANONYMOUS
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() == "basic":
            return ANONYMOUS
        if scheme.lower() != "bearer":
            raise InvalidTokenError("the scheme must be Bearer")
        return await self._principal(token)

    def forget(self) -> None:
        """Verify every token anew: the keys changed."""
        self._verified.clear()

    async def _principal(self, token: str) -> Principal:
        now_us = self._foundation.now_us()
        known = self._verified.get(token)
        access = known[0] if known else read_access_token(token, self._foundation.mint, now_us)
        if access.expires_at_s * SECOND_US <= now_us:
            raise InvalidTokenError("it has expired")
        state = await self._foundation.states.of(access.grant_id, now_us)
        if state is None or state.client_id != access.client_id:
            raise InvalidTokenError("it was revoked or its session ended")
        if known is not None and known[1] is state and known[2] is not None:
            return known[2]
        principal = _principal(access, state)
        self._remember(token, (access, state, principal))
        return principal

    def _remember(self, token: str, known: _Known) -> None:
        self._verified[token] = known
        if len(self._verified) > MAX_VERIFIED:
            self._verified.popitem(last=False)


def _principal(access: AccessToken, state: GrantState) -> Principal:
    is_person = state.user_id is not None
    return Principal(
        subject=state.user_id or state.client_id, name=state.user_name or state.client_id,
        kind=PrincipalKind.PERSON if is_person else PrincipalKind.SERVICE, roles=state.roles_for(access.scopes),
        scopes=access.scopes, client_id=state.client_id, grant_id=state.grant_id, session_id=state.session_id,
        token_id=access.token_id, authenticated_at_us=state.authenticated_at_us,
        expires_at_us=access.expires_at_s * SECOND_US, amr=("pwd",) if is_person else (),
    )
