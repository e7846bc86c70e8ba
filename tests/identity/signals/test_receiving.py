"""Events of others take effect on our people, once, and only from whom we trust (RFC 8935, CAEP 1.0, RISC 1.0)."""

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import httpx2 as httpx
import pytest
from aiohttp import web

from identity.adapters.outbound import Outbound
from identity.adapters.transmitters_file import UnusableTransmittersError, transmitters_of
from identity.domain.signals.received import Effect, Names, TrustedTransmitter, effect_of
from identity.service import IdentityProvider
from identity.store.database import Database
from shared_kernel.credentials import Credentials
from shared_kernel.errors import UnauthenticatedError
from tests.conftest import START_US
from tests.frozen_clock import FrozenClock
from tests.identity.client_kit import ClientKey
from tests.identity.receiver import LOOPBACK
from tests.identity.world import ISSUER, ListRecorder, World, quick_keys, quick_passwords

THEM = "https://idp.example.com/"
US = f"{ISSUER}/signals/events"
CAEP = "https://schemas.openid.net/secevent/caep/event-type/"
RISC = "https://schemas.openid.net/secevent/risc/event-type/"
REVOKED = f"{CAEP}session-revoked"
NOW_S = START_US // 1_000_000


@dataclass
class Them:
    """A transmitter with a key of its own."""

    world: World
    key: ClientKey
    subject: Mapping[str, Any] = field(default_factory=lambda: {"format": "iss_sub", "iss": THEM, "sub": "Alice"})
    count: int = 0

    def claims(self, kind: str = REVOKED, payload: Any = None, **changes: Any) -> dict[str, Any]:
        """Return an honest token's claims, with some changed; None leaves one out."""
        self.count += 1
        return {"iss": THEM, "aud": US, "iat": NOW_S, "jti": f"set-{self.count}", "sub_id": dict(self.subject),
                "events": {kind: {"event_timestamp": NOW_S} if payload is None else payload}, **changes}

    def token(self, claims: Mapping[str, Any], **header: Any) -> str:
        """Sign."""
        return self.key.sign({"typ": "secevent+jwt", "kid": self.key.kid, **header}, claims)

    async def push(self, token: str, content_type: str = "application/secevent+jwt") -> httpx.Response:
        """Send a token as RFC 8935 says."""
        async with self.world.browser() as client:
            return await client.post("/signals/events", content=token.encode(), headers={"Content-Type": content_type})

    async def says(self, kind: str = REVOKED, payload: Any = None, **changes: Any) -> httpx.Response:
        """Push an event."""
        return await self.push(self.token(self.claims(kind, payload, **changes)))


@pytest.fixture
async def them(app_pool: asyncpg.Pool, clock: FrozenClock, tmp_path: Path) -> AsyncIterator[Them]:
    key = ClientKey.new("RS256")
    app = web.Application()

    async def jwks(_request: web.Request) -> web.Response:
        return web.json_response({"keys": [key.jwk]})

    app.router.add_get("/jwks", jwks)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    trusted = TrustedTransmitter(THEM, US, f"http://127.0.0.1:{runner.addresses[0][1]}/jwks", Names.NAME)
    recorder = ListRecorder()
    provider = IdentityProvider(
        Database(app_pool), recorder, clock, issuer=ISSUER, keys=quick_keys(tmp_path / "keys"),
        outbound=Outbound(LOOPBACK), passwords=quick_passwords(), transmitters=(trusted,))
    world = World(provider, recorder, clock, app_pool)
    await world.people()
    yield Them(world, key)
    provider.close()
    await runner.cleanup()


async def signed_in(world: World) -> Credentials:
    """Sign alice in; return what her next request shows."""
    tokens = await world.tokens()
    credentials = Credentials(f"Bearer {tokens['access_token']}")
    assert (await world.provider.authenticate(credentials)).subject == world.user.id
    return credentials


@pytest.mark.parametrize(("kind", "payload"), [
    (REVOKED, {}), (f"{CAEP}credential-change", {"change_type": "revoke", "credential_type": "password"}),
    (f"{CAEP}device-compliance-change", {"previous_status": "compliant", "current_status": "not-compliant"}),
    (f"{CAEP}risk-level-change", {"current_level": "HIGH"}), (f"{RISC}sessions-revoked", {}),
    (f"{CAEP}assurance-level-change", {"change_direction": "decrease"}),
])
async def test_an_event_that_takes_trust_away_ends_sessions_before_its_answer(
        them: Them, kind: str, payload: dict[str, Any]) -> None:
    credentials = await signed_in(them.world)

    answer = await them.says(kind, payload)

    assert (answer.status_code, answer.content) == (202, b"")
    with pytest.raises(UnauthenticatedError):
        await them.world.provider.authenticate(credentials)
    [event] = them.world.recorder.of("signal_received")
    assert event["grid"]["signals"]["event"] == kind
    assert event["user"]["id"] == them.world.user.id


@pytest.mark.parametrize(("kind", "payload"), [
    (f"{CAEP}credential-change", {"change_type": "create"}), (f"{CAEP}risk-level-change", {"current_level": "LOW"}),
    (f"{CAEP}device-compliance-change", {"current_status": "compliant"}),
    (f"{CAEP}token-claims-change", {"claims": {}}),
    (f"{RISC}account-enabled", {}), ("https://example.com/weather", {}),
    ("https://schemas.openid.net/secevent/ssf/event-type/verification", {"state": "x"}),
])
async def test_an_event_that_takes_nothing_away_gives_nothing_either(
        them: Them, kind: str, payload: dict[str, Any]) -> None:
    credentials = await signed_in(them.world)

    assert (await them.says(kind, payload)).status_code == 202

    await them.world.provider.authenticate(credentials)


async def test_a_disabled_account_is_locked_and_the_last_administrator_only_put_out(them: Them) -> None:
    await them.world.provider.ensure_admin()

    await them.says(f"{RISC}account-disabled", {"reason": "hijacking"})
    await them.says(f"{RISC}account-disabled", {}, sub_id={"format": "iss_sub", "iss": THEM, "sub": "admin"})

    assert len(them.world.recorder.of("account_locked")) == 1
    assert len(them.world.recorder.of("sessions_revoked")) == 1


async def test_a_named_session_of_ours_ends_alone(them: Them) -> None:
    first, second = await signed_in(them.world), await signed_in(them.world)
    principal = await them.world.provider.authenticate(first)

    await them.says(sub_id={"format": "complex", "user": dict(them.subject),
                            "session": {"format": "opaque", "id": principal.session_id}})

    with pytest.raises(UnauthenticatedError):
        await them.world.provider.authenticate(first)
    await them.world.provider.authenticate(second)


async def test_a_session_that_is_theirs_means_all_of_ours(them: Them) -> None:
    credentials = await signed_in(them.world)

    session = {"format": "opaque", "id": "x"}
    await them.says(sub_id={"format": "complex", "user": dict(them.subject), "session": session})

    with pytest.raises(UnauthenticatedError):
        await them.world.provider.authenticate(credentials)


async def test_a_repeated_token_is_taken_and_does_nothing(them: Them) -> None:
    token = them.token(them.claims())
    await them.push(token)
    credentials = await signed_in(them.world)

    again = await them.push(token)

    assert again.status_code == 202
    await them.world.provider.authenticate(credentials)


async def test_an_effect_that_failed_is_made_up_for_when_the_token_comes_again(them: Them) -> None:
    credentials, token = await signed_in(them.world), them.token(them.claims())
    them.world.recorder.is_down = True
    failed = await them.push(token)
    them.world.recorder.is_down = False

    again = await them.push(token)

    assert (failed.status_code, again.status_code) == (503, 202)
    with pytest.raises(UnauthenticatedError):
        await them.world.provider.authenticate(credentials)


@pytest.mark.parametrize("subject", [
    {"format": "email", "email": "nobody@example.com"}, {"format": "opaque", "id": "x"},
    {"format": "iss_sub", "iss": "https://elsewhere.example", "sub": "alice"},
    {"format": "iss_sub", "iss": THEM, "sub": "bob"}, {"format": "phone_number", "phone_number": "+38344000000"},
])
async def test_an_event_about_a_stranger_is_taken_and_does_nothing(them: Them, subject: dict[str, Any]) -> None:
    credentials = await signed_in(them.world)

    assert (await them.says(sub_id=subject)).status_code == 202

    await them.world.provider.authenticate(credentials)


@pytest.mark.parametrize(("changes", "code"), [
    ({"iss": "https://evil.example"}, "invalid_issuer"), ({"iss": None}, "invalid_issuer"),
    ({"aud": "https://other.example"}, "invalid_audience"), ({"aud": None}, "invalid_audience"),
    ({"jti": None}, "invalid_request"), ({"jti": ""}, "invalid_request"), ({"jti": "x" * 257}, "invalid_request"),
    ({"iat": None}, "invalid_request"), ({"iat": NOW_S + 61}, "invalid_request"),
    ({"iat": NOW_S - 8 * 86_400}, "invalid_request"), ({"events": {}}, "invalid_request"),
    ({"events": []}, "invalid_request"), ({"events": {REVOKED: {}, f"{CAEP}x": {}}}, "invalid_request"),
    ({"events": {REVOKED: "now"}}, "invalid_request"), ({"sub_id": None}, "invalid_request"),
    ({"sub_id": {"format": "email"}}, "invalid_request"), ({"sub_id": "alice"}, "invalid_request"),
])
async def test_an_unusable_token_is_refused_with_rfc_8935s_error_and_does_nothing(
        them: Them, changes: dict[str, Any], code: str) -> None:
    credentials = await signed_in(them.world)

    answer = await them.says(**changes)

    assert (answer.status_code, answer.json()["err"]) == (400, code)
    assert answer.headers["content-type"] == "application/json"
    await them.world.provider.authenticate(credentials)


async def test_what_somebody_else_signed_is_refused(them: Them) -> None:
    forger = ClientKey(ClientKey.new("RS256", 1).private, "RS256", them.key.kid)
    claims = them.claims()

    answers = [
        await them.push(forger.sign({"typ": "secevent+jwt", "kid": them.key.kid}, claims)),
        await them.push(them.token(claims, alg="none").rpartition(".")[0] + "."),
        await them.push(them.token(claims, typ="JWT")),
        await them.push(them.token(claims, kid="other")),
        await them.push("not a token"),
        await them.push(them.token(claims), "application/json"),
        await them.push("ë"),
    ]

    assert [answer.status_code for answer in answers] == [400] * 7
    assert them.world.recorder.of("sessions_revoked") == []


async def test_the_examples_of_caep_are_read(them: Them, shared_vectors: Path) -> None:
    sets = json.loads((shared_vectors / "caep" / "sets.json").read_text())
    done: list[tuple[int, list[Effect]]] = []
    for case in sets:
        claims = {**case["json"], "iss": THEM, "aud": US, "iat": NOW_S, "jti": f"case-{len(done)}"}
        answer = await them.push(them.token(claims))
        done.append((answer.status_code, [effect_of(kind, payload) for kind, payload in claims["events"].items()]))

    assert len(done) == 22
    assert {status for status, _ in done} == {202}
    assert sum(effects == [Effect.END_SESSIONS] for _, effects in done) == 5


@pytest.mark.parametrize(("text", "told"), [
    ("transmitters: none", "one list"), ("[]", "one list"), ("transmitters:\n- {issuer: x}", "issuer and jwks_uri"),
    ("transmitters:\n- {issuer: x, jwks_uri: 'http://x'}", "https://"),
    ("transmitters:\n- {issuer: x, jwks_uri: 'https://x', subjects: mail}", "subjects must be"),
    ("transmitters:\n- {issuer: 1, jwks_uri: 'https://x'}", "every member is a text"), ("{", "cannot be used"),
])
def test_an_unusable_file_is_told(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "transmitters.yml"
    path.write_text(text)

    with pytest.raises(UnusableTransmittersError, match=told):
        transmitters_of(path, US)


def test_a_file_names_whom_we_trust(tmp_path: Path) -> None:
    path = tmp_path / "transmitters.yml"
    path.write_text("transmitters:\n- {issuer: 'https://a', jwks_uri: 'https://a/jwks', subjects: name}\n")

    assert transmitters_of(path, US) == (TrustedTransmitter("https://a", US, "https://a/jwks", Names.NAME),)


