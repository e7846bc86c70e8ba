"""The signing keys in a real Vault, as a secret (KV) and never leaving it (transit); tokens of five seconds."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import hvac
import jwt
import pytest

from control_plane.vault_session import AppRole, VaultAwayError, VaultSession
from identity.adapters.vault_kv import PATH, VaultKeysUnusableError, VaultKv
from identity.adapters.vault_transit import TransitUnusableError, VaultTransit
from identity.domain.jose.algorithms import ALGORITHMS
from identity.domain.jose.key_ring import SETTLING_S
from identity.domain.jose.mint import Mint
from identity.service import IdentityProvider
from identity.service.journal import Journal
from identity.service.keys.keychain import Keychain, KeySource
from identity.store.database import Database
from shared_kernel.clock import SystemClock
from shared_kernel.errors import ConflictError
from tests.frozen_clock import FrozenClock
from tests.identity.world import ISSUER, ListRecorder, World, quick_passwords
from tests.servers.started import free_port
from tests.servers.vault import TOKEN, stored_vault_server, vault_server
from tests.servers.vault_role import provision

pytestmark = pytest.mark.vault
SETTLED_US = SETTLING_S * 1_000_000


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with vault_server() as address:
        yield address


@pytest.fixture
def root(server: str) -> Iterator[Any]:
    """Vault's owner; afterwards no key of ours is left."""
    provision(server, TOKEN)
    client = hvac.Client(url=server, token=TOKEN)
    yield client
    client.secrets.kv.v2.delete_metadata_and_all_versions(PATH)
    for name in (*(f"gridwarden-{algorithm.lower()}" for algorithm in ALGORITHMS), "gridwarden-form"):
        forget(client, name)


def forget(client: Any, name: str) -> None:
    try:
        client.secrets.transit.update_key_configuration(name, deletion_allowed=True)
        client.secrets.transit.delete_key(name)
    except hvac.exceptions.VaultError:
        pass  # it was not made in this test


@pytest.fixture
async def vault(server: str, root: Any) -> AsyncIterator[VaultSession]:  # noqa: ARG001 - root cleans up
    session = VaultSession(server, role=AppRole(*provision(server, TOKEN)))
    yield session
    session.close()


def chain_of(source: KeySource, recorder: ListRecorder | None = None) -> tuple[Keychain, Mint]:
    clock = SystemClock()
    chain = Keychain(source, clock, Journal(recorder or ListRecorder(), clock))
    return chain, Mint(chain, "https://id.test", "https://id.test/api")


async def check_all(chain: Keychain, mint: Mint) -> None:
    """Sign with every algorithm; PyJWT verifies against the published set."""
    jwks = jwt.PyJWKSet.from_dict(chain.rings.to_jwks())
    for algorithm in ALGORITHMS:
        token = await mint.sign({"iss": "https://id.test"}, token_type="JWT", algorithm=algorithm)
        header = jwt.get_unverified_header(token)
        assert jwt.decode(token, jwks[header["kid"]], [algorithm]) == {"iss": "https://id.test"}
        assert mint.verified(token, token_type="JWT")


# --- KV --------------------------------------------------------------------------------------------------------------


async def test_keys_in_kv_are_made_once_and_read_by_everybody(vault: VaultSession) -> None:
    first, second = await asyncio.gather(VaultKv.open(vault, 0), VaultKv.open(vault, 0))

    assert first.known(0) == second.known(0)
    assert first.form_key() == second.form_key()
    await check_all(*chain_of(first))


async def test_of_two_rotations_in_kv_at_once_one_wins(vault: VaultSession) -> None:
    one, two = await VaultKv.open(vault, 0), await VaultKv.open(vault, 0)
    before = one.known(0)

    done = await asyncio.gather(one.rotate(SETTLED_US), two.rotate(SETTLED_US), return_exceptions=True)

    assert [type(outcome) for outcome in done].count(ConflictError) == 1
    after = await two.load(SETTLED_US)
    assert after == await one.load(SETTLED_US)
    assert after.rings["RS256"].current == before.rings["RS256"].next
    assert after.rings["RS256"].previous == before.rings["RS256"].current


async def test_a_vault_that_forgot_the_keys_gets_the_last_good_ones_back(vault: VaultSession, root: Any) -> None:
    source = await VaultKv.open(vault, 0)
    before, form_key = source.known(0), source.form_key()
    root.secrets.kv.v2.delete_metadata_and_all_versions(PATH)

    assert await source.load(1) == before
    restarted = await VaultKv.open(vault, 1)
    assert (restarted.known(1), restarted.form_key()) == (before, form_key)


async def test_keys_that_somebody_deleted_on_purpose_are_not_written_over(vault: VaultSession, root: Any) -> None:
    source = await VaultKv.open(vault, 0)
    root.secrets.kv.v2.delete_latest_version_of_secret(PATH)

    with pytest.raises(VaultKeysUnusableError, match="undelete"):
        await source.load(1)
    with pytest.raises(VaultKeysUnusableError, match="undelete"):
        await VaultKv.open(vault, 1)


@pytest.mark.parametrize("secret", [{}, {"rings": {}}, {"rings": {"ES256": {}}, "form_key": "AA=="},
                                    {"rings": 1, "form_key": "AA=="}, {"rings": {}, "form_key": "?"}])
async def test_a_damaged_secret_is_not_used(vault: VaultSession, root: Any, secret: dict[str, Any]) -> None:
    source = await VaultKv.open(vault, 0)
    root.secrets.kv.v2.create_or_update_secret(PATH, secret)

    with pytest.raises(VaultKeysUnusableError, match="roll it back"):
        await source.load(1)


async def test_a_rotation_in_kv_is_taken_up_by_a_running_keychain(vault: VaultSession) -> None:
    recorder, clock = ListRecorder(), FrozenClock(0)
    source = await VaultKv.open(vault, 0)
    chain = Keychain(source, clock, Journal(recorder, clock))
    clock.advance(SETTLING_S)
    rotated = await (await VaultKv.open(vault, 0)).rotate(clock.now_us())

    await chain.look()

    assert chain.rings == rotated
    assert len(recorder.of("keys_rotated")) == 1


# --- transit ---------------------------------------------------------------------------------------------------------


async def test_keys_in_transit_sign_and_never_leave(vault: VaultSession, root: Any) -> None:
    source = await VaultTransit.open(vault, SystemClock().now_us())

    await check_all(*chain_of(source))

    for algorithm in ALGORITHMS:
        held = root.secrets.transit.read_key(f"gridwarden-{algorithm.lower()}")["data"]
        assert (held["exportable"], held["allow_plaintext_backup"]) == (False, False)
    assert not any(ring.current.key.is_private for ring in source.known(0).rings.values())


async def test_two_processes_on_one_transit_agree(vault: VaultSession) -> None:
    now_us = SystemClock().now_us()
    first, second = await asyncio.gather(VaultTransit.open(vault, now_us), VaultTransit.open(vault, now_us))

    assert await first.load(now_us) == await second.load(now_us)
    assert first.form_key() == second.form_key()
    assert len(first.form_key()) == 32


async def test_a_rotation_in_transit_moves_the_generations(vault: VaultSession) -> None:
    now_us = SystemClock().now_us()
    source = await VaultTransit.open(vault, now_us)
    before = source.known(0)
    with pytest.raises(ConflictError):
        await source.rotate(now_us)

    after = await source.rotate(now_us + 2 * SETTLED_US, algorithms=["ES256"])

    assert after.rings["ES256"].current.kid == before.rings["ES256"].next.kid
    assert after.rings["ES256"].previous is not None
    assert after.rings["ES256"].previous.kid == before.rings["ES256"].current.kid
    assert after.rings["RS256"].current.kid == before.rings["RS256"].current.kid
    await check_all(*chain_of(source))


async def test_two_rotations_at_once_let_no_unseen_key_sign(vault: VaultSession, root: Any) -> None:
    now_us = SystemClock().now_us()
    source = await VaultTransit.open(vault, now_us)
    before = source.known(0)
    for _ in range(2):
        root.secrets.transit.rotate_key("gridwarden-es256")

    ring = (await source.load(now_us)).rings["ES256"]

    assert ring.current.kid == before.rings["ES256"].current.kid
    assert len(ring.published()) == 4
    settled = (await source.load(now_us + 2 * SETTLED_US)).rings["ES256"]
    assert settled.current.kid == ring.waiting[0].kid
    assert settled.next.kid == ring.waiting[1].kid


async def test_signatures_asked_at_once_go_out_in_batches(vault: VaultSession) -> None:
    asked = 0

    class Counting:
        async def ask(self, question: Any) -> Any:
            nonlocal asked
            asked += 1
            return await vault.ask(question)

    source = await VaultTransit.open(Counting(), SystemClock().now_us())
    chain, mint = chain_of(source)
    asked = 0

    tokens = await asyncio.gather(*(mint.sign({"n": n, "iss": "https://id.test"}, token_type="JWT")
                                    for n in range(100)))

    assert [mint.verified(token, token_type="JWT")["n"] for token in tokens] == list(range(100))
    assert asked <= 4
    assert chain.rings.missing == ()


async def test_a_transit_key_that_is_gone_or_another_is_refused(vault: VaultSession, root: Any) -> None:
    source = await VaultTransit.open(vault, SystemClock().now_us())
    chain, mint = chain_of(source)
    forget(root, "gridwarden-es256")

    with pytest.raises(TransitUnusableError, match="gone"):
        await mint.sign({}, token_type="JWT")
    with pytest.raises(TransitUnusableError, match="restore"):
        await source.load(SystemClock().now_us())
    root.secrets.transit.create_key("gridwarden-es256", key_type="ecdsa-p256")
    with pytest.raises(TransitUnusableError, match="another key"):
        await mint.sign({}, token_type="JWT")
    forget(root, "gridwarden-es256")
    root.secrets.transit.create_key("gridwarden-es256", key_type="ed25519")
    with pytest.raises(TransitUnusableError, match="of type ed25519"):
        await VaultTransit.open(vault, SystemClock().now_us())
    assert chain.rings.find(source.known(0).rings["RS256"].current.kid)


async def test_a_whole_login_with_keys_that_never_leave_vault(
    vault: VaultSession, app_pool: asyncpg.Pool, clock: FrozenClock,
) -> None:
    """Access and ID token of a code flow, read by PyJWT; without Vault the answer is 503, and no token."""
    recorder = ListRecorder()
    source = await VaultTransit.open(vault, clock.now_us())
    provider = IdentityProvider(Database(app_pool), recorder, clock, issuer=ISSUER, keys=source,
                                passwords=quick_passwords())
    world = World(provider, recorder, clock, app_pool)
    await world.people()

    tokens = await world.tokens()

    keys = jwt.PyJWKSet.from_dict(await provider.jwks())
    for name, audience in (("access_token", f"{ISSUER}/api"), ("id_token", "app")):
        header = jwt.get_unverified_header(tokens[name])
        claims = jwt.decode(tokens[name], keys[header["kid"]], [header["alg"]], audience=audience,
                            options={"verify_exp": False, "verify_iat": False, "verify_nbf": False})
        assert claims["sub"] == world.user.id
    code = await world.code()
    vault.close()
    answer = await world.redeem(code)
    assert answer.status_code == 503
    provider.close()


# --- away and back ---------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("kind", [VaultKv, VaultTransit])
async def test_keys_live_through_a_restart_of_vault_and_the_end_of_its_tokens(
    tmp_path: Path, kind: type[VaultKv] | type[VaultTransit],
) -> None:
    """Tokens of two seconds, Vault down for longer than one lives, then back with its data."""
    port, recorder = free_port(), ListRecorder()
    with stored_vault_server(tmp_path / "vault", port) as server:
        role = AppRole(*provision(server.address, server.token, ttl="2s", max_ttl="3s"))
        session = VaultSession(server.address, role=role)
        source: KeySource = await kind.open(session, SystemClock().now_us())
        chain, mint = chain_of(source, recorder)
        until_s = time.monotonic() + 4
        while time.monotonic() < until_s:
            await check_all(chain, mint)
            await asyncio.sleep(0.2)
    before = chain.rings

    await chain.look()
    assert chain.rings == before
    if kind is VaultKv:
        await check_all(chain, mint)
    else:
        with pytest.raises(VaultAwayError):
            await mint.sign({}, token_type="JWT")
    await asyncio.sleep(2.5)

    with stored_vault_server(tmp_path / "vault", port):
        await chain.look()
        await check_all(chain, mint)
        assert chain.rings == before
    assert [event["event"]["action"] for event in recorder.events] == ["key_source_lost", "key_source_found"]
    session.close()
