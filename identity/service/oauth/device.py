"""The device grant away from the token endpoint (RFC 8628): a device asks, a person types its code and decides."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from identity.domain.oauth.authorization_details import read as read_details
from identity.domain.oauth.device import (
    ATTEMPT_WINDOW_US,
    GRANT_TYPE,
    INTERVAL_S,
    LIFETIME_S,
    MAX_TRIES_OF_ADDRESS,
    MAX_TRIES_OF_SESSION,
    DeviceRequest,
    new_user_code,
    read_user_code,
    shown,
)
from identity.domain.oauth.errors import OAuthError
from identity.domain.oauth.parameters import scope_of, scope_text
from identity.domain.oauth.resource_indicators import chosen
from identity.domain.oauth.token_requests import TokenParameters
from identity.domain.opaque import Kind, Opaque, mint
from identity.domain.people.assurance import meets
from identity.domain.records import Client, Grant, GrantTerms, Session
from identity.service.foundation import SECOND_US, Foundation
from shared_kernel.context import RequestContext
from shared_kernel.errors import TooManyRequestsError
from shared_kernel.ids import uuid7

_MAX_DRAWS = 5


class TooManyCodesError(TooManyRequestsError):
    """Somebody tries codes (RFC 8628 section 5.1)."""

    def __init__(self) -> None:
        super().__init__("Too many codes were tried: wait ten minutes, then start again on the device.")


@dataclass(frozen=True, slots=True)
class Waiting:
    """A device before its person: what it asks, and for which client."""

    request: DeviceRequest
    client: Client


class DeviceDesk:
    """Begins device requests and takes what people decide. `draw` makes user codes."""

    def __init__(self, foundation: Foundation, draw: Callable[[], str] = new_user_code) -> None:
        self._foundation = foundation
        self._draw = draw

    async def begin(self, client: Client, parameters: TokenParameters) -> dict[str, Any]:
        """Return a device authorization answer (section 3.2); raise OAuthError."""
        if GRANT_TYPE not in client.grant_types:
            raise OAuthError("unauthorized_client", "this client is not registered for the device grant")
        code, now_us = mint(Kind.DEVICE), self._foundation.now_us()
        user_code = await self._keep(code, DeviceRequest(
            code.id, "", client.id, _scopes(client, parameters.values), "pending", now_us + LIFETIME_S * SECOND_US,
            terms=self._terms(client, parameters)), now_us)
        place = f"{self._foundation.mint.issuer}/device"
        return {"device_code": code.text, "user_code": shown(user_code), "verification_uri": place,
                "verification_uri_complete": f"{place}?user_code={shown(user_code)}", "expires_in": LIFETIME_S,
                "interval": INTERVAL_S}

    async def _keep(self, code: Opaque, request: DeviceRequest, now_us: int) -> str:
        for _ in range(_MAX_DRAWS):
            drawn = replace(request, user_code=self._draw())
            async with self._foundation.database.read() as tables:
                if await tables.device_codes.add(code, drawn, now_us):
                    return drawn.user_code
        raise OAuthError("temporarily_unavailable", "no free user code was found: try again", status=503)

    def _terms(self, client: Client, parameters: TokenParameters) -> GrantTerms:
        details = parameters.values.get("authorization_details")
        return GrantTerms(
            resources=chosen(parameters.resources, client, self._foundation.mint.audience),
            authorization_details=read_details(details, client.settings.authorization_details_types) if details else ())

    async def named(self, text: str, session: Session, address: str) -> Waiting | None:
        """Return the device a person named, None for a wrong code; raise TooManyCodesError. A try counts first."""
        now_us = self._foundation.now_us()
        async with self._foundation.database.read() as tables:
            await tables.device_codes.add_attempt(session.id, address, now_us)
            in_session, from_address = await tables.device_codes.count_attempts(
                session.id, address, now_us - ATTEMPT_WINDOW_US)
            if in_session > MAX_TRIES_OF_SESSION or from_address > MAX_TRIES_OF_ADDRESS:
                raise TooManyCodesError
            user_code = read_user_code(text)
            found = await tables.device_codes.waiting(user_code, now_us) if user_code else None
        return await self._waiting(found)

    async def confirmed(self, request_id: str) -> Waiting | None:
        """Return the device behind a confirmation form of ours while it waits."""
        async with self._foundation.database.read() as tables:
            found = await tables.device_codes.waiting_by_id(request_id, self._foundation.now_us())
        return await self._waiting(found)

    async def _waiting(self, request: DeviceRequest | None) -> Waiting | None:
        client = await self._foundation.known_clients.get(request.client_id) if request else None
        return Waiting(request, client) if request and client else None

    def needs_step_up(self, waiting: Waiting, session: Session) -> bool:
        """Whether this client wants people to be surer of than this session is (default_acr_values, RFC 7591)."""
        return not meets(session.acr, waiting.client.settings.default_acr_values)

    async def decide(self, waiting: Waiting, session: Session, *, is_allowed: bool, context: RequestContext) -> bool:
        """Carry out what the person chose, sealed before it stands; answer whether the device still waited."""
        now_us, request = self._foundation.now_us(), waiting.request
        grant = _grant(request, session, now_us) if is_allowed else None
        async with self._foundation.database.begin() as tables:
            if not await tables.device_codes.decide(request.id, "allowed" if is_allowed else "denied", now_us):
                return False
            if grant is not None:
                await tables.grants.add(grant)
                await tables.device_codes.give(request.id, grant.id)
                await tables.clients.consent(session.user_id, request.client_id, request.scopes, now_us)
            await self._foundation.journal.seal(
                "device_code_allowed" if is_allowed else "device_code_denied", context=context,
                user={"id": session.user_id, "name": session.user_name},
                grid={"oauth": {"client_id": request.client_id, "scope": scope_text(request.scopes),
                                "sid": session.id} | ({"grant_id": grant.id} if grant else {})})
        return True


def _scopes(client: Client, parameters: Mapping[str, str]) -> frozenset[str]:
    asked = scope_of(parameters)
    if asked is not None and not asked <= client.scopes:
        raise OAuthError("invalid_scope", "a scope is asked for that this client is not registered for")
    return asked or client.scopes - {"offline_access"}


def _grant(request: DeviceRequest, session: Session, now_us: int) -> Grant:
    """Until the device comes for it the grant lives as long as its code; offline it has no session (OIDC Core 11)."""
    is_offline = "offline_access" in request.scopes
    terms = replace(request.terms, is_offline=is_offline, amr=session.amr, acr=session.acr,
                    authenticated_at_us=session.authenticated_at_us, sid=session.id if is_offline else None)
    return Grant(uuid7(), request.client_id, session.user_id, None if is_offline else session.id, request.scopes,
                 now_us, request.expires_at_us, terms)
