"""From the Authorization header to a principal: a verified token, a live grant, and the holder of the token's key.

The signature of a token is checked once a process; the grant's state at most two seconds ago; the proof of possession
(RFC 9449 section 7, RFC 8705 section 3) at every request, because it is about that request.
"""

from collections import OrderedDict
from dataclasses import replace

from identity.domain.oauth.access_tokens import AccessToken, read_access_token
from identity.domain.oauth.binding import UNBOUND
from identity.domain.oauth.errors import CredentialError, InvalidProofError, InvalidTokenError
from identity.domain.records import GrantState
from identity.service.foundation import SECOND_US, Foundation
from identity.service.oauth.sender import SenderConstraints
from shared_kernel.credentials import Credentials
from shared_kernel.principal import ANONYMOUS, Principal, PrincipalKind

MAX_VERIFIED = 20_000
_Known = tuple[AccessToken, GrantState, Principal]
_SCHEMES = {"bearer": "Bearer", "dpop": "DPoP"}


class Authenticator:
    """Names the caller behind an access token."""

    def __init__(self, foundation: Foundation, sender: SenderConstraints) -> None:
        self._foundation = foundation
        self._sender = sender
        self._verified: OrderedDict[str, _Known] = OrderedDict()

    async def authenticate(self, credentials: Credentials) -> Principal:
        """Return the principal; raise CredentialError for a token that is not good now, or not in these hands.

        No header is nobody, and so is Basic: a client's secret at the token endpoint is nobody's access token.
        """
        name, _, token = (credentials.authorization or "basic").partition(" ")
        if name.lower() == "basic":
            return ANONYMOUS
        scheme = _SCHEMES.get(name.lower())
        if scheme is None:
            raise CredentialError("only Bearer and DPoP tokens are taken here", scheme="Bearer")
        try:
            access, _, principal = await self._known(token)
            await self._check_holder(access, scheme, token, credentials)
        except InvalidTokenError as cause:
            raise CredentialError(cause.detail, scheme=scheme) from cause
        except InvalidProofError as cause:
            raise CredentialError(cause.detail, scheme=scheme, code=cause.code, headers=cause.headers) from cause
        return principal

    async def standing(self, principal: Principal) -> Principal:
        """Return a principal authenticated before as its grant stands now; raise CredentialError when it ended.

        Its proof of possession was about the request it came with and is not asked for again.
        """
        if principal.grant_id is None:
            return principal
        now_us = self._foundation.now_us()
        state = await self._foundation.states.of(principal.grant_id, now_us)
        if state is None:
            raise CredentialError("it was revoked or its session ended", scheme="Bearer")
        if principal.expires_at_us is not None and principal.expires_at_us <= now_us:
            raise CredentialError("it has expired", scheme="Bearer")
        return replace(principal, roles=state.roles_for(principal.scopes), name=state.user_name or state.subject)

    def forget(self) -> None:
        """Verify every token anew: the keys changed."""
        self._verified.clear()

    async def _known(self, token: str) -> _Known:
        """Return what the token says, and its grant as it stands."""
        now_us = self._foundation.now_us()
        known = self._verified.get(token)
        access = known[0] if known else read_access_token(token, self._foundation.mint, now_us)
        if access.expires_at_s * SECOND_US <= now_us:
            raise InvalidTokenError("it has expired")
        state = await self._foundation.states.of(access.grant_id, now_us)
        if state is None or state.client_id != access.client_id:
            raise InvalidTokenError("it was revoked or its session ended")
        if known is None or known[1] is not state:
            known = (access, state, _principal(access, state))
            self._remember(token, known)
        return known

    async def _check_holder(self, access: AccessToken, scheme: str, token: str, credentials: Credentials) -> None:
        """Raise unless the token is presented as it must be, by whom it is bound to; nothing here is remembered."""
        bound = access.binding
        if scheme != bound.token_type:
            raise InvalidTokenError(f"it must be presented under the scheme {bound.token_type}")
        if bound == UNBOUND:
            return
        is_nonce_due = False
        if bound.jkt is not None:
            client = await self._foundation.known_clients.get(access.client_id)
            is_nonce_due = client is None or client.is_fapi2
        await self._sender.check_presented(credentials, token, bound, is_nonce_due=is_nonce_due)

    def _remember(self, token: str, known: _Known) -> None:
        self._verified[token] = known
        if len(self._verified) > MAX_VERIFIED:
            self._verified.popitem(last=False)


def _principal(access: AccessToken, state: GrantState) -> Principal:
    is_person = state.user_id is not None
    return Principal(
        subject=state.subject, name=state.user_name or state.subject,
        kind=PrincipalKind.PERSON if is_person else PrincipalKind.SERVICE, roles=state.roles_for(access.scopes),
        scopes=access.scopes, client_id=state.client_id, grant_id=state.grant_id, session_id=state.session_id,
        token_id=access.token_id, authenticated_at_us=state.authenticated_at_us,
        expires_at_us=access.expires_at_s * SECOND_US, amr=state.terms.amr, acr=state.terms.acr,
    )
