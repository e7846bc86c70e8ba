"""Back-channel logout (OpenID Connect Back-Channel Logout 1.0) against a client's real server.

Modules oidcc-backchannel-logout-discovery-endpoint-verification and oidcc-backchannel-rp-initiated-logout.
"""

import asyncio
from contextlib import suppress
from dataclasses import replace

import asyncpg
import pytest

from identity.adapters.outbound import Outbound
from identity.domain.deliveries import MAX_TRIES
from identity.domain.oauth.logout_tokens import LOGOUT_EVENT
from identity.service.delivery import deliver_forever
from identity.service.oauth.logout_delivery import LogoutCourier
from shared_kernel.errors import UnavailableError
from tests.identity.logout.steps import listen, log_out, tokens_in, told
from tests.identity.receiver import Receiver
from tests.identity.world import World


async def logged_out(world: World, receiver: Receiver, **settings: object) -> None:
    """Log alice in at the app, which listens, and out again."""
    await listen(world, receiver, "app", **settings)
    async with world.browser() as browser:
        tokens = await tokens_in(world, browser)
        await log_out(browser, id_token_hint=tokens["id_token"])


async def waiting(world: World) -> int:
    """Count the messages that wait."""
    found: int = await world.pool.fetchval("SELECT count(*) FROM identity.logout_deliveries")
    return found


async def test_discovery_says_so(world: World) -> None:
    found = (await world.get("/.well-known/openid-configuration")).json()

    assert found["backchannel_logout_supported"] is True
    assert found["backchannel_logout_session_supported"] is True


async def test_a_logout_is_told_as_a_logout_token(world: World, receiver: Receiver) -> None:
    await logged_out(world, receiver)

    await world.provider.logout_courier.deliver_due()

    [sent] = receiver.received
    header, claims = await told(world, sent.field("logout_token"))
    assert sent.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert header["typ"] == "logout+jwt"
    assert claims["events"] == {LOGOUT_EVENT: {}}
    assert claims["sub"] == world.user.id
    assert claims["sid"] == await world.pool.fetchval("SELECT id FROM identity.sessions")
    assert claims["exp"] - claims["iat"] <= 120
    assert "nonce" not in claims
    assert await waiting(world) == 0


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "EdDSA"])
async def test_a_logout_token_is_signed_as_the_clients_id_tokens(
        world: World, receiver: Receiver, algorithm: str) -> None:
    """Section 2.4: with the algorithm of id_token_signed_response_alg."""
    await logged_out(world, receiver, id_token_signing_alg=algorithm)

    await world.provider.logout_courier.deliver_due()

    header, _ = await told(world, receiver.received[0].field("logout_token"))
    assert header["alg"] == algorithm


async def test_every_client_of_the_session_is_told_and_no_other(world: World, receiver: Receiver) -> None:
    for client_id in ("app", "third"):
        await listen(world, receiver, client_id)
    async with world.browser() as browser, world.browser() as elsewhere:
        await tokens_in(world, browser)
        await browser.get("/oauth2/authorize")
        await tokens_in(world, elsewhere)
        await log_out(browser)

    await world.provider.logout_courier.deliver_due()

    assert [sent.path for sent in receiver.received] == ["/app"]


async def test_the_outcome_is_sealed_without_the_token(world: World, receiver: Receiver) -> None:
    await logged_out(world, receiver)

    await world.provider.logout_courier.deliver_due()

    [event] = world.recorder.of("backchannel_logout_sent")
    assert event["event"]["outcome"] == "success"
    assert event["grid"]["oauth"]["client_id"] == "app"
    assert receiver.received[0].field("logout_token") not in str(world.recorder.events)


async def test_offline_access_outlives_a_logout_and_nothing_else_does(world: World, receiver: Receiver) -> None:
    """Section 2.7: refresh tokens die with the session but for those given for offline_access; their client hears."""
    await world.pool.execute("UPDATE identity.clients SET scopes = scopes || '{offline_access}'")
    await listen(world, receiver)
    async with world.browser() as browser:
        online = await tokens_in(world, browser)
        offline = await tokens_in(world, browser, scope="openid offline_access")
        await log_out(browser)

    await world.provider.logout_courier.deliver_due()
    dead, alive = await world.refresh(online["refresh_token"]), await world.refresh(offline["refresh_token"])

    assert (dead.status_code, alive.status_code) == (400, 200)
    assert dead.json()["error"] == "invalid_grant"
    assert len(receiver.received) == 1


async def test_a_client_with_nothing_but_offline_access_hears_of_its_session(world: World, receiver: Receiver) -> None:
    await world.pool.execute("UPDATE identity.clients SET scopes = scopes || '{offline_access}'")
    await listen(world, receiver)
    async with world.browser() as browser:
        await tokens_in(world, browser, scope="openid offline_access")
        await log_out(browser)

    await world.provider.logout_courier.deliver_due()

    _, claims = await told(world, receiver.received[0].field("logout_token"))
    assert claims["sid"]


async def test_an_administrators_revocation_is_told_session_by_session(world: World, receiver: Receiver) -> None:
    await listen(world, receiver)
    for _ in range(2):
        await world.tokens()

    await world.provider.revoke_sessions("alice", by="admin")
    await world.provider.logout_courier.deliver_due()

    sids = {(await told(world, sent.field("logout_token")))[1]["sid"] for sent in receiver.received}
    assert len(sids) == 2


async def test_a_lock_is_told(world: World, receiver: Receiver) -> None:
    await listen(world, receiver)
    await world.tokens()

    await world.provider.lock_account("alice", reason="stolen", by="admin")
    await world.provider.logout_courier.deliver_due()

    assert len(receiver.received) == 1


async def test_nothing_is_told_of_a_logout_that_did_not_happen(world: World, receiver: Receiver) -> None:
    await listen(world, receiver)
    async with world.browser() as browser:
        await tokens_in(world, browser)
        world.recorder.is_down = True
        await log_out(browser)

    assert await waiting(world) == 0


async def test_a_client_that_is_down_is_asked_again_with_the_same_jti(world: World, receiver: Receiver) -> None:
    receiver.answers = [503, 429]
    await logged_out(world, receiver)

    tried = []
    for _ in range(3):
        tried.append(await world.provider.logout_courier.deliver_due())
        too_soon = await world.provider.logout_courier.deliver_due()
        world.clock.advance(60)

    ids = {(await told(world, sent.field("logout_token")))[1]["jti"] for sent in receiver.received}
    assert (tried, too_soon) == ([1, 1, 1], 0)
    assert len(ids) == 1
    assert await waiting(world) == 0


async def test_a_client_that_says_no_is_not_asked_again(world: World, receiver: Receiver) -> None:
    """Section 2.8: 400 is the client's answer to a logout it refuses."""
    receiver.answer = 400
    await logged_out(world, receiver)

    await world.provider.logout_courier.deliver_due()

    [event] = world.recorder.of("backchannel_logout_sent")
    assert (event["event"]["outcome"], await waiting(world)) == ("failure", 0)


async def test_a_client_that_never_answers_is_given_up(world: World, receiver: Receiver) -> None:
    receiver.answer = 500
    await logged_out(world, receiver)

    for _ in range(MAX_TRIES + 2):
        await world.provider.logout_courier.deliver_due()
        world.clock.advance(3_700)

    assert len(receiver.received) == MAX_TRIES
    assert len(world.recorder.of("backchannel_logout_sent")) == 1
    assert await waiting(world) == 0


async def test_a_redirect_is_not_followed(world: World, receiver: Receiver) -> None:
    receiver.answer = 302
    await logged_out(world, receiver)

    await world.provider.logout_courier.deliver_due()

    assert await waiting(world) == 1


async def test_a_message_that_left_before_a_crash_leaves_again(world: World, receiver: Receiver) -> None:
    """Between the answer and the mark the ledger went down: at least once, with the same jti."""
    await logged_out(world, receiver)
    world.recorder.is_down = True
    with suppress(UnavailableError):
        await world.provider.logout_courier.deliver_due()
    world.recorder.is_down = False
    world.clock.advance(61)

    await world.provider.logout_courier.deliver_due()

    first, second = [(await told(world, sent.field("logout_token")))[1] for sent in receiver.received]
    assert first["jti"] == second["jti"]
    assert second["iat"] - first["iat"] == 61
    assert await waiting(world) == 0


async def test_twenty_couriers_carry_a_message_once(world: World, receiver: Receiver) -> None:
    await logged_out(world, receiver)

    counts = await asyncio.gather(*(world.provider.logout_courier.deliver_due() for _ in range(20)))

    assert (sum(counts), len(receiver.received)) == (1, 1)


async def test_the_courier_runs_by_itself_and_outlives_an_outage(world: World, receiver: Receiver) -> None:
    await logged_out(world, receiver)
    outages = [UnavailableError("down")]

    async def deliver() -> int:
        if outages:
            raise outages.pop()
        return await world.provider.logout_courier.deliver_due()

    running = asyncio.create_task(deliver_forever(deliver, "logouts"))
    async with asyncio.timeout(60):
        await receiver.arrived.wait()
    running.cancel()

    assert len(receiver.received) == 1


async def test_no_client_makes_us_call_inside(world: World, receiver: Receiver) -> None:
    """SSRF: a provider that was not told of loopback never connects to it."""
    await logged_out(world, receiver)
    foundation = replace(world.provider.logout_courier._foundation, outbound=Outbound())

    await LogoutCourier(foundation).deliver_due()

    assert receiver.received == []
    assert "not called" in await world.pool.fetchval("SELECT last_error FROM identity.logout_deliveries")


async def test_a_message_nobody_can_sign_does_not_hold_up_the_others(world: World, receiver: Receiver) -> None:
    await listen(world, receiver, "third")
    await logged_out(world, receiver)
    await listen(world, receiver, id_token_signing_alg="HS256")
    world.clock.advance(3)
    await world.pool.execute(
        """INSERT INTO identity.logout_deliveries SELECT 'd-2', 'third', user_id, session_id, $1, created_at_us,
        due_at_us FROM identity.logout_deliveries""", f"{receiver.url}/third")

    await world.provider.logout_courier.deliver_due()

    assert [sent.path for sent in receiver.received] == ["/third"]
    assert await waiting(world) == 1


async def test_a_deleted_client_is_not_told(world: World, receiver: Receiver, app_pool: asyncpg.Pool) -> None:
    await logged_out(world, receiver)
    await app_pool.execute("DELETE FROM identity.clients WHERE id = 'app'")

    assert await world.provider.logout_courier.deliver_due() == 0
