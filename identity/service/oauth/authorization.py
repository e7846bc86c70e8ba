"""The authorization endpoint: from a browser's request to a code, by way of login and consent where they are due."""

from dataclasses import dataclass

from identity.domain.oauth.authorization import AuthorizationRequest, read_request, response_url, trusted_redirect
from identity.domain.oauth.errors import AuthorizationError
from identity.domain.oauth.parameters import read_pairs, scope_text, unique
from identity.domain.opaque import Kind, mint
from identity.domain.records import Grant, Session, StoredCode
from identity.service.clients.registry import Registry
from identity.service.foundation import SECOND_US, Foundation
from identity.service.people.login import LoginDesk
from shared_kernel.context import RequestContext
from shared_kernel.ids import uuid7


@dataclass(frozen=True, slots=True)
class Redirect:
    """The answer is for the client: send the browser there."""

    url: str


@dataclass(frozen=True, slots=True)
class LoginNeeded:
    """The person must authenticate first."""

    request: AuthorizationRequest


@dataclass(frozen=True, slots=True)
class ConsentNeeded:
    """The person must allow a third-party client first."""

    request: AuthorizationRequest
    session: Session


Outcome = Redirect | LoginNeeded | ConsentNeeded
_NO_UI = {LoginNeeded: "login_required", ConsentNeeded: "consent_required"}


class AuthorizationDesk:
    """Answers authorization requests."""

    def __init__(self, foundation: Foundation, registry: Registry, login_desk: LoginDesk) -> None:
        self._foundation = foundation
        self._registry = registry
        self._login_desk = login_desk

    async def answer(self, query: str, *, cookie: str | None, asked_at_us: int | None = None) -> Outcome:
        """Return what must happen next; raise UntrustedRedirectError while nobody may be redirected.

        `asked_at_us` is set when the request is resumed after a page: when it first arrived.
        """
        parameters, broken = unique(read_pairs(query))
        client_id = parameters.get("client_id")
        client = await self._registry.get(client_id) if client_id else None
        redirect_uri = trusted_redirect(parameters, broken, client)
        if client is None:
            raise AssertionError  # trusted_redirect refused
        try:
            request = read_request(parameters, broken, client, redirect_uri)
        except AuthorizationError as error:
            return self._error(redirect_uri, parameters.get("state"), error.code, error.description)
        return await self._proceed(request, await self._login_desk.session(cookie), asked_at_us)

    async def _proceed(self, request: AuthorizationRequest, session: Session | None,
                       asked_at_us: int | None) -> Outcome:
        page = await self._page_due(request, session, asked_at_us)
        if page is None and session is not None:
            return await self._grant(request, session)
        if page is None or request.prompt == "none":
            code = _NO_UI[type(page or LoginNeeded(request))]
            return self._error(request.redirect_uri, request.state, code, "prompt=none allows no page, one is due")
        return page

    async def _page_due(self, request: AuthorizationRequest, session: Session | None,
                        asked_at_us: int | None) -> LoginNeeded | ConsentNeeded | None:
        authenticated_at_us = session.authenticated_at_us if session else None
        now_us = self._foundation.now_us()
        if session is None or request.needs_login(authenticated_at_us, now_us=now_us, asked_at_us=asked_at_us):
            return LoginNeeded(request)
        if request.client.first_party:
            return None
        async with self._foundation.database.read() as tables:
            allowed = await tables.clients.consented_scopes(session.user_id, request.client.id)
        return None if request.scopes <= allowed else ConsentNeeded(request, session)

    async def decide_consent(self, waiting: ConsentNeeded, *, is_allowed: bool, context: RequestContext) -> Redirect:
        """Carry out what the person chose; a consent is sealed before it stands."""
        request, session = waiting.request, waiting.session
        if not is_allowed:
            return self._error(request.redirect_uri, request.state, "access_denied", "the person said no")
        async with self._foundation.database.begin() as tables:
            await tables.clients.consent(session.user_id, request.client.id, request.scopes,
                                         self._foundation.now_us())
            await self._foundation.journal.seal(
                "consent_granted", context=context, user={"id": session.user_id, "name": session.user_name},
                grid={"oauth": {"client_id": request.client.id, "scope": scope_text(request.scopes),
                                "sid": session.id}})
        return await self._grant(request, session)

    async def _grant(self, request: AuthorizationRequest, session: Session) -> Redirect:
        """Issue a code. The grant lives only as long as the code until the code is redeemed."""
        now_us, code = self._foundation.now_us(), mint(Kind.CODE)
        expires_at_us = now_us + self._foundation.lifetimes.code_s * SECOND_US
        grant = Grant(uuid7(), request.client.id, session.user_id, session.id, request.scopes, now_us, expires_at_us)
        stored = StoredCode(code.id, grant.id, request.client.id, request.redirect_uri, request.code_challenge,
                            request.nonce, expires_at_us)
        async with self._foundation.database.begin() as tables:
            await tables.grants.add(grant)
            await tables.codes.add(code, stored)
        return Redirect(response_url(request.redirect_uri, {
            "code": code.text, "state": request.state, "iss": self._foundation.mint.issuer}))

    def _error(self, redirect_uri: str, state: str | None, code: str, description: str) -> Redirect:
        return Redirect(response_url(redirect_uri, {
            "error": code, "error_description": description, "state": state, "iss": self._foundation.mint.issuer}))
