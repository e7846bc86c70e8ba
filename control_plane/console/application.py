"""The console as an ASGI application: its routes are a table, each page a handler that asks the gateway."""

import re
from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from control_plane.console import pages
from control_plane.console.answers import START, STATIC, local_path, to_sign_in
from control_plane.console.console import Console
from control_plane.console.forms import form_of
from control_plane.console.front import Front
from control_plane.console.gateway_client import GatewayUnreachableError, SignInNeededError
from control_plane.console.sign_in import SignInFailedError
from control_plane.console.visit import Visit

OpenPage = Callable[[Console, Request], Awaitable[Response]]
Page = Callable[[Visit], Awaitable[Response]]
_MAX_USER_AGENT = 256
_LOGIN = {"max_age": re.compile(r"[0-9]{1,9}"), "acr_values": re.compile(r"[A-Za-z0-9:._/+-]{1,128}")}
_SENTENCES = {404: "There is no such page.", 405: "This page does not take that method."}


def build(console: Console) -> ASGIApp:
    """Return the application."""
    application = Starlette(
        routes=[
            Route("/", lambda _request: RedirectResponse(START, 303)),
            Route("/sign-in", _open(console, begin_sign_in)),
            Route("/callback", _open(console, finish_sign_in)),
            Route("/signed-out", _open(console, signed_out)),
            *(Route(path, _guarded(console, page), methods=[method]) for method, path, page in pages.ROUTES),
            Route("/sign-out", _guarded(console, sign_out), methods=["POST"]),
            Mount("/static", StaticFiles(directory=str(STATIC))),
        ],
        exception_handlers={HTTPException: _no_page(console), Exception: _broken(console)},
    )

    return Front(application, issuer=console.gateway.url, url=console.url, is_https=console.is_https)


def _open(console: Console, page: OpenPage) -> Callable[[Request], Awaitable[Response]]:
    """Let everybody in."""

    async def run(request: Request) -> Response:
        try:
            return await page(console, request)
        except SignInFailedError as error:
            return console.pages.trouble(request, None, status=403, message=error.detail, title="Not signed in")
        except GatewayUnreachableError as error:
            return _unreachable(console, request, error)

    return run


def _guarded(console: Console, page: Page) -> Callable[[Request], Awaitable[Response]]:
    """Let only signed-in people in; a form must carry its session's token."""

    async def run(request: Request) -> Response:
        session = console.session_of(request)
        if session is None or not session.is_signed_in:
            return to_sign_in(request)
        form = await form_of(request) if request.method == "POST" else {}
        if request.method == "POST" and not session.accepts_form(form.get("form_token", "")):
            return console.pages.trouble(
                request, session, status=403, title="Not your form",
                message="This form is not from your session. Reload the page and try again.",
            )
        session.user_agent = _user_agent(request)
        try:
            return await page(Visit(console, session, request, form))
        except SignInNeededError:
            session.tokens = {}
            return to_sign_in(request)
        except GatewayUnreachableError as error:
            return _unreachable(console, request, error)

    return run


def _no_page(console: Console) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def render(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        said = error.detail if isinstance(error, HTTPException) else ""
        session = console.session_of(request)
        return console.pages.trouble(request, session, status=status, message=_SENTENCES.get(status, said))

    return render


def _broken(console: Console) -> Callable[[Request, Exception], Awaitable[Response]]:
    """Say that the console failed, and nothing of how."""

    async def render(request: Request, _: Exception) -> Response:
        return console.pages.trouble(
            request, None, status=500, title="The console failed", request_id=request.scope["gridwarden.request_id"],
            message="Something went wrong in the console itself. Its log has the rest under this request id.",
        )

    return render


def _unreachable(console: Console, request: Request, error: GatewayUnreachableError) -> Response:
    return console.pages.trouble(
        request, console.session_of(request), status=502, title="The gateway does not answer", message=error.detail,
    )


def _user_agent(request: Request) -> str:
    """Return the browser's name, in the characters a header may have: the gateway judges risk by it."""
    given = request.headers.get("user-agent", "")[:_MAX_USER_AGENT]
    return "".join(one if one.isascii() and one.isprintable() else "?" for one in given)


async def begin_sign_in(console: Console, request: Request) -> Response:
    """Send the browser to the provider."""
    session = console.session_of(request) or console.sessions.start()
    url = console.sign_in.begin(
        session, then=local_path(request.query_params.get("then", START)), **_demanded(request))
    return console.remember(RedirectResponse(url, 303), session)


def _demanded(request: Request) -> dict[str, str]:
    """Return how the login must be, as far as it is said in a way that can be said to the provider."""
    return {name: value for name, pattern in _LOGIN.items()
            if (value := request.query_params.get(name)) and pattern.fullmatch(value)}


async def finish_sign_in(console: Console, request: Request) -> Response:
    """Take the provider's answer; the session gets a new id."""
    session = console.session_of(request)
    if session is None:
        raise SignInFailedError("This browser sent no session cookie. Allow cookies for this site, then start again.")
    then = await console.sign_in.finish(session, dict(request.query_params))
    return console.remember(RedirectResponse(local_path(then), 303), console.sessions.renew(session))


async def sign_out(visit: Visit) -> Response:
    """End our session, then the provider's."""
    url = visit.console.sign_in.end_url(visit.session, f"{visit.console.url}/signed-out")
    visit.console.sessions.end(visit.session)
    return visit.console.forget(RedirectResponse(url, 303))


async def signed_out(console: Console, _request: Request) -> Response:
    """Say goodbye."""
    return console.pages.page("signed_out.html", None)
