"""Registering, and the pages behind the links of mails. Following a link changes nothing: its form does.

Mail scanners follow links, so a link only shows a form; whoever fills it in may be in any browser.
"""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response

from identity.domain.people.interactions import Purpose, StaleInteractionError
from identity.domain.people.password_policy import UnfitPasswordError
from identity.http.pages.forms import form_fields
from identity.http.pages.front import Front
from identity.service.people.registration import RegistrationClosedError, WorthlessLinkError, WrongPasswordError
from shared_kernel.context import context_of
from shared_kernel.errors import GridwardenError, TooManyRequestsError, UnprocessableError

MAX_KEPT = 254


class RegisterRoutes:
    """Handlers of registration, of forgotten passwords and of mailed links."""

    def __init__(self, front: Front) -> None:
        self._front = front
        self._people = front.provider.people

    async def register_page(self, request: Request) -> Response:
        """Show the registration form, or say that it is closed."""
        if not self._people.enrolment.is_open:
            return self._front.sorry(request, self._front.pages.translate(request)("register.closed"), 404)
        return self._form(request, "register.html", Purpose.REGISTER)

    async def register(self, request: Request) -> Response:
        """Take a registration; what is known of the address or the name, only the mail tells."""
        async def act(fields: dict[str, str]) -> Response:
            await self._people.enrolment.register(
                fields.get("name", ""), fields.get("email", ""), fields.get("password", ""),
                language=self._front.pages.language(request), context=context_of(request.scope))
            return self._told(request, "register.mailed", fields.get("email", ""), resend=True)

        return await self._acted(request, "register.html", Purpose.REGISTER, act)

    async def resend(self, request: Request) -> Response:
        """Mail the link once more, in the same words whether anybody waits for one."""
        async def act(fields: dict[str, str]) -> Response:
            await self._people.enrolment.resend(fields.get("email", ""), context=context_of(request.scope))
            return self._told(request, "register.mailed", fields.get("email", ""), resend=True)

        return await self._acted(request, "register.html", Purpose.REGISTER, act)

    async def verify_page(self, request: Request) -> Response:
        """Ask for the password that was chosen."""
        return await self._link_page(request, "verify.html", self._people.enrolment.waiting)

    async def verify(self, request: Request) -> Response:
        """Make the account active."""
        async def act(fields: dict[str, str]) -> Response:
            await self._people.enrolment.verify(
                fields.get("token", ""), fields.get("password", ""), context=context_of(request.scope))
            return self._done(request, "register.verified")

        return await self._acted(request, "verify.html", Purpose.LINK, act)

    async def reset_page(self, request: Request) -> Response:
        """Ask for an address; with a link, for the new password."""
        if "token" not in request.query_params:
            return self._form(request, "forgotten.html", Purpose.REGISTER)
        return await self._link_page(request, "reset.html", self._people.recovery.waiting)

    async def forgotten(self, request: Request) -> Response:
        """Mail a link, in the same words whether anybody has the address."""
        async def act(fields: dict[str, str]) -> Response:
            await self._people.recovery.ask(fields.get("email", ""), language=self._front.pages.language(request),
                                            context=context_of(request.scope))
            return self._told(request, "register.reset_mailed", fields.get("email", ""), resend=False)

        return await self._acted(request, "forgotten.html", Purpose.REGISTER, act)

    async def reset(self, request: Request) -> Response:
        """Set the password; every session ends, this browser's too."""
        async def act(fields: dict[str, str]) -> Response:
            await self._people.recovery.reset(
                fields.get("token", ""), fields.get("password", ""), context=context_of(request.scope))
            response = self._done(request, "register.password_set")
            self._front.cookies.clear_session(response)
            return response

        return await self._acted(request, "reset.html", Purpose.LINK, act)

    async def confirm_page(self, request: Request) -> Response:
        """Ask whether the new address shall count."""
        async def waiting(token: str) -> object:
            return (await self._people.own_account.waiting_email(token))[0]

        return await self._link_page(request, "confirm_email.html", waiting)

    async def confirm(self, request: Request) -> Response:
        """Let the new address count."""
        async def act(fields: dict[str, str]) -> Response:
            await self._people.own_account.confirm_email(fields.get("token", ""), context_of(request.scope))
            return self._done(request, "register.email_confirmed")

        return await self._acted(request, "confirm_email.html", Purpose.LINK, act)

    async def _link_page(self, request: Request, template: str,
                         waiting: Callable[[str], Awaitable[object]]) -> Response:
        token = request.query_params.get("token", "")
        try:
            user = await waiting(token)
        except WorthlessLinkError:
            return self._worthless(request)
        return self._form(request, template, Purpose.LINK, {"token": token}, account=getattr(user, "name", ""))

    async def _acted(self, request: Request, template: str, purpose: Purpose,
                     act: Callable[[dict[str, str]], Awaitable[Response]]) -> Response:
        """Carry out a sealed form; a failure that the person can mend is shown beside the form."""
        fields = await form_fields(request)
        try:
            self._front.provider.unseal(fields.get("interaction", ""), purpose,
                                        browser=self._front.cookies.browser(request))
            return await act(fields)
        except StaleInteractionError:
            return self._front.stale(request)
        except RegistrationClosedError:
            return self._front.sorry(request, self._front.pages.translate(request)("register.closed"), 404)
        except WorthlessLinkError:
            return self._worthless(request)
        except tuple(_FAILURES) as error:
            key, status = failure_of(error)
            return self._form(request, template, purpose, fields, failure=key, status=status)

    def _form(self, request: Request, template: str, purpose: Purpose,  # noqa: PLR0913 - a form's parts
              fields: dict[str, str] | None = None, *, failure: str | None = None, status: int = 200,
              account: str = "") -> Response:
        browser, kept = self._front.cookies.browser_or_new(request), fields or {}
        response = self._front.pages.render(
            request, template, status=status, failure=failure, account=account or kept.get("account", "")[:MAX_KEPT],
            interaction=self._front.provider.seal(purpose, "", browser=browser), name=kept.get("name", "")[:MAX_KEPT],
            email=kept.get("email", "")[:MAX_KEPT], token=kept.get("token", "")[:MAX_KEPT])
        self._front.cookies.set_browser(response, browser)
        return response

    def _told(self, request: Request, key: str, email: str, *, resend: bool) -> Response:
        browser = self._front.cookies.browser_or_new(request)
        response = self._front.pages.render(
            request, "mailed.html", sentence=key, email=email.strip()[:MAX_KEPT], resend=resend,
            interaction=self._front.provider.seal(Purpose.REGISTER, "", browser=browser))
        self._front.cookies.set_browser(response, browser)
        return response

    def _done(self, request: Request, key: str) -> Response:
        return self._front.pages.render(request, "done.html", sentence=key)

    def _worthless(self, request: Request) -> Response:
        return self._front.sorry(request, self._front.pages.translate(request)("register.worthless_link"), 403)


_FAILURES: dict[type[GridwardenError], tuple[str, int]] = {
    WrongPasswordError: ("register.wrong_password", 403),
    TooManyRequestsError: ("register.too_often", 429),
    UnprocessableError: ("register.unfit", 422),
}


def failure_of(error: GridwardenError) -> tuple[str, int]:
    """Return the key of a failure's sentence and the status of the page that shows it."""
    if isinstance(error, UnfitPasswordError):
        return f"register.password_{error.fault}", 422
    if isinstance(error, UnprocessableError):
        field = next((name for name in ("name", "email") if str(error).startswith(name)), "")
        return (f"register.unfit_{field}" if field else "register.unfit"), 422
    return next(found for kind, found in _FAILURES.items() if isinstance(error, kind))
