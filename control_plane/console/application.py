"""The console as an ASGI application: its routes are a table, each page a handler that asks the gateway."""

from collections.abc import Awaitable, Callable
from contextlib import suppress

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from control_plane.console import pages
from control_plane.console.answers import HEADERS, STATIC, local_path, to_sign_in
from control_plane.console.console import COOKIE, Console
from control_plane.console.gateway_client import GatewayUnreachableError, SignInNeededError
from control_plane.console.sign_in import SignInFailedError
from control_plane.console.visit import Visit

OpenPage = Callable[[Console, Request], Awaitable[Response]]
Page = Callable[[Visit], Awaitable[Response]]


def build(console: Console) -> Starlette:
    """Return the application."""
    application = Starlette(routes=[
        Route("/", lambda _request: RedirectResponse("/grid", 303)),
        Route("/sign-in", _bind(console, begin_sign_in)),
        Route("/callback", _bind(console, finish_sign_in)),
        Route("/signed-out", _bind(console, signed_out)),
        *(Route(path, _guarded(console, handler), methods=[method]) for method, path, handler in pages.ROUTES),
        Route("/sign-out", _guarded(console, sign_out), methods=["POST"]),
        Mount("/static", StaticFiles(directory=str(STATIC))),
    ])
    application.add_middleware(SecurityHeaders, issuer=console.gateway.url)
    return application


def _bind(console: Console, handler: OpenPage) -> Callable[..., Awaitable[Response]]:
    async def run(request: Request) -> Response:
        try:
            return await handler(console, request)
        except (GatewayUnreachableError, SignInFailedError) as error:
            return console.pages.page("trouble.html", None, status=502, message=error.detail)

    return run


def _guarded(console: Console, handler: Page) -> Callable[..., Awaitable[Response]]:
    """Let only signed-in people in; a form must carry its session's token."""

    async def run(request: Request) -> Response:
        session = console.session_of(request)
        wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        if session is None or not session.tokens:
            return to_sign_in(wanted if request.method == "GET" else "/grid")
        form = {key: str(value) for key, value in (await request.form()).items()} if request.method == "POST" else {}
        if request.method == "POST" and not session.accepts_form(form.get("form_token", "")):
            return console.pages.page("trouble.html", session, status=403,
                                      message="This form is not from your session. Reload the page and try again.")
        session.flow["user_agent"] = request.headers.get("user-agent", "")[:256]
        visit = Visit(console, session, request, form)
        try:
            return await handler(visit)
        except SignInNeededError:
            session.tokens = {}
            return to_sign_in(wanted if request.method == "GET" else "/grid")
        except GatewayUnreachableError as error:
            return console.pages.page("trouble.html", session, status=502, message=error.detail)

    return run


async def begin_sign_in(console: Console, request: Request) -> Response:
    """Send the browser to the provider."""
    session = console.session_of(request) or console.sessions.start()
    url = console.sign_in.begin(session, then=local_path(request.query_params.get("then", "/grid")))
    return console.remember(RedirectResponse(url, 303), session)


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
    response = RedirectResponse(url, 303)
    response.delete_cookie(COOKIE, path="/")
    return response


async def signed_out(console: Console, _request: Request) -> Response:
    """Say goodbye."""
    return console.pages.page("signed_out.html", None)


class SecurityHeaders:
    """Puts the security headers on every answer; static files may be cached, pages may not."""

    def __init__(self, app: Callable[..., Awaitable[None]], issuer: str) -> None:
        self._app = app
        parts = httpx.URL(issuer)
        origin = f"{parts.scheme}://{parts.netloc.decode()}"
        self._headers = [(k.encode(), v.replace("{issuer}", origin).encode()) for k, v in HEADERS.items()]

    async def __call__(self, scope, receive, send) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001 - ASGI
        """Pass the request through."""
        if scope["type"] != "http":
            with suppress(RuntimeError):
                await send({"type": "websocket.close", "code": 1008})
            return
        is_static = scope["path"].startswith("/static/vendor/")

        async def send_with_headers(message) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001 - ASGI
            if message["type"] == "http.response.start":
                ours = [(k, b"public, max-age=86400" if k == b"cache-control" and is_static else v)
                        for k, v in self._headers]
                names = {name for name, _ in ours}
                message["headers"] = [h for h in message["headers"] if h[0].lower() not in names] + ours
            await send(message)

        await self._app(scope, receive, send_with_headers)
