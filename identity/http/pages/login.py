"""The login page: name and password, or a passkey."""

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from identity.domain.oauth.errors import LoginRefusedError
from identity.domain.people.assurance import meets
from identity.domain.people.interactions import Purpose, StaleInteractionError
from identity.http.pages.entrance import Brought, Entrance
from identity.http.pages.forms import form_fields
from identity.service.people.outcomes import LoginOutcome
from shared_kernel.context import context_of

Fields = Mapping[str, str]
MAX_HINT = 64


class LoginRoutes:
    """Handlers of the login page; afterwards the authorization request goes on."""

    def __init__(self, entrance: Entrance) -> None:
        self._entrance = entrance
        self._front = entrance.front
        self._door = entrance.front.provider.door

    async def login_page(self, request: Request) -> Response:
        """Show the login form, or who is logged in; a session that is only too weak goes on to its further factor."""
        text = request.query_params.get("interaction")
        session = await self._front.provider.session(self._front.cookies.session(request))
        if text is None and session is not None:
            return self._front.pages.render(request, "signed_in.html", name=session.user_name)
        if text is None:
            return self._fresh_form(request)
        try:
            brought = self._entrance.brought(request, text)
        except StaleInteractionError:
            return self._front.stale(request)
        wishes = brought.interaction.wishes
        if session is not None and wishes.is_step_up and not meets(session.acr, wishes.acr_values):
            due = await self._door.opening.in_session(session, wishes.acr_values, context_of(request.scope))
            if due is not None:
                return self._entrance.to_step(brought, due)
        return self.form(request, brought)

    async def login(self, request: Request) -> Response:
        """Take name and password, or a passkey; go on with what the person came for (303)."""
        fields = await form_fields(request)
        try:
            brought = self._entrance.brought(request, fields.get("interaction", ""))
        except StaleInteractionError:
            return self._front.stale(request)
        take = self._passkey if "credential" in fields else self._password
        try:
            outcome = await take(request, fields, brought)
        except LoginRefusedError:
            return self.form(request, brought, failure="login.refused")
        return await self._entrance.go_on(request, brought, outcome)

    async def _password(self, request: Request, fields: Fields, brought: Brought) -> LoginOutcome:
        return await self._front.provider.login(
            fields.get("name", ""), fields.get("password", ""), visit=self._entrance.visit(request),
            wanted=brought.interaction.wishes.acr_values, context=context_of(request.scope))

    async def _passkey(self, request: Request, fields: Fields, brought: Brought) -> LoginOutcome:
        return await self._door.passkey_login.login(
            fields["credential"], browser=brought.browser, visit=self._entrance.visit(request),
            context=context_of(request.scope))

    def form(self, request: Request, brought: Brought, *, failure: str | None = None) -> Response:
        """Return the page with the form; a failure does not say whose fault it was."""
        wishes = brought.interaction.wishes
        response = self._front.pages.render(
            request, "login.html", status=403 if failure else 200, form_target=wishes.form_target,
            ui_locales=wishes.ui_locales, with_script=True, back=self._path(brought),
            interaction=brought.text, failure=failure,
            hint=(wishes.login_hint or "")[:MAX_HINT],
            passkey_options=self._door.passkey_login.options(
                browser=brought.browser, form=brought.text, asked_at_us=brought.interaction.asked_at_us))
        self._front.cookies.set_browser(response, brought.browser)
        return response

    def _path(self, brought: Brought) -> str:
        return f"{self._front.base}/login?interaction={brought.text}"

    def _fresh_form(self, request: Request) -> Response:
        browser = self._front.cookies.browser_or_new(request)
        text = self._front.provider.seal(Purpose.LOGIN, "", browser=browser)
        interaction = self._front.provider.unseal(text, Purpose.LOGIN, browser=browser)
        return self.form(request, Brought(text, interaction, browser))
