"""The device grant from the box on the wall to its tokens (RFC 8628)."""

import asyncio
import re
from typing import Any

import httpx2 as httpx
import pytest

from identity.domain.oauth.device import new_user_code, read_user_code, shown
from identity.domain.oauth.token_requests import TokenParameters
from identity.service.oauth.device import DeviceDesk
from tests.identity.tokens.kit import DEVICE, claims_of, error_of, introspected, register, session_of_alice, token
from tests.identity.world import ISSUER, World, hidden

BOX = frozenset({DEVICE, "refresh_token"})


async def box(world: World, **settings: Any) -> None:
    await register(world, "box", grants=BOX, public=True, first_party=False, **settings)


async def begin(world: World, **fields: str) -> dict[str, Any]:
    answer = await world.post("/oauth2/device_authorization", {"client_id": "box", "scope": "openid profile"} | fields)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def poll(world: World, begun: dict[str, Any], **fields: str) -> httpx.Response:
    return await token(world, {"grant_type": DEVICE, "device_code": begun["device_code"], "client_id": "box"} | fields,
                       {})


async def arrive(world: World, browser: httpx.AsyncClient, place: str = "/device") -> httpx.Response:
    """Come to the page, through the login when it is due."""
    answer = await browser.get(place)
    if answer.status_code == 303:
        answer = await world.login(browser, await browser.get(answer.headers["location"]))
        answer = await browser.get(answer.headers["location"])
    return answer


async def type_code(browser: httpx.AsyncClient, page: httpx.Response, user_code: str) -> httpx.Response:
    answer = await browser.post("/device", data={"interaction": hidden(page.text), "user_code": user_code})
    return await browser.get(answer.headers["location"]) if answer.status_code == 303 else answer


async def decide(browser: httpx.AsyncClient, page: httpx.Response, decision: str) -> httpx.Response:
    return await browser.post("/device", data={"interaction": hidden(page.text), "decision": decision})


async def allow(world: World, begun: dict[str, Any], decision: str = "allow") -> httpx.Response:
    async with world.browser() as browser:
        page = await type_code(browser, await arrive(world, browser), begun["user_code"])
        return await decide(browser, page, decision)


def test_user_codes_are_eight_consonants_and_forgive_how_they_are_typed() -> None:
    """RFC 8628 section 6.1."""
    code = new_user_code()

    assert re.fullmatch("[BCDFGHJKLMNPQRSTVWXZ]{8}", code)
    assert read_user_code(shown(code)) == read_user_code(f" {shown(code).lower()} ") == read_user_code(code) == code
    assert read_user_code("AEIO-UAEI") is None
    assert read_user_code(code * 9) is None


async def test_a_device_learns_where_its_person_must_go(world: World) -> None:
    """RFC 8628 section 3.2."""
    await box(world)

    answer = await world.post("/oauth2/device_authorization", {"client_id": "box", "scope": "openid"})

    found = answer.json()
    assert found["verification_uri"] == f"{ISSUER}/device"
    assert found["verification_uri_complete"] == f"{ISSUER}/device?user_code={found['user_code']}"
    assert (found["expires_in"], found["interval"]) == (600, 5)
    assert re.fullmatch("[B-Z]{4}-[B-Z]{4}", found["user_code"])
    assert answer.headers["cache-control"] == "no-store"


async def test_a_person_sees_who_asks_for_what_and_lets_the_device_in(world: World) -> None:
    """RFC 8628 sections 3.3 and 3.5."""
    await box(world)
    begun = await begin(world)
    waiting = await poll(world, begun)
    async with world.browser() as browser:
        form = await arrive(world, browser, f"/device?user_code={begun['user_code']}")
        question = await type_code(browser, form, begun["user_code"])
        done = await decide(browser, question, "allow")
    world.clock.advance(5)

    answer = await poll(world, begun)

    assert error_of(waiting) == (400, "authorization_pending")
    assert begun["user_code"] in form.text
    assert "The box" in question.text
    assert begun["user_code"] in question.text
    assert done.status_code == 200
    assert answer.status_code == 200
    assert answer.json().keys() >= {"access_token", "refresh_token", "id_token"}
    assert claims_of(answer.json()["access_token"])["sub"] == world.user.id
    assert [event["user"]["id"] for event in world.recorder.of("device_code_allowed")] == [world.user.id]


async def test_a_person_says_no(world: World) -> None:
    """RFC 8628 section 3.5: access_denied."""
    await box(world)
    begun = await begin(world)

    await allow(world, begun, "deny")

    assert error_of(await poll(world, begun)) == (400, "access_denied")
    assert len(world.recorder.of("device_code_denied")) == 1


async def test_polling_too_fast_slows_down_and_the_interval_grows(world: World) -> None:
    """RFC 8628 section 3.5: five seconds more, each time."""
    await box(world)
    begun, found = await begin(world), []

    for seconds in (0, 1, 6, 15):
        world.clock.advance(seconds)
        found.append((await poll(world, begun)).json()["error"])

    assert found == ["authorization_pending", "slow_down", "slow_down", "authorization_pending"]


async def test_a_poll_that_says_not_yet_is_no_line_in_the_ledger(world: World) -> None:
    await box(world)
    begun = await begin(world)

    await poll(world, begun)
    await poll(world, begun)

    assert world.recorder.of("token_refused") == []


async def test_the_code_expires(world: World) -> None:
    """RFC 8628 section 3.5: expired_token, allowed or not."""
    await box(world)
    begun, allowed = await begin(world), await begin(world)
    await allow(world, allowed)
    world.clock.advance(601)

    assert error_of(await poll(world, begun)) == (400, "expired_token")
    assert error_of(await poll(world, allowed)) == (400, "expired_token")


async def test_a_second_redemption_kills_what_the_first_gave(world: World) -> None:
    """RFC 6749 section 4.1.2, applied to RFC 8628: a device code works once."""
    await box(world)
    begun = await begin(world)
    await allow(world, begun)
    first = (await poll(world, begun)).json()

    again = await poll(world, begun)

    assert error_of(again) == (400, "invalid_grant")
    assert (await introspected(world, first["access_token"])).json() == {"active": False}


async def test_twenty_redemptions_at_once_give_exactly_one_answer(world: World) -> None:
    """Our invariant, on PostgreSQL."""
    await box(world)
    begun = await begin(world)
    await allow(world, begun)

    answers = await asyncio.gather(*(poll(world, begun) for _ in range(20)))

    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 19


async def test_a_foreign_client_with_the_device_code_gets_and_harms_nothing(world: World) -> None:
    """RFC 8628 section 3.4: the code is bound to its client."""
    await box(world)
    await register(world, "thief", grants=BOX, public=True)
    begun = await begin(world)
    await allow(world, begun)

    stolen = await poll(world, begun, client_id="thief")

    assert error_of(stolen) == (400, "invalid_grant")
    assert (await poll(world, begun)).status_code == 200


async def test_an_unknown_device_code_is_refused(world: World) -> None:
    """RFC 8628 section 3.5."""
    await box(world)

    for text in ("x", "gw_device_" + "0" * 32 + "." + "A" * 43):
        assert error_of(await poll(world, {"device_code": text})) == (400, "invalid_grant")


async def test_wrong_codes_are_limited_by_session(world: World) -> None:
    """RFC 8628 section 5.1: guessing is hopeless, and the right code no longer helps."""
    await box(world)
    begun = await begin(world)
    async with world.browser() as browser:
        page = await arrive(world, browser)
        tries = [await type_code(browser, page, "BBBB-BBBB") for _ in range(5)]
        locked = await type_code(browser, page, begun["user_code"])
    world.clock.advance(599)

    assert [answer.status_code for answer in tries] == [400] * 5
    assert locked.status_code == 429
    assert error_of(await poll(world, begun)) == (400, "authorization_pending")


async def test_wrong_codes_are_limited_by_address_whatever_the_session(world: World) -> None:
    """RFC 8628 section 5.1: twenty tries from one address, by twenty sessions or more."""
    await box(world)
    desk, begun = world.provider.device, await begin(world)
    sessions = [await session_of_alice(world) for _ in range(6)]
    tries = [(session, n) for session in sessions[:5] for n in range(4)]

    for session, _ in tries:
        assert await desk.named("BBBB-BBBB", session, "192.0.2.66") is None

    with pytest.raises(Exception, match="Too many codes"):
        await desk.named(begun["user_code"], sessions[5], "192.0.2.66")
    assert await desk.named(begun["user_code"], sessions[5], "192.0.2.67") is not None


async def test_a_form_of_another_session_or_browser_decides_nothing(world: World) -> None:
    """CSRF: the form is sealed for browser and session."""
    await box(world)
    begun = await begin(world)
    async with world.browser() as browser, world.browser() as other:
        page = await type_code(browser, await arrive(world, browser), begun["user_code"])
        await arrive(world, other)
        foreign = await decide(other, page, "allow")
        made_up = await browser.post("/device", data={"interaction": "x.y", "decision": "allow"})
        anonymous = await world.post("/device", {"interaction": hidden(page.text), "decision": "allow"})

    assert [answer.status_code for answer in (foreign, made_up, anonymous)] == [403, 403, 403]
    assert error_of(await poll(world, begun)) == (400, "authorization_pending")


async def test_a_code_answered_meanwhile_is_too_late(world: World) -> None:
    await box(world)
    begun = await begin(world)
    async with world.browser() as browser:
        page = await type_code(browser, await arrive(world, browser), begun["user_code"])
        await decide(browser, page, "deny")
        late = await decide(browser, page, "allow")

    assert late.status_code == 410
    assert error_of(await poll(world, begun)) == (400, "access_denied")


async def test_a_client_that_wants_two_factors_sends_the_person_to_step_up(world: World) -> None:
    """OIDC Dynamic Registration section 2: default_acr_values; the page never asks before it is met."""
    await box(world, default_acr_values=("urn:gridwarden:acr:mfa",))
    begun = await begin(world)
    async with world.browser() as browser:
        page = await arrive(world, browser)
        answer = await browser.post("/device", data={"interaction": hidden(page.text),
                                                     "user_code": begun["user_code"]})

    assert answer.status_code == 303
    assert "/login?interaction=" in answer.headers["location"]


@pytest.mark.parametrize(("fields", "error"), [
    ({"scope": "openid admin"}, (400, "invalid_scope")),
    ({"resource": "https://other.grid.test"}, (400, "invalid_target")),
    ({"client_id": "app"}, (400, "unauthorized_client")),
    ({"client_id": "nobody"}, (401, "invalid_client")),
])
async def test_a_device_request_that_may_not_be(world: World, fields: dict[str, str], error: tuple[int, str]) -> None:
    """RFC 8628 section 3.1."""
    await box(world)

    answer = await world.post("/oauth2/device_authorization", {"client_id": "box"} | fields)

    assert error_of(answer) == error


async def test_a_device_stays_connected_offline_only_when_that_was_asked(world: World) -> None:
    """OIDC Core section 11."""
    await box(world)
    online, offline = await begin(world), await begin(world, scope="openid offline_access")
    for begun in (online, offline):
        await allow(world, begun)
    first, second = [(await poll(world, begun)).json()["refresh_token"] for begun in (online, offline)]

    await world.pool.execute("UPDATE identity.sessions SET ended_at_us = 1")

    assert (await world.refresh(first, client_id="box")).status_code == 400
    assert claims_of((await world.refresh(second, client_id="box")).json()["access_token"])["client_id"] == "box"


async def test_a_user_code_that_is_taken_is_drawn_again(world: World) -> None:
    await box(world)
    drawn = iter(("BBBBBBBB", "BBBBBBBB", "CCCCCCCC"))
    desk = DeviceDesk(world.provider._foundation, lambda: next(drawn))
    client = await world.provider.clients.get("box")
    assert client is not None

    codes = [(await desk.begin(client, TokenParameters({})))["user_code"] for _ in range(2)]

    assert codes == ["BBBB-BBBB", "CCCC-CCCC"]


async def test_nothing_is_allowed_while_the_ledger_is_down(world: World) -> None:
    """Our invariant: sealed before it stands."""
    await box(world)
    begun = await begin(world)
    async with world.browser() as browser:
        page = await type_code(browser, await arrive(world, browser), begun["user_code"])
        world.recorder.is_down = True
        refused = await decide(browser, page, "allow")
        world.recorder.is_down = False

    assert refused.status_code == 503
    assert error_of(await poll(world, begun)) == (400, "authorization_pending")
