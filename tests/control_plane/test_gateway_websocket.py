"""Websockets pass the same gate: measured elsewhere, middleware that sees only http lets them by."""

from typing import Any

import pytest
from starlette.websockets import WebSocket

from shared_kernel.endpoint import Endpoint
from shared_kernel.errors import UnavailableError
from tests.control_plane.gateway_city import BrokenLedger, City, ask

VIEWER = {"Authorization": "Bearer viewer"}
WORDS: dict[str, Any] = {"websocket.http.response": {}}


async def test_a_websocket_with_a_token_is_accepted_with_a_permit() -> None:
    city = City()

    told = await ask(city.gateway(), "", "/stream", kind="websocket", headers=VIEWER)

    assert [message["type"] for message in told.messages] == ["websocket.accept", "websocket.send", "websocket.close"]
    assert city.contexts[0].permit == 0
    assert city.ledger.events[0]["event"]["type"] == ["access", "allowed"]


async def test_a_websocket_without_a_token_is_refused_before_it_is_accepted() -> None:
    city = City()

    told = await ask(city.gateway(), "", "/stream", kind="websocket", extensions=WORDS)

    assert told.status == 401
    assert told.json["type"] == "urn:gridwarden:problem:unauthenticated"
    assert city.contexts == []
    assert len(city.ledger.events) == 1


async def test_a_server_that_cannot_say_why_closes_the_websocket_unaccepted() -> None:
    told = await ask(City().gateway(), "", "/stream", kind="websocket")

    assert [(message["type"], message["code"]) for message in told.messages] == [("websocket.close", 1008)]


@pytest.mark.parametrize(("path", "status"), [("/stream%2f", 400), ("//stream", 400), ("/admin/users", 405),
                                              ("/nowhere", 404)])
async def test_a_websocket_has_the_same_paths_and_no_others(path: str, status: int) -> None:
    told = await ask(City().gateway(), "", path, kind="websocket", headers=VIEWER, extensions=WORDS)

    assert told.status == status


async def test_an_unsealed_websocket_is_not_accepted() -> None:
    city = City(ledger=BrokenLedger())

    told = await ask(city.gateway(), "", "/stream", kind="websocket", headers=VIEWER, extensions=WORDS)

    assert told.status == 503
    assert city.contexts == []


async def test_a_websocket_whose_handler_fails_is_closed_as_our_fault() -> None:
    async def fail(websocket: WebSocket) -> None:
        await websocket.accept()
        raise RuntimeError("secret")
    city = City(more=(Endpoint("WEBSOCKET", "/fail", "grid.read", fail),))

    told = await ask(city.gateway(), "", "/fail", kind="websocket", headers=VIEWER, extensions=WORDS)

    assert told.messages[-1] == {"type": "websocket.close", "code": 1011}


async def test_a_websocket_whose_house_is_away_is_told_to_come_later() -> None:
    async def away(websocket: WebSocket) -> None:
        await websocket.accept()
        raise UnavailableError("the ledger does not answer")
    city = City(more=(Endpoint("WEBSOCKET", "/away", "grid.read", away),))

    told = await ask(city.gateway(), "", "/away", kind="websocket", headers=VIEWER, extensions=WORDS)

    assert told.messages[-1] == {"type": "websocket.close", "code": 1013}


async def test_a_client_that_leaves_is_not_a_fault_of_ours(capsys: pytest.CaptureFixture[str]) -> None:
    async def listen(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.receive_text()
    city = City(more=(Endpoint("WEBSOCKET", "/listen", "grid.read", listen),))

    told = await ask(city.gateway(), "", "/listen", kind="websocket", headers=VIEWER)

    assert [message["type"] for message in told.messages] == ["websocket.accept"]
    assert "handler_failed" not in capsys.readouterr().out
