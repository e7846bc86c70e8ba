"""The keys at work: completed, taken up when others rotate, rotated on schedule, and kept while their place is away."""

import asyncio
from collections.abc import Iterable
from pathlib import Path

import jwt
import pytest
from prometheus_client import REGISTRY

from identity.adapters.key_files import KeyFiles
from identity.domain.jose.algorithms import ALGORITHMS
from identity.domain.jose.key_ring import SETTLING_S, KeyRings
from identity.domain.jose.mint import Mint
from identity.service.journal import Journal
from identity.service.keys.keychain import Keychain, RotationNotSealedError
from shared_kernel.credentials import Credentials
from shared_kernel.errors import ConflictError, InvalidInputError, UnavailableError
from tests.frozen_clock import FrozenClock
from tests.identity.world import ISSUER, ListRecorder, World

DAY_S = 86_400


class Place:
    """Key files that can be away."""

    def __init__(self, folder: Path) -> None:
        self.files = KeyFiles(folder)
        self.is_away = False

    def form_key(self) -> bytes:
        return self.files.form_key()

    def known(self, now_us: int) -> KeyRings:
        return self.files.known(now_us)

    async def load(self, now_us: int) -> KeyRings:
        if self.is_away:
            raise UnavailableError("the keys' place is away")
        return await self.files.load(now_us)

    async def rotate(self, now_us: int, *, algorithms: Iterable[str] = ALGORITHMS,
                     settling_s: int = SETTLING_S) -> KeyRings:
        return await self.files.rotate(now_us, algorithms=algorithms, settling_s=settling_s)


class Chain:
    """A keychain with everything around it."""

    def __init__(self, folder: Path, clock: FrozenClock, **settings: int) -> None:
        self.place, self.clock, self.recorder = Place(folder), clock, ListRecorder()
        self.keys = Keychain(self.place, clock, Journal(self.recorder, clock), **settings)
        self.mint = Mint(self.keys, "https://id.test", "https://id.test/api")


@pytest.fixture
async def chain(tmp_path: Path, clock: FrozenClock) -> Chain:
    found = Chain(tmp_path, clock)
    await found.keys.complete()
    return found


def away() -> float | None:
    return REGISTRY.get_sample_value("gridwarden_identity_key_source_away")


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_every_algorithm_signs_what_an_independent_library_verifies(
    tmp_path: Path, clock: FrozenClock, algorithm: str,
) -> None:
    """Also the very first token, whose key is still to be made; PyJWT is the judge."""
    chain = Chain(tmp_path, clock)
    claims = {"iss": "https://id.test", "sub": "s"}

    token = await chain.mint.sign(claims, token_type="JWT", algorithm=algorithm)

    key = jwt.PyJWKSet.from_dict(chain.keys.rings.to_jwks())[jwt.get_unverified_header(token)["kid"]]
    assert jwt.decode(token, key, [algorithm]) == claims
    assert chain.mint.verified(token, token_type="JWT") == claims


async def test_an_algorithm_we_do_not_have_is_refused(chain: Chain) -> None:
    with pytest.raises(InvalidInputError):
        await chain.mint.sign({}, token_type="JWT", algorithm="HS256")


async def test_twenty_first_tokens_make_one_ring(tmp_path: Path, clock: FrozenClock) -> None:
    chain = Chain(tmp_path, clock)

    tokens = await asyncio.gather(*(chain.mint.sign({}, token_type="JWT", algorithm="RS256") for _ in range(20)))

    assert len({jwt.get_unverified_header(token)["kid"] for token in tokens}) == 1


async def test_a_rotation_by_an_operator_is_taken_up_sealed_and_told(chain: Chain, tmp_path: Path) -> None:
    heard: list[str] = []
    chain.keys.when_changed(lambda: heard.append("changed"))
    chain.clock.advance(SETTLING_S)
    rotated = await KeyFiles(tmp_path).rotate(chain.clock.now_us())

    await chain.keys.look()

    assert chain.keys.rings == rotated
    assert chain.recorder.of("keys_rotated")[0]["grid"]["keys"] == {
        name: ring.current.kid for name, ring in rotated.rings.items()}
    assert heard == ["changed"]
    await chain.keys.look()
    assert len(chain.recorder.of("keys_rotated")) == 1


async def test_keys_rotate_when_they_are_old_enough(chain: Chain) -> None:
    before = chain.keys.rings
    chain.clock.advance(90 * DAY_S - 1)
    await chain.keys.look()
    assert chain.keys.rings == before

    chain.clock.advance(1)
    await chain.keys.look()

    assert {name: ring.current for name, ring in chain.keys.rings.rings.items()} == {
        name: ring.next for name, ring in before.rings.items()}
    assert len(chain.recorder.of("keys_rotated")) == 1


async def test_a_token_outlives_the_rotation_of_its_key(chain: Chain) -> None:
    tokens = [await chain.mint.sign({"iss": "https://id.test"}, token_type="JWT", algorithm=name)
              for name in ALGORITHMS]
    chain.clock.advance(90 * DAY_S)

    await chain.keys.look()

    for token in tokens:
        assert chain.mint.verified(token, token_type="JWT")


async def test_no_rotation_drops_a_key_while_a_token_of_it_may_live(tmp_path: Path, clock: FrozenClock) -> None:
    """`previous` is kept at least as long as the longest token."""
    chain = Chain(tmp_path, clock, longest_token_s=7_200)
    await chain.keys.complete()
    clock.advance(7_259)
    with pytest.raises(ConflictError):
        await chain.keys.rotate()

    clock.advance(1)
    await chain.keys.rotate()

    clock.advance(7_259)
    with pytest.raises(ConflictError):
        await chain.keys.rotate()


async def test_a_rotation_that_cannot_be_sealed_does_not_sign(chain: Chain, tmp_path: Path) -> None:
    before = chain.keys.rings
    chain.clock.advance(SETTLING_S)
    await KeyFiles(tmp_path).rotate(chain.clock.now_us())
    chain.recorder.is_down = True

    await chain.keys.look()
    assert chain.keys.rings == before
    chain.clock.advance(SETTLING_S)
    with pytest.raises(RotationNotSealedError):
        await chain.keys.rotate()

    chain.recorder.is_down = False
    await chain.keys.look()
    assert len(chain.recorder.of("keys_rotated")) == 1
    assert chain.keys.rings != before


async def test_while_the_place_is_away_the_last_good_keys_go_on_and_an_alarm_tells(chain: Chain) -> None:
    chain.place.is_away = True
    await chain.keys.look()
    await chain.keys.look()

    token = await chain.mint.sign({"iss": "https://id.test"}, token_type="JWT", algorithm="RS256")
    assert chain.mint.verified(token, token_type="JWT")
    assert [event["event"]["outcome"] for event in chain.recorder.of("key_source_lost")] == ["failure"]
    assert away() == 1
    chain.place.is_away = False
    await chain.keys.look()

    assert len(chain.recorder.of("key_source_found")) == 1
    assert away() == 0


async def test_a_damaged_file_leaves_the_last_good_keys(chain: Chain, tmp_path: Path) -> None:
    before = chain.keys.rings
    (tmp_path / "signing_rings.json").write_bytes(b"{")

    await chain.keys.look()

    assert chain.keys.rings == before
    assert len(chain.recorder.of("key_source_lost")) == 1


async def test_the_published_set_is_whole_from_the_first_answer_on(world: World) -> None:
    """OpenID Discovery section 3: RS256 must be there; a client that cached half a set would refuse our tokens."""
    first = await world.get("/oauth2/jwks")
    second = await world.get("/oauth2/jwks")

    assert [key["alg"] for key in first.json()["keys"]] == ["ES256"] * 2 + ["RS256"] * 2 + ["PS256"] * 2 + ["EdDSA"] * 2
    assert first.content == second.content
    assert first.headers["cache-control"] == "public, max-age=900"


async def test_a_token_survives_one_rotation_and_its_caches_not_two(world: World) -> None:
    header = f"Bearer {(await world.tokens())['access_token']}"
    world.clock.advance(SETTLING_S)
    await world.provider.keychain.rotate()
    world.clock.advance(-SETTLING_S)
    assert (await world.provider.authenticate(Credentials(header))).name == "alice"

    world.clock.advance(2 * SETTLING_S)
    await world.provider.keychain.rotate()
    world.clock.advance(-2 * SETTLING_S)
    with pytest.raises(Exception, match="not one of ours"):
        await world.provider.authenticate(Credentials(header))


async def test_two_providers_on_one_home_read_each_others_tokens(world: World, tmp_path: Path) -> None:
    other = Keychain(KeyFiles(tmp_path / "keys"), world.clock, Journal(world.recorder, world.clock))
    mint = Mint(other, ISSUER, f"{ISSUER}/api")
    for _ in range(3):
        await asyncio.gather(world.provider.keychain.look(), other.look())
        for name in ALGORITHMS:
            token = await mint.sign({"iss": ISSUER}, token_type="JWT", algorithm=name)
            assert Mint(world.provider.keychain, ISSUER, "a").verified(token, token_type="JWT")
        world.clock.advance(90 * DAY_S)
