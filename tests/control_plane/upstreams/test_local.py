"""An ASGI application of this process behind the gateway gets no more, and may say no more, than a remote service."""

import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from control_plane.upstreams.local import UnusableApplicationError
from tests.control_plane.upstreams.bed import ADMIN, ask, bed, client, listening

PLAN = """services:
  maps: {app: "town_maps:app", max_answer: 100}
routes:
  - {method: GET, path: "/maps/{rest:path}", action: public.read, service: maps, to: "/{rest}"}
  - {method: WEBSOCKET, path: /maps/socket, action: public.read, service: maps, to: /socket}
"""
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


@pytest.fixture
def town() -> Iterator[ModuleType]:
    """Give the module that the plan names."""
    module = ModuleType("town_maps")
    sys.modules["town_maps"] = module
    yield module
    del sys.modules["town_maps"]


async def test_an_application_sees_who_asks_and_nothing_it_should_not(tmp_path: Path, town: Any) -> None:
    scopes: list[Scope] = []

    async def show(request: Request) -> Response:
        scopes.append(dict(request.scope))
        return JSONResponse({"path": request.url.path}, headers={"Server": "x", "Set-Cookie": "gw_session=planted"})

    town.app = Starlette(routes=[Route("/{rest:path}", show)])
    async with bed(tmp_path, PLAN) as here:
        told = await ask(here.gateway, "GET", "/maps/a/b",
                         headers={**ADMIN, "Cookie": "gw_session=s", "X-User": "root"})

    assert (told.status, told.json) == (200, {"path": "/a/b"})
    assert not {"set-cookie", "server"} & told.headers.keys()
    [scope] = scopes
    fields = dict(scope["headers"])
    assert not {b"authorization", b"cookie", b"x-user"} & fields.keys()
    assert "gridwarden.context" not in scope
    claims = here.pen.verified(fields[b"x-gridwarden-assertion"].decode(), token_type="gridwarden-assertion+jwt")
    assert (claims["aud"], claims["sub"]) == ("urn:gridwarden:service:maps", "u-admin")


def telling(*messages: dict[str, Any]) -> Application:
    """Return an application that sends these."""

    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            raise NotImplementedError
        for message in messages:
            await send(message)

    return app


def start(status: int = 200, *headers: tuple[bytes, bytes]) -> dict[str, Any]:
    return {"type": "http.response.start", "status": status, "headers": list(headers)}


BODY = {"type": "http.response.body", "body": b"fine"}
UNSOUND: dict[str, tuple[dict[str, Any], ...]] = {
    "nothing": (), "a body first": (BODY,), "CRLF": (start(200, (b"x", b"a\r\nSet-Cookie: b")), BODY),
    "a name with CRLF": (start(200, (b"x\r\ny", b"a")), BODY), "an odd status": (start(99), BODY),
    "two lengths": (start(200, (b"content-length", b"4"), (b"content-length", b"5")), BODY),
    "401": (start(401, (b"www-authenticate", b"Basic")), BODY),
    "a redirect away": (start(302, (b"location", b"https://evil.test/")), BODY),
}


@pytest.mark.parametrize("name", UNSOUND)
async def test_an_unsound_answer_is_a_bad_gateway(tmp_path: Path, town: Any, name: str) -> None:
    town.app = telling(*UNSOUND[name])

    async with bed(tmp_path, PLAN) as here:
        told = await ask(here.gateway, "GET", "/maps/a", headers=ADMIN)

    assert told.status == 502
    assert b"fine" not in told.body


async def test_an_application_that_raises_or_fails_tells_nothing_of_its_inside(tmp_path: Path, town: Any) -> None:
    async def broken(scope: Scope, _receive: Receive, _send: Send) -> None:
        raise ValueError(f"hunter2 {scope['type']}")

    town.app = broken
    async with bed(tmp_path, PLAN) as here:
        raised = await ask(here.gateway, "GET", "/maps/a", headers=ADMIN)
    town.app = telling(start(500), {"type": "http.response.body", "body": b"hunter2"})
    async with bed(tmp_path, PLAN) as here:
        failed = await ask(here.gateway, "GET", "/maps/a", headers=ADMIN)

    assert (raised.status, failed.status) == (502, 500)
    assert b"hunter2" not in raised.body + failed.body


async def test_its_lifespan_is_run_and_a_start_that_fails_is_said(tmp_path: Path, town: Any) -> None:
    lived: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "lifespan"
        while (message := await receive())["type"] != "lifespan.shutdown":
            lived.append(message["type"])
            await send({"type": "lifespan.startup.complete"})
        lived.append("lifespan.shutdown")
        await send({"type": "lifespan.shutdown.complete"})

    town.app = app
    async with bed(tmp_path, PLAN):
        pass
    town.app = telling_failure
    with pytest.raises(UnusableApplicationError, match="no database"):
        async with bed(tmp_path, PLAN):
            pass

    assert lived == ["lifespan.startup", "lifespan.shutdown"]


async def telling_failure(_scope: Scope, receive: Receive, send: Send) -> None:
    """Fail to start."""
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "no database"})


async def test_a_websocket_reaches_it(tmp_path: Path, town: Any) -> None:
    async def socket(websocket: WebSocket) -> None:
        await websocket.accept(headers=[(b"set-cookie", b"gw_session=planted")])
        await websocket.send_text(await websocket.receive_text())
        await websocket.close()

    town.app = Starlette(routes=[WebSocketRoute("/socket", socket)])
    async with bed(tmp_path, PLAN) as here, listening(here.gateway) as port, client() as caller:
        opened = await caller.ws_connect(f"http://127.0.0.1:{port}/maps/socket", headers=ADMIN)
        await opened.send_str("hello")
        told = await opened.receive_str()

    assert told == "hello"
    assert not caller.cookie_jar.filter_cookies(opened._response.url)


@pytest.mark.parametrize("app", ["no_such_module:app", "town_maps:nothing", "town_maps:number"])
async def test_an_application_that_is_none_is_said_at_the_start(tmp_path: Path, town: Any, app: str) -> None:
    town.number = 7

    with pytest.raises(UnusableApplicationError, match="maps"):
        async with bed(tmp_path, PLAN.replace("town_maps:app", app)):
            pass
