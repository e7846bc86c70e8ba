"""What happens to people, told to receivers as CAEP 1.0 events (CAEP Interoperability Profile section 3)."""

from contextlib import suppress

from identity.domain.signals.events import (
    CREDENTIAL_CHANGE,
    SESSION_REVOKED,
    TOKEN_CLAIMS_CHANGE,
    Change,
    Credential,
    Initiator,
    credential_changed,
)
from shared_kernel.errors import UnavailableError
from shared_kernel.principal import Principal, PrincipalKind
from tests.identity.logout.steps import log_out, tokens_in
from tests.identity.signals.steps import ADD, REMOVE, event_of, listener, read
from tests.identity.world import ISSUER, World

ADMIN = Principal("u-9", "root", PrincipalKind.PERSON, roles=frozenset({"admin"}))


async def test_an_administrators_revocation_is_about_the_person(world: World) -> None:
    rp = await listener(world)
    await rp.create()
    await world.tokens()

    await world.provider.revoke_sessions("alice", by=ADMIN)

    [claims] = await rp.heard()
    kind, event = event_of(claims)
    assert kind == SESSION_REVOKED
    assert claims["sub_id"] == {"format": "iss_sub", "iss": ISSUER, "sub": world.user.id}
    assert event["initiating_entity"] == "admin"
    assert event["reason_admin"]["en"]
    assert event["event_timestamp"] == world.clock.now_us() // 1_000_000


async def test_a_token_is_signed_with_rs256_and_holds_one_event(world: World) -> None:
    """CAEP Interoperability Profile 2.6, SSF 1.0 4.1.10."""
    rp = await listener(world)
    await rp.create()
    await world.provider.lock_account("alice", reason="stolen", by="admin")

    [token] = (await rp.poll())["sets"].values()

    header, claims = await read(world, token)
    assert (header["alg"], header["typ"]) == ("RS256", "secevent+jwt")
    assert len(claims["events"]) == 1
    assert claims.keys() == {"iss", "aud", "iat", "jti", "txn", "sub_id", "events"}


async def test_a_logout_is_about_one_session_of_the_person(world: World) -> None:
    rp = await listener(world)
    await rp.create()
    async with world.browser() as browser:
        await tokens_in(world, browser)
        await log_out(browser)

    [claims] = await rp.heard()

    sid = await world.pool.fetchval("SELECT id FROM identity.sessions")
    assert claims["sub_id"] == {
        "format": "complex", "user": {"format": "iss_sub", "iss": ISSUER, "sub": world.user.id},
        "session": {"format": "opaque", "id": sid}}
    assert event_of(claims)[1]["initiating_entity"] == "user"


async def test_a_changed_credential_is_told(world: World) -> None:
    rp = await listener(world)
    await rp.create()

    async with world.provider.signals.courier._foundation.database.begin() as tables:
        told = await tables.signal_events.emit(
            credential_changed(Credential.SECURITY_KEY, Change.CREATE, Initiator.USER, name="my key",
                               aaguid="accced6a-63f5-490a-9eea-e59bc1896cfc"), world.user.id, world.clock.now_us())

    [claims] = await rp.heard()
    kind, event = event_of(claims)
    assert (told, kind) == (1, CREDENTIAL_CHANGE)
    assert event.items() >= {
        "credential_type": "fido2-roaming", "change_type": "create", "friendly_name": "my key",
        "fido2_aaguid": "accced6a-63f5-490a-9eea-e59bc1896cfc", "initiating_entity": "user"}.items()


async def test_changed_roles_are_told_as_claims(world: World) -> None:
    rp = await listener(world)
    await rp.create()

    await world.provider.set_roles("alice", frozenset({"analyst", "auditor"}), by=ADMIN)

    [claims] = await rp.heard()
    kind, event = event_of(claims)
    assert kind == TOKEN_CLAIMS_CHANGE
    assert event["claims"] == {"roles": ["analyst", "auditor"]}
    assert event["initiating_entity"] == "admin"


async def test_only_requested_events_are_told(world: World) -> None:
    rp = await listener(world)
    await rp.create(events_requested=[CREDENTIAL_CHANGE])

    await world.provider.revoke_sessions("alice", by="admin")

    assert await rp.heard() == []


async def test_a_removed_person_is_not_told_of_until_added_again(world: World) -> None:
    """SSF 1.0 8.1.3.3, 9.3."""
    rp = await listener(world)
    stream = await rp.create()
    alice = {"stream_id": stream["stream_id"], "subject": {"format": "iss_sub", "iss": ISSUER, "sub": world.user.id}}

    await rp.call("POST", REMOVE, alice)
    await world.provider.revoke_sessions("alice", by="admin")
    silence = await rp.heard()
    await rp.call("POST", ADD, alice)
    await world.provider.revoke_sessions("alice", by="admin")

    assert silence == []
    assert len(await rp.heard()) == 1


async def test_a_person_added_by_address_is_told_of_by_address(world: World) -> None:
    """CAEP Interoperability Profile 2.5: email is one of the formats."""
    await world.pool.execute("UPDATE identity.users SET email = 'Alice@Example.com' WHERE name = 'alice'")
    rp = await listener(world)
    stream = await rp.create()
    await rp.call("POST", ADD, {"stream_id": stream["stream_id"],
                                "subject": {"format": "email", "email": "alice@example.com"}})

    await world.provider.revoke_sessions("alice", by="admin")

    [claims] = await rp.heard()
    assert claims["sub_id"] == {"format": "email", "email": "Alice@Example.com"}


async def test_a_subject_of_another_issuer_is_not_ours(world: World) -> None:
    rp = await listener(world)
    stream = await rp.create()
    await rp.call("POST", REMOVE, {"stream_id": stream["stream_id"], "subject": {
        "format": "iss_sub", "iss": "https://elsewhere.example", "sub": world.user.id}})

    await world.provider.revoke_sessions("alice", by="admin")

    assert len(await rp.heard()) == 1


async def test_nothing_is_told_of_what_did_not_happen(world: World) -> None:
    rp = await listener(world)
    await rp.create()
    world.recorder.is_down = True
    with suppress(UnavailableError):
        await world.provider.revoke_sessions("alice", by="admin")
    world.recorder.is_down = False

    assert await rp.heard() == []


async def test_every_receiver_is_told_in_a_token_of_its_own(world: World) -> None:
    first, second = await listener(world), await listener(world, "other")
    await first.create()
    await second.create()

    await world.provider.revoke_sessions("alice", by="admin")

    [one], [other] = await first.heard(), await second.heard()
    assert (one["aud"], other["aud"]) == ("rp", "other")
    assert one["jti"] != other["jti"]
    assert one["txn"] == other["txn"]
