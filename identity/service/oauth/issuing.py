"""Writes token answers (RFC 6749 section 5.1): the signed tokens, the new refresh token, and the event that says so.

Whoever calls has claimed the credential in the same transaction: when sealing fails the claim is undone with the rest.
"""

from dataclasses import dataclass
from typing import Any

from identity.domain.jose.front import ACCESS_TYPE, ID_TYPE
from identity.domain.oauth.access_tokens import access_claims
from identity.domain.oauth.binding import Binding
from identity.domain.oauth.claims import asks_about_person
from identity.domain.oauth.id_tokens import id_claims
from identity.domain.oauth.issuance import Issuance
from identity.domain.oauth.parameters import scope_text
from identity.domain.opaque import Kind, mint
from identity.domain.records import Client, GrantState, GrantTerms, StoredRefresh, User
from identity.service.foundation import SECOND_US, Foundation
from identity.store.database import Tables
from shared_kernel.context import RequestContext
from shared_kernel.ids import uuid7

Answer = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Bestowal:
    """What one answer gives: `terms` are the grant's, narrowed to this answer and bound to its key.

    `until_us` is when the grant ends. `refresh_scopes` are those of the new refresh token, None for no such token.
    """

    client: Client
    state: GrantState
    scopes: frozenset[str]
    terms: GrantTerms
    until_us: int
    grant_type: str
    nonce: str | None = None
    refresh_scopes: frozenset[str] | None = None
    action: str = "token_issued"


class Issuing:
    """Issues tokens."""

    def __init__(self, foundation: Foundation) -> None:
        self._foundation = foundation

    async def answer(self, tables: Tables, given: Bestowal, context: RequestContext) -> Answer:
        """Return the whole answer: access token, ID token where `openid` was granted, refresh token where one is due.

        Raises UnavailableError when the event cannot be sealed; then the transaction must not stand.
        """
        issuance = self._issuance(given, await self._person(tables, given))
        answer = await self._access(issuance, given.terms)
        if "openid" in given.scopes and given.state.user_id is not None:
            answer["id_token"] = await self._id_token(issuance, given.client, answer["access_token"])
        if given.refresh_scopes is not None:
            answer["refresh_token"] = await self._refresh_token(tables, given, given.refresh_scopes)
        await self._seal(issuance, given, context)
        return answer

    async def access_only(self, given: Bestowal, context: RequestContext) -> Answer:
        """Return an answer with nothing but an access token; it touches no table."""
        issuance = self._issuance(given, None)
        answer = await self._access(issuance, given.terms)
        await self._seal(issuance, given, context)
        return answer

    async def _access(self, issuance: Issuance, terms: GrantTerms) -> Answer:
        pen = self._foundation.mint
        answer: Answer = {
            "access_token": await pen.sign(access_claims(issuance, pen), token_type=ACCESS_TYPE),
            "token_type": Binding.of(terms).token_type, "scope": scope_text(issuance.scopes),
            "expires_in": issuance.expires_at_s - issuance.issued_at_s,
        }
        if terms.authorization_details:
            answer["authorization_details"] = list(terms.authorization_details)
        return answer

    async def _id_token(self, issuance: Issuance, client: Client, access_token: str) -> str:
        pen = self._foundation.mint
        return await pen.sign(id_claims(issuance, pen, access_token, client), token_type=ID_TYPE,
                              algorithm=client.settings.id_token_signing_alg)

    async def _person(self, tables: Tables, given: Bestowal) -> User | None:
        user_id = given.state.user_id
        if user_id is None or "openid" not in given.scopes or not asks_about_person(given.terms.claims, "id_token"):
            return None
        return await tables.users.get(user_id)

    async def _refresh_token(self, tables: Tables, given: Bestowal, scopes: frozenset[str]) -> str:
        token = mint(Kind.REFRESH)
        await tables.refresh_tokens.add(token, StoredRefresh(
            token.id, given.state.grant_id, given.client.id, scopes, given.until_us,
            given.terms.jkt, given.terms.certificate))
        return token.text

    def _issuance(self, given: Bestowal, person: User | None) -> Issuance:
        state, settings = given.state, given.client.settings
        now_s = self._foundation.now_us() // SECOND_US
        return Issuance(
            subject=state.subject, client_id=given.client.id, grant_id=state.grant_id, token_id=uuid7(),
            scopes=given.scopes, roles=state.roles_for(given.scopes), issued_at_s=now_s,
            expires_at_s=min(now_s + self._foundation.lifetimes.access_s, given.until_us // SECOND_US),
            terms=given.terms, name=state.user_name, session_id=state.session_id or given.terms.sid,
            authenticated_at_us=state.authenticated_at_us, nonce=given.nonce, person=person,
            may_act={"sub": settings.may_act} if settings.may_act else None,
        )

    async def _seal(self, issuance: Issuance, given: Bestowal, context: RequestContext) -> None:
        await self._foundation.journal.seal(
            given.action, context=context, user=_holder(given),
            grid={"oauth": {"client_id": given.client.id, "grant_type": given.grant_type,
                            "grant_id": issuance.grant_id, "jti": issuance.token_id,
                            "scope": scope_text(given.scopes)} | _marks(given.terms)})


def _holder(given: Bestowal) -> dict[str, Any]:
    state = given.state
    name = state.user_name or (given.client.name if state.parent is None else state.subject)
    return {"id": state.subject, "name": name, "roles": sorted(state.roles_for(given.scopes))}


def _marks(terms: GrantTerms) -> dict[str, Any]:
    """What else a reader of the ledger wants to know: for whom the token is good, and who acts."""
    found = {"resources": list(terms.resources), "actor": terms.actor}
    return {name: value for name, value in found.items() if value}
