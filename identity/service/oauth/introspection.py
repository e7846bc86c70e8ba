"""Introspection (RFC 7662): what a token is good for at this moment, told to whom it concerns. Never writes.

Three things are remembered: the answer's bytes for a caller and a token, the state of its grant (two seconds), and
what was verified about it (until the keys change). An answer stands while caller, state and verification are the ones
it was made of, and the token has not expired.
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from identity.domain.oauth.access_tokens import AccessToken, issued_access_token
from identity.domain.oauth.audiences import is_concerned
from identity.domain.oauth.errors import InvalidTokenError, OAuthError
from identity.domain.oauth.parameters import scope_text
from identity.domain.opaque import Kind, read
from identity.domain.records import Client, GrantState
from identity.service.foundation import SECOND_US, Foundation

INACTIVE = b'{"active":false}'
"""The one answer for unknown, expired, revoked, malformed, and for a caller whom it is no business of (section 2.2)."""

JWT_TYPE = "token-introspection+jwt"
MAX_ANSWERS = 20_000
_COPIED = ("iss", "aud", "auth_time", "acr", "amr", "cnf", "act", "may_act", "authorization_details", "sid")


@dataclass(frozen=True, slots=True)
class _Known:
    """A verified token and the answer made of it for one caller."""

    caller: Client
    access: AccessToken
    state: GrantState | None
    body: bytes
    epoch: int


class Introspection:
    """Tells about tokens."""

    def __init__(self, foundation: Foundation) -> None:
        self._foundation = foundation
        self._known: OrderedDict[tuple[str, str], _Known] = OrderedDict()

    async def answer(self, caller: Client, parameters: Mapping[str, str]) -> bytes:
        """Return the answer as JSON."""
        text = parameters.get("token")
        if text is None:
            raise OAuthError("invalid_request", "the parameter token is missing")
        opaque = read(text, Kind.REFRESH) if text.startswith("gw_") else None
        if opaque is not None:
            return await self._of_refresh_token(caller, text)
        return await self._of_access_token(caller, text)

    async def signed(self, caller: Client, body: bytes) -> str:
        """Return an answer as a JWT for the caller alone (RFC 9701 section 5)."""
        pen = self._foundation.mint
        claims = {"iss": pen.issuer, "aud": caller.id, "iat": self._foundation.now_us() // SECOND_US,
                  "token_introspection": orjson.loads(body)}
        return await pen.sign(claims, token_type=JWT_TYPE,
                              algorithm=caller.settings.introspection_signing_alg or "ES256")

    async def _of_access_token(self, caller: Client, text: str) -> bytes:
        now_us, states = self._foundation.now_us(), self._foundation.states
        known = self._known.get((caller.id, text))
        if known is not None and (known.epoch != states.epoch or known.caller is not caller):
            known = None
        try:
            access = known.access if known else issued_access_token(text, self._foundation.mint, now_us)
        except InvalidTokenError:
            return INACTIVE
        if access.expires_at_s * SECOND_US <= now_us:
            return INACTIVE
        epoch = states.epoch
        state = await states.of(access.grant_id, now_us)
        if known is not None and state is known.state:
            return known.body
        body = self._body(caller, access, state)
        self._remember((caller.id, text), _Known(caller, access, state, body, epoch))
        return body

    def _body(self, caller: Client, access: AccessToken, state: GrantState | None) -> bytes:
        if state is None or state.client_id != access.client_id:
            return INACTIVE
        if not is_concerned(caller, access, self._foundation.mint.audience):
            return INACTIVE
        found: dict[str, Any] = {
            "active": True, "scope": access.claims["scope"], "client_id": access.client_id, "sub": access.subject,
            "token_type": access.binding.token_type, "iat": access.issued_at_s, "exp": access.expires_at_s,
            "jti": access.token_id, "gid": access.grant_id, "roles": sorted(state.roles_for(access.scopes)),
        }
        if state.user_name is not None:
            found["username"] = state.user_name
        return orjson.dumps(found | {name: access.claims[name] for name in _COPIED if name in access.claims})

    async def _of_refresh_token(self, caller: Client, text: str) -> bytes:
        """A refresh token is its client's business alone: no resource server may ever hold one."""
        opaque, now_us = read(text, Kind.REFRESH), self._foundation.now_us()
        if opaque is None:
            return INACTIVE
        async with self._foundation.database.read() as tables:
            stored = await tables.refresh_tokens.unused(opaque)
            if stored is None or stored.client_id != caller.id or stored.expires_at_us <= now_us:
                return INACTIVE
            state = await tables.grants.state(stored.grant_id, now_us)
        if state is None:
            return INACTIVE
        return orjson.dumps({
            "active": True, "scope": scope_text(stored.scopes), "client_id": stored.client_id, "sub": state.subject,
            "iss": self._foundation.mint.issuer, "exp": stored.expires_at_us // SECOND_US, "gid": stored.grant_id})

    def _remember(self, key: tuple[str, str], known: _Known) -> None:
        self._known[key] = known
        if len(self._known) > MAX_ANSWERS:
            self._known.popitem(last=False)
