"""The token endpoint: each grant type a checklist; a credential is claimed before anything is issued for it.

Claim, new credentials and the sealed event share one transaction: when sealing fails the claim is undone, nothing was
issued, and the client may try again. Reuse by its own client kills the grant; a foreign client changes nothing.
"""

from collections.abc import Mapping
from typing import Any, NoReturn

from prometheus_client import Counter

from identity.domain.jose.front import ACCESS_TYPE, ID_TYPE
from identity.domain.oauth import pkce
from identity.domain.oauth.access_tokens import access_claims
from identity.domain.oauth.errors import OAuthError
from identity.domain.oauth.id_tokens import id_claims
from identity.domain.oauth.issuance import Issuance
from identity.domain.oauth.parameters import scope_of, scope_text
from identity.domain.opaque import Kind, Opaque, mint, read
from identity.domain.records import Client, Grant, GrantState, StoredCode, StoredRefresh
from identity.service.foundation import SECOND_US, Foundation
from identity.store.database import Tables
from shared_kernel.context import RequestContext
from shared_kernel.ids import uuid7

Parameters = Mapping[str, str]
Answer = dict[str, Any]
_IDENTITY_SCOPES = frozenset({"openid", "profile"})
_ISSUED = Counter("gridwarden_identity_tokens_issued_total", "Token answers by grant type", ["grant_type"])


class TokenDesk:
    """Exchanges grants for tokens."""

    def __init__(self, foundation: Foundation) -> None:
        self._foundation = foundation
        self._grant_types = {
            "authorization_code": self._redeem_code,
            "refresh_token": self._refresh,
            "client_credentials": self._client_credentials,
        }

    async def exchange(self, client: Client, parameters: Parameters, context: RequestContext) -> Answer:
        """Return the token answer (RFC 6749 section 5.1); raise OAuthError."""
        grant_type = parameters.get("grant_type")
        if grant_type is None:
            raise OAuthError("invalid_request", "the parameter grant_type is missing")
        exchange = self._grant_types.get(grant_type)
        if exchange is None:
            raise OAuthError("unsupported_grant_type", f"use one of {', '.join(self._grant_types)}")
        if grant_type not in client.grant_types:
            raise OAuthError("unauthorized_client", "this client is not registered for this grant type")
        answer = await exchange(client, parameters, context)
        _ISSUED.labels(grant_type).inc()
        return answer

    async def _redeem_code(self, client: Client, parameters: Parameters, context: RequestContext) -> Answer:
        code = _credential(parameters, "code", Kind.CODE)
        verifier = _required(parameters, "code_verifier")
        if not pkce.is_verifier(verifier):
            raise OAuthError("invalid_grant", "code_verifier is not 43 to 128 unreserved characters (RFC 7636 4.1)")
        now_us = self._foundation.now_us()
        async with self._foundation.database.begin() as tables:
            stored = await tables.codes.find(code)
            if stored is None or stored.client_id != client.id:
                _refuse_grant("the code is not known")
            if not await tables.codes.claim(code.id, now_us):
                await self._kill(tables, stored, "code_replayed", client, context)
                answer = None
            else:
                _check_code(stored, parameters, verifier, now_us)
                answer = await self._issue_for_code(tables, client, stored, context)
        return answer if answer is not None else self._refuse_replay()

    async def _issue_for_code(self, tables: Tables, client: Client, stored: StoredCode,
                              context: RequestContext) -> Answer:
        now_us = self._foundation.now_us()
        state, grant = await tables.grants.state(stored.grant_id, now_us), await tables.grants.get(stored.grant_id)
        if state is None or grant is None:
            _refuse_grant("the grant has ended")
        until_us = await tables.grants.extend(grant.id, now_us + self._foundation.lifetimes.refresh_s * SECOND_US)
        return await self._issue(tables, client, state, scopes=grant.scopes, until_us=until_us, nonce=stored.nonce,
                                 context=context, grant_type="authorization_code")

    async def _refresh(self, client: Client, parameters: Parameters, context: RequestContext) -> Answer:
        token = _credential(parameters, "refresh_token", Kind.REFRESH)
        asked = scope_of(parameters)
        now_us = self._foundation.now_us()
        async with self._foundation.database.begin() as tables:
            stored = await tables.refresh_tokens.find(token)
            if stored is None or stored.client_id != client.id:
                _refuse_grant("the refresh token is not known")
            if not await self._claim_refresh(tables, client, stored, now_us):
                await self._kill(tables, stored, "refresh_replayed", client, context)
                answer = None
            else:
                _check_refresh(stored, asked, now_us)
                answer = await self._issue_for_refresh(tables, client, stored, asked, context)
        return answer if answer is not None else self._refuse_replay()

    async def _claim_refresh(self, tables: Tables, client: Client, stored: StoredRefresh, now_us: int) -> bool:
        """Claim; a public client whose answer got lost may repeat once, at once (RFC 9700 4.14.2)."""
        if await tables.refresh_tokens.claim(stored.id, now_us):
            return True
        grace_us = self._foundation.lifetimes.refresh_grace_s * SECOND_US
        return client.is_public and await tables.refresh_tokens.claim_again(stored.id, now_us, grace_us)

    async def _issue_for_refresh(self, tables: Tables, client: Client, stored: StoredRefresh,
                                 asked: frozenset[str] | None, context: RequestContext) -> Answer:
        state = await tables.grants.state(stored.grant_id, self._foundation.now_us())
        if state is None:
            _refuse_grant("the grant has ended")
        return await self._issue(tables, client, state, scopes=asked or stored.scopes, until_us=stored.expires_at_us,
                                 context=context, grant_type="refresh_token", refresh_scopes=stored.scopes)

    async def _client_credentials(self, client: Client, parameters: Parameters, context: RequestContext) -> Answer:
        asked, allowed = scope_of(parameters), client.scopes - _IDENTITY_SCOPES
        if asked is not None and not asked <= allowed:
            raise OAuthError("invalid_scope", "a scope is asked for that this client cannot have for itself")
        now_us = self._foundation.now_us()
        until_us = now_us + self._foundation.lifetimes.access_s * SECOND_US
        grant = Grant(uuid7(), client.id, None, None, asked or allowed, now_us, until_us)
        state = GrantState(grant.id, client.id, None, None, None, None, client.first_party, frozenset(), client.roles)
        async with self._foundation.database.begin() as tables:
            await tables.grants.add(grant)
            return await self._issue(tables, client, state, scopes=grant.scopes, until_us=until_us, context=context,
                                     grant_type="client_credentials")

    async def _issue(self, tables: Tables, client: Client, state: GrantState, *,  # noqa: PLR0913 - an answer's parts
                     scopes: frozenset[str], until_us: int, context: RequestContext, grant_type: str,
                     nonce: str | None = None, refresh_scopes: frozenset[str] | None = None) -> Answer:
        """Write the answer, keep the new refresh token's hash, seal. `until_us` is when the grant ends."""
        issuance = self._issuance(client, state, scopes=scopes, until_us=until_us, nonce=nonce)
        pen = self._foundation.mint
        access_token = await pen.sign(access_claims(issuance, pen), token_type=ACCESS_TYPE)
        answer: Answer = {"access_token": access_token, "token_type": "Bearer", "scope": scope_text(scopes),
                          "expires_in": issuance.expires_at_s - issuance.issued_at_s}
        if "openid" in scopes and state.user_id is not None:
            answer["id_token"] = await pen.sign(id_claims(issuance, pen, access_token), token_type=ID_TYPE)
        if state.user_id is not None and "refresh_token" in client.grant_types:
            token = mint(Kind.REFRESH)
            stored = StoredRefresh(token.id, state.grant_id, client.id, refresh_scopes or scopes, until_us)
            await tables.refresh_tokens.add(token, stored)
            answer["refresh_token"] = token.text
        await self._foundation.journal.seal(
            "token_issued", context=context, user=_holder(client, state),
            grid={"oauth": {"client_id": client.id, "grant_type": grant_type, "grant_id": state.grant_id,
                            "jti": issuance.token_id, "scope": answer["scope"]}})
        return answer

    def _issuance(self, client: Client, state: GrantState, *, scopes: frozenset[str], until_us: int,
                  nonce: str | None) -> Issuance:
        now_s = self._foundation.now_us() // SECOND_US
        return Issuance(
            subject=state.user_id or client.id, client_id=client.id, grant_id=state.grant_id, token_id=uuid7(),
            scopes=scopes, roles=state.roles_for(scopes), issued_at_s=now_s,
            expires_at_s=min(now_s + self._foundation.lifetimes.access_s, until_us // SECOND_US),
            name=state.user_name, session_id=state.session_id, authenticated_at_us=state.authenticated_at_us,
            nonce=nonce,
        )

    async def _kill(self, tables: Tables, stored: StoredCode | StoredRefresh, action: str, client: Client,
                    context: RequestContext) -> None:
        await tables.grants.revoke(stored.grant_id, action, self._foundation.now_us())
        grant = await tables.grants.get(stored.grant_id)
        await self._foundation.journal.seal(
            action, context=context, user={"id": (grant and grant.user_id) or client.id}, outcome="failure",
            reason="the credential had been used before: the grant is revoked",
            grid={"oauth": {"client_id": client.id, "grant_id": stored.grant_id}})

    def _refuse_replay(self) -> NoReturn:
        self._foundation.states.forget()
        _refuse_grant("it had been used before; everything issued for it is revoked")


def _holder(client: Client, state: GrantState) -> dict[str, Any]:
    roles = sorted(state.user_roles if state.user_id else client.roles)
    return {"id": state.user_id or client.id, "name": state.user_name or client.name, "roles": roles}


def _required(parameters: Parameters, name: str) -> str:
    if name not in parameters:
        raise OAuthError("invalid_request", f"the parameter {name} is missing")
    return parameters[name]


def _credential(parameters: Parameters, name: str, kind: Kind) -> Opaque:
    found = read(_required(parameters, name), kind)
    if found is None:
        _refuse_grant(f"the {name} is not known")
    return found


def _refuse_grant(why: str) -> NoReturn:
    raise OAuthError("invalid_grant", why)


def _check_code(stored: StoredCode, parameters: Parameters, verifier: str, now_us: int) -> None:
    if stored.expires_at_us <= now_us:
        _refuse_grant("the code has expired")
    if parameters.get("redirect_uri") != stored.redirect_uri:
        _refuse_grant("redirect_uri is not the one of the authorization request (RFC 6749 4.1.3)")
    if stored.code_challenge is None or not pkce.proves(verifier, stored.code_challenge):
        _refuse_grant("code_verifier does not fit the code_challenge (RFC 7636 4.6)")


def _check_refresh(stored: StoredRefresh, asked: frozenset[str] | None, now_us: int) -> None:
    if stored.expires_at_us <= now_us:
        _refuse_grant("the refresh token has expired")
    if asked is not None and not asked <= stored.scopes:
        raise OAuthError("invalid_scope", "a refresh can narrow the scope, never broaden it (RFC 6749 6)")
