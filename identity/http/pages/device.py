"""The page where a person lets a device in (RFC 8628 section 3.3): type its code, see who asks for what, decide.

A code that came in the URL is only filled in: nothing is looked up before somebody who is logged in sends the form.
"""

from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from identity.domain.oauth.device import shown
from identity.domain.people.interactions import Interaction, Purpose, StaleInteractionError, Wishes
from identity.domain.records import Session
from identity.http.pages.forms import form_fields
from identity.http.pages.front import Front
from identity.http.pages.rendering import see_other
from identity.service.oauth.device import TooManyCodesError, Waiting
from shared_kernel.context import context_of

MAX_USER_CODE = 32
_MEANT = frozenset({"openid", "profile", "email", "address", "phone", "offline_access", "api"})


class DeviceRoutes:
    """Handlers of the device page."""

    def __init__(self, front: Front) -> None:
        self._front = front

    async def page(self, request: Request) -> Response:
        """Ask for the code, or, with a code that was right, ask whether this device may."""
        user_code = request.query_params.get("user_code", "")[:MAX_USER_CODE]
        session = await self._session(request)
        if session is None:
            return self._login(request, user_code, Wishes())
        text = request.query_params.get("interaction")
        if text is None:
            return self._form(request, session, user_code)
        try:
            waiting = await self._waiting(session, self._unsealed(request, session, text))
        except StaleInteractionError:
            return self._front.stale(request)
        return self._question(request, session, waiting, text) if waiting else self._done(request, "too_late")

    async def submit(self, request: Request) -> Response:
        """Take a code, or the decision (303 or a page)."""
        fields = await form_fields(request)
        text, session = fields.get("interaction", ""), await self._session(request)
        try:
            interaction = self._unsealed(request, session, text)
        except StaleInteractionError:
            return self._front.stale(request)
        if session is None:
            return self._front.stale(request)
        if not interaction.query:
            return await self._named(request, session, fields.get("user_code", "")[:MAX_USER_CODE])
        waiting = await self._waiting(session, interaction)
        return await self._decided(request, session, waiting, fields.get("decision"))

    async def _named(self, request: Request, session: Session, user_code: str) -> Response:
        desk, context = self._front.provider.device, context_of(request.scope)
        try:
            waiting = await desk.named(user_code, session, context.source_ip)
        except TooManyCodesError:
            return self._form(request, session, "", failure="device.too_many", status=429)
        if waiting is None:
            return self._form(request, session, user_code, failure="device.unknown", status=400)
        if desk.needs_step_up(waiting, session):
            wanted = waiting.client.settings.default_acr_values
            return self._login(request, user_code, Wishes(acr_values=wanted, is_step_up=True), session)
        text = self._seal(request, session, waiting.request.id)
        return see_other(f"{self._front.base}/device?{urlencode({'interaction': text})}")

    async def _decided(self, request: Request, session: Session, waiting: Waiting | None,
                       decision: str | None) -> Response:
        is_allowed = decision == "allow"
        if waiting is None or not await self._front.provider.device.decide(
                waiting, session, is_allowed=is_allowed, context=context_of(request.scope)):
            return self._done(request, "too_late")
        return self._done(request, "allowed" if is_allowed else "denied")

    async def _waiting(self, session: Session, interaction: Interaction) -> Waiting | None:
        waiting = await self._front.provider.device.confirmed(interaction.query)
        return None if waiting and self._front.provider.device.needs_step_up(waiting, session) else waiting

    def _unsealed(self, request: Request, session: Session | None, text: str) -> Interaction:
        found = self._front.provider.unseal(text, Purpose.DEVICE, browser=self._front.cookies.browser(request))
        if session is None or found.session_id != session.id:
            raise StaleInteractionError
        return found

    async def _session(self, request: Request) -> Session | None:
        return await self._front.provider.session(self._front.cookies.session(request))

    def _seal(self, request: Request, session: Session, request_id: str) -> str:
        return self._front.provider.seal(
            Purpose.DEVICE, request_id, browser=self._front.cookies.browser_or_new(request), session=session)

    def _login(self, request: Request, user_code: str, wishes: Wishes, session: Session | None = None) -> Response:
        """Send the person through the login pages, and back here afterwards with the code filled in."""
        after = "/device" + (f"?{urlencode({'user_code': user_code})}" if user_code else "")
        browser = self._front.cookies.browser_or_new(request)
        text = self._front.provider.seal(
            Purpose.LOGIN, "", browser=browser, session=session, wishes=Wishes(
                acr_values=wishes.acr_values, is_step_up=wishes.is_step_up, after=after))
        response = see_other(f"{self._front.base}/login?interaction={text}")
        self._front.cookies.set_browser(response, browser)
        return response

    def _form(self, request: Request, session: Session, user_code: str, *, failure: str | None = None,
              status: int = 200) -> Response:
        browser = self._front.cookies.browser_or_new(request)
        text = self._front.provider.seal(Purpose.DEVICE, "", browser=browser, session=session)
        response = self._front.pages.render(request, "device.html", status=status, interaction=text, failure=failure,
                                            user_code=user_code, name=session.user_name)
        self._front.cookies.set_browser(response, browser)
        return response

    def _question(self, request: Request, session: Session, waiting: Waiting, text: str) -> Response:
        t = self._front.pages.translate(request)
        wishes = [t(f"consent.scope_{scope}") if scope in _MEANT else scope for scope in sorted(waiting.request.scopes)]
        return self._front.pages.render(
            request, "device_confirm.html", interaction=text, client=waiting.client.name, wishes=wishes,
            user_code=shown(waiting.request.user_code), name=session.user_name)

    def _done(self, request: Request, outcome: str) -> Response:
        return self._front.pages.render(request, "device_done.html", status=410 if outcome == "too_late" else 200,
                                        outcome=outcome)
