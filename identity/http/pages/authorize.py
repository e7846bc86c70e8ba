"""The authorization endpoint, and the two pages of its own: which account, and may the application."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from functools import wraps
from typing import TypeAlias
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from identity.domain.oauth.authorization import AuthorizationRequest
from identity.domain.oauth.due import Due
from identity.domain.oauth.parameters import read_pairs
from identity.domain.oauth.responses import AuthorizationResponse
from identity.domain.people.interactions import Interaction, Purpose, StaleInteractionError
from identity.domain.records import Session
from identity.http.pages.consent import consent_values, place_of
from identity.http.pages.forms import form_fields, form_pairs
from identity.http.pages.front import Front
from identity.http.pages.rendering import see_other
from identity.service.oauth.authorization import AlreadyAnswered, Outcome, Visit, Waiting
from shared_kernel.context import context_of
from shared_kernel.errors import InvalidInputError

MAX_REQUEST = 16_384
"""A signed request object by value is long."""
MAX_LOCATION = 8_000
Handler: TypeAlias = Callable[["AuthorizeRoutes", Request], Awaitable[Response]]

_PURPOSES = {Due.ACCOUNT: Purpose.SELECT_ACCOUNT, Due.CONSENT: Purpose.CONSENT}
_FORM_POST_POLICY = ("default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; frame-ancestors 'none'; "
                     "base-uri 'none'")
"""No form-action: Chromium applies it to wherever the application redirects after our form, which is its business."""


def _answering(handler: Handler) -> Handler:
    """Turn what cannot be answered into a page: a form that is stale, a request that leads nowhere safe."""
    @wraps(handler)
    async def answer(self: "AuthorizeRoutes", request: Request) -> Response:
        try:
            return await handler(self, request)
        except StaleInteractionError:
            return self.front.stale(request)
        except InvalidInputError as error:
            return self.refused(request, error)
    return answer


class AuthorizeRoutes:
    """Handlers of the authorization endpoint, of the choice of an account and of consent."""

    def __init__(self, front: Front) -> None:
        self.front = front

    async def authorize(self, request: Request) -> Response:
        """Serve the authorization endpoint (RFC 6749 3.1)."""
        return await self.resume(request, request.url.query, self.front.cookies.session(request), None)

    @_answering
    async def authorize_form(self, request: Request) -> Response:
        """Serve a request that comes as a form (OIDC Core 3.1.2.1).

        A form of another site comes without our SameSite=Lax cookie, so the browser is sent around once as a GET.
        """
        pairs = [*read_pairs(request.url.query, MAX_REQUEST), *await form_pairs(request)]
        query, cookie = urlencode(pairs), self.front.cookies.session(request)
        if cookie is None and len(query) <= MAX_LOCATION:
            return see_other(f"{self.front.base}/oauth2/authorize?{query}")
        return await self.resume(request, query, cookie, None)

    async def resume(self, request: Request, query: str, cookie: str | None, asked_at_us: int | None,
                     answered: Iterable[str] = ()) -> Response:
        """Answer an authorization request, at its arrival or after a page."""
        visit = Visit(cookie, asked_at_us, frozenset(answered))
        try:
            outcome = await self.front.provider.authorizations.answer(read_pairs(query, MAX_REQUEST), visit)
        except InvalidInputError as error:
            return self.refused(request, error)
        return self._follow(request, outcome, visit)

    @_answering
    async def account_page(self, request: Request) -> Response:
        """Ask which account (OIDC Core 3.1.2.1: prompt=select_account)."""
        text = request.query_params.get("interaction", "")
        interaction = self._unsealed(request, text, Purpose.SELECT_ACCOUNT)
        visit = self._visit(request, interaction)
        outcome = await self.front.provider.authorizations.answer(read_pairs(interaction.query), visit)
        due = _page_due(outcome, Due.ACCOUNT, interaction)
        if due is None:
            return self._follow(request, outcome, visit)
        asked, session = due
        return self.front.pages.render(
            request, "select_account.html", ui_locales=asked.ui_locales, interaction=text,
            form_target=asked.redirect_uri, client=asked.client.name, name=session.user_name)

    @_answering
    async def account(self, request: Request) -> Response:
        """Go on as this person, or let another log in."""
        fields = await form_fields(request)
        interaction = self._unsealed(request, fields.get("interaction", ""), Purpose.SELECT_ACCOUNT)
        await self._check_session(request, interaction)
        if fields.get("account") == "this":
            return await self.resume(request, interaction.query, self.front.cookies.session(request),
                                     interaction.asked_at_us, {*interaction.answered, "select_account"})
        return self._to_page(request, Purpose.LOGIN, interaction)

    @_answering
    async def consent_page(self, request: Request) -> Response:
        """Ask whether the application may."""
        text = request.query_params.get("interaction", "")
        interaction = self._unsealed(request, text, Purpose.CONSENT)
        visit = self._visit(request, interaction)
        outcome = await self.front.provider.authorizations.answer(read_pairs(interaction.query), visit)
        due = _page_due(outcome, Due.CONSENT, interaction)
        if due is None:
            return self._follow(request, outcome, visit)
        asked, session = due
        t = self.front.pages.translate(request, asked.ui_locales)
        return self.front.pages.render(
            request, "consent.html", ui_locales=asked.ui_locales, interaction=text, form_target=asked.redirect_uri,
            **consent_values(asked, session, t))

    @_answering
    async def consent(self, request: Request) -> Response:
        """Carry out the person's choice (303), for the session that saw the page and no other."""
        fields = await form_fields(request)
        interaction = self._unsealed(request, fields.get("interaction", ""), Purpose.CONSENT)
        await self._check_session(request, interaction)
        visit = self._visit(request, interaction)
        outcome = await self.front.provider.authorizations.decide_consent(
            read_pairs(interaction.query), visit, is_allowed=fields.get("decision") == "allow",
            context=context_of(request.scope))
        return self._follow(request, outcome, visit)

    def _follow(self, request: Request, outcome: Outcome, visit: Visit) -> Response:
        if isinstance(outcome, AuthorizationResponse):
            return self._form(request, outcome) if outcome.is_form else see_other(outcome.url)
        if isinstance(outcome, AlreadyAnswered):
            sentence = self.front.pages.translate(request)("consent.already_answered", client=outcome.client.name)
            return self.front.sorry(request, sentence, 409)
        asked_at_us = visit.asked_at_us or self.front.provider.now_us()
        purpose = _PURPOSES.get(outcome.due, Purpose.LOGIN) if outcome.due else Purpose.LOGIN
        return self._to_page(request, purpose, Interaction(
            purpose, outcome.query, asked_at_us, outcome.session.id if outcome.session else None, outcome.wishes,
            tuple(visit.answered)))

    def _to_page(self, request: Request, purpose: Purpose, interaction: Interaction) -> Response:
        browser = self.front.cookies.browser_or_new(request)
        text = self.front.provider.sealed(replace(interaction, purpose=purpose), browser=browser)
        response = see_other(f"{self.front.base}/{purpose}?interaction={text}")
        self.front.cookies.set_browser(response, browser)
        return response

    def _form(self, request: Request, answer: AuthorizationResponse) -> Response:
        """Return the page that posts the answer: by itself where scripts run, by a click elsewhere."""
        response = self.front.pages.render(
            request, "form_post.html", with_script=True, redirect_uri=answer.redirect_uri,
            place=place_of(answer.redirect_uri), parameters=answer.parameters)
        response.headers["Content-Security-Policy"] = _FORM_POST_POLICY
        return response

    def refused(self, request: Request, error: InvalidInputError) -> Response:
        """Return the page of an error that nobody may be redirected with (RFC 6749 4.1.2.1)."""
        sentence = self.front.pages.translate(request)("consent.refused")
        return self.front.sorry(request, sentence, 400, detail=error.detail)

    def _unsealed(self, request: Request, text: str, purpose: Purpose) -> Interaction:
        return self.front.provider.unseal(text, purpose, browser=self.front.cookies.browser(request))

    def _visit(self, request: Request, interaction: Interaction) -> Visit:
        return Visit(self.front.cookies.session(request), interaction.asked_at_us, frozenset(interaction.answered))

    async def _check_session(self, request: Request, interaction: Interaction) -> None:
        session = await self.front.provider.session(self.front.cookies.session(request))
        if session is None or session.id != interaction.session_id:
            raise StaleInteractionError


def _page_due(outcome: Outcome, page: Due, interaction: Interaction) -> tuple[AuthorizationRequest, Session] | None:
    """Return what the page shows, if that page is due to the session it was sealed for; else the request goes on."""
    if not isinstance(outcome, Waiting) or outcome.due is not page or outcome.session is None:
        return None
    return (outcome.request, outcome.session) if outcome.session.id == interaction.session_id else None
