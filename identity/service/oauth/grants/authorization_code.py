"""The authorization code grant (RFC 6749 section 4.1.3): what is checked, in order.

1 the code is the client's own and unused: one UPDATE claims it; a second use kills the grant, a foreign client's
nothing; 2 it has not expired; 3 redirect_uri is the one of the authorization request; 4 code_verifier fits the
challenge, and is there exactly when a challenge is (RFC 7636 4.6, RFC 9700 2.1.1); 5 the key is the one announced
(RFC 9449 section 10); 6 the grant lives. What fails after the claim undoes it: only success spends a code.
"""

from dataclasses import replace

from identity.domain.oauth import pkce
from identity.domain.oauth.token_requests import narrowed, narrowed_details
from identity.domain.opaque import Kind
from identity.domain.records import GrantState, StoredCode
from identity.service.foundation import SECOND_US, Foundation, Lifetimes
from identity.service.oauth.grants.replay import kill_grant, replay_refused
from identity.service.oauth.grants.token_request import TokenRequest, refuse_grant
from identity.service.oauth.issuing import Answer, Bestowal, Issuing
from identity.store.database import Tables


class AuthorizationCodeGrant:
    """Redeems codes."""

    def __init__(self, foundation: Foundation, issuing: Issuing) -> None:
        self._foundation = foundation
        self._issuing = issuing

    async def answer(self, request: TokenRequest) -> Answer:
        """Return the tokens of a code."""
        code = request.credential("code", Kind.CODE)
        now_us = self._foundation.now_us()
        async with self._foundation.database.begin() as tables:
            stored = await tables.codes.claim(code, request.client.id, now_us)
            if stored is not None:
                _check(stored, request, now_us)
                return await self._redeem(tables, request, stored, now_us)
            spent = await tables.codes.find(code)
            if spent is None or spent.client_id != request.client.id:
                refuse_grant("the code is not known")
            await kill_grant(self._foundation, tables, request, grant_id=spent.grant_id, action="code_replayed")
        raise replay_refused(self._foundation, spent.grant_id)

    async def _redeem(self, tables: Tables, request: TokenRequest, stored: StoredCode, now_us: int) -> Answer:
        state = await tables.grants.state(stored.grant_id, now_us)
        if state is None:
            refuse_grant("the grant has ended")
        request.binding.require(jkt=stored.jkt or state.terms.jkt, certificate=state.terms.certificate)
        until_us = await tables.grants.extend(state.grant_id, now_us + lifetime_us(self._foundation.lifetimes, state))
        return await self._issuing.answer(tables, person_bestowal(
            request, state, until_us=until_us, own_api=self._foundation.mint.audience,
            grant_type="authorization_code", nonce=stored.nonce), request.context)


def lifetime_us(lifetimes: Lifetimes, state: GrantState) -> int:
    """Return how long a person's grant lives from its redemption; a session may end it sooner."""
    return (lifetimes.offline_s if state.terms.is_offline else lifetimes.refresh_s) * SECOND_US


def person_bestowal(request: TokenRequest, state: GrantState, *, until_us: int, own_api: str,  # noqa: PLR0913 - its parts
                    grant_type: str, nonce: str | None = None) -> Bestowal:
    """Return what a person's fresh grant gives; raise OAuthError for a resource or a detail that was not granted."""
    terms = state.terms
    return Bestowal(
        request.client, state, state.scopes, replace(
            terms, resources=narrowed(request.parameters.resources, terms.resources or (own_api,)),
            authorization_details=narrowed_details(request.details, terms.authorization_details),
            jkt=request.binding.jkt, certificate=request.binding.certificate),
        until_us, grant_type, nonce=nonce,
        refresh_scopes=state.scopes if "refresh_token" in request.client.grant_types else None)


def _check(stored: StoredCode, request: TokenRequest, now_us: int) -> None:
    if stored.expires_at_us <= now_us:
        refuse_grant("the code has expired")
    if request.parameters.values.get("redirect_uri") != stored.redirect_uri:
        refuse_grant("redirect_uri is not the one of the authorization request (RFC 6749 4.1.3)")
    _check_verifier(stored.code_challenge, request.parameters.values.get("code_verifier"))


def _check_verifier(challenge: str | None, verifier: str | None) -> None:
    if challenge is None and verifier is not None:
        refuse_grant("the authorization request had no code_challenge (RFC 9700 2.1.1)")
    if challenge is None:
        return
    if verifier is None:
        refuse_grant("the parameter code_verifier is missing (RFC 7636 4.6)")
    if not pkce.is_verifier(verifier):
        refuse_grant("code_verifier is not 43 to 128 unreserved characters (RFC 7636 4.1)")
    if not pkce.proves(verifier, challenge):
        refuse_grant("code_verifier does not fit the code_challenge (RFC 7636 4.6)")
