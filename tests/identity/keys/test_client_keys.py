"""The keys of clients: inline, or fetched, seldom, and only from where we call."""

import asyncio
from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import pytest
from aiohttp import web

from identity.adapters.outbound import Outbound
from identity.domain.oauth.errors import InvalidTokenError
from identity.domain.records import Client, ClientSettings
from identity.service.keys.client_keys import FLOOR_S, FRESH_S, STALE_S, ClientKeys
from tests.frozen_clock import FrozenClock

CLIENT = Client("c", "C", None, first_party=False, redirect_uris=(), post_logout_redirect_uris=(),
                grant_types=frozenset(), scopes=frozenset(), roles=frozenset(), created_at_us=0)


class KeyServer:
    """A client's jwks_uri."""

    def __init__(self) -> None:
        self.answer: Any = {"keys": [{"kid": "a"}]}
        self.visits, self.status, self.pause_s = 0, 200, 0.0

    async def serve(self, _: web.Request) -> web.Response:
        self.visits += 1
        await asyncio.sleep(self.pause_s)
        return web.json_response(self.answer, status=self.status)


@pytest.fixture
async def served(clock: FrozenClock) -> Any:
    """Client keys, the client's server, the client, the clock."""
    server, app = KeyServer(), web.Application()
    app.router.add_get("/jwks", server.serve)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    client = replace(CLIENT, settings=ClientSettings(jwks_uri=f"http://127.0.0.1:{runner.addresses[0][1]}/jwks"))
    yield ClientKeys(Outbound([ip_network("127.0.0.0/8")]), clock), server, client, clock
    await runner.cleanup()


async def test_inline_keys_are_answered_without_a_call(clock: FrozenClock) -> None:
    keys = ClientKeys(Outbound(), clock)

    assert await keys.of(replace(CLIENT, settings=ClientSettings(jwks={"keys": []}))) == {"keys": []}
    with pytest.raises(InvalidTokenError, match="no keys"):
        await keys.of(CLIENT)


async def test_fetched_keys_are_kept_until_they_are_old(served: Any) -> None:
    keys, server, client, clock = served
    for seconds, visits in ((0, 1), (FRESH_S - 1, 1), (1, 2)):
        clock.advance(seconds)
        assert await keys.of(client, kid="a") == server.answer
        assert server.visits == visits


async def test_an_unknown_kid_fetches_at_most_once_a_minute(served: Any) -> None:
    keys, server, client, clock = served
    await keys.of(client, kid="a")
    for number in range(20):
        await keys.of(client, kid=f"stranger {number}")
    assert server.visits == 1

    server.answer = {"keys": [{"kid": "b"}]}
    clock.advance(FLOOR_S)

    assert await keys.of(client, kid="b") == server.answer
    assert server.visits == 2


async def test_twenty_who_ask_at_once_fetch_once(served: Any) -> None:
    keys, server, client, _ = served
    server.pause_s = 0.1

    await asyncio.gather(*(keys.of(client, kid=str(number)) for number in range(20)))

    assert server.visits == 1


async def test_while_the_client_is_down_its_last_keys_go_on_for_an_hour(served: Any) -> None:
    keys, server, client, clock = served
    good = await keys.of(client)
    server.status = 503
    clock.advance(STALE_S - 1)
    assert await keys.of(client) == good

    clock.advance(1)
    with pytest.raises(InvalidTokenError, match="cannot be fetched"):
        await keys.of(client)
    visits = server.visits
    clock.advance(FLOOR_S - 2)
    with pytest.raises(InvalidTokenError):
        await keys.of(client)
    assert server.visits == visits


async def test_a_client_cannot_make_us_ask_inside(clock: FrozenClock) -> None:
    """SSRF by jwks_uri (RFC 7591 section 5, RFC 9700 section 4.12)."""
    keys = ClientKeys(Outbound(), clock)
    for uri in ("https://127.0.0.1/jwks", "http://169.254.169.254/latest/meta-data", "https://[::1]:5432/", "file:///etc"):
        with pytest.raises(InvalidTokenError, match="cannot be fetched"):
            await keys.of(replace(CLIENT, settings=ClientSettings(jwks_uri=uri)))


@pytest.mark.parametrize("answer", [[], "keys", 1, None])
async def test_what_is_no_set_holds_no_key(served: Any, answer: object) -> None:
    keys, server, client, _ = served
    server.answer = answer

    assert await keys.of(client, kid="a") == {}
