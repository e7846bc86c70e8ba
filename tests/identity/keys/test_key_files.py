"""Keys in files: private, complete, agreed on by two processes, and taken over from version 0.1."""

import asyncio
import subprocess
import sys
from pathlib import Path

import orjson
import pytest
from joserfc.jwk import ECKey

from identity.adapters.key_files import KeyFiles, UnsafeKeyFileError
from identity.domain.jose.algorithms import ALGORITHMS
from identity.domain.jose.front import ACCESS_TYPE, sign, verified_claims
from identity.domain.jose.key_ring import SETTLING_S, KeyRings, SigningKey
from shared_kernel.errors import ConflictError, InvalidInputError

SECOND_US = 1_000_000
SETTLED_US = SETTLING_S * SECOND_US


def kids(rings: KeyRings) -> set[str]:
    return {key["kid"] for key in rings.to_jwks()["keys"]}


async def test_every_algorithm_has_two_keys_from_the_start_and_three_after_a_rotation(tmp_path: Path) -> None:
    files = KeyFiles(tmp_path)

    before = await files.load(0)
    after = await files.rotate(SETTLED_US)

    assert [len(ring.published()) for ring in before.rings.values()] == [2, 2, 2, 2]
    assert [len(ring.published()) for ring in after.rings.values()] == [3, 3, 3, 3]
    for name in ALGORITHMS:
        assert after.rings[name].current.kid == before.rings[name].next.kid
        assert after.rings[name].previous == before.rings[name].current
        assert after.rings[name].next.created_at_us == SETTLED_US


async def test_the_key_set_says_what_each_key_is_for(tmp_path: Path) -> None:
    """RFC 7517 section 4: use, alg, kid; never a private half."""
    jwks = (await KeyFiles(tmp_path).load(0)).to_jwks()

    assert [key["alg"] for key in jwks["keys"]] == ["ES256"] * 2 + ["RS256"] * 2 + ["PS256"] * 2 + ["EdDSA"] * 2
    assert all(key.keys() <= {"kty", "crv", "x", "y", "n", "e", "kid", "use", "alg"} for key in jwks["keys"])
    assert len({key["kid"] for key in jwks["keys"]}) == 8


async def test_a_key_that_somebody_may_not_know_yet_does_not_sign(tmp_path: Path) -> None:
    """A new key is visible at least as long as clients may cache the set, and a look of our processes takes."""
    files = KeyFiles(tmp_path)
    await files.load(0)

    with pytest.raises(ConflictError):
        await files.rotate(SETTLED_US - 1)
    await files.rotate(SETTLED_US)
    with pytest.raises(ConflictError):
        await files.rotate(2 * SETTLED_US - 1)


async def test_a_restart_finds_the_same_keys(tmp_path: Path) -> None:
    before = await KeyFiles(tmp_path).load(0)

    after = await KeyFiles(tmp_path).load(1)

    assert before == after
    assert KeyFiles(tmp_path).form_key() == KeyFiles(tmp_path).form_key()
    assert all(path.stat().st_mode & 0o077 == 0 for path in tmp_path.rglob("*"))


async def test_a_rotation_by_somebody_else_is_seen_without_a_restart(tmp_path: Path) -> None:
    ours, theirs = KeyFiles(tmp_path), KeyFiles(tmp_path)
    before = await ours.load(0)

    rotated = await theirs.rotate(SETTLED_US)

    assert await ours.load(SETTLED_US) == rotated != before


def first_ring(now_us: int) -> tuple[dict[str, object], SigningKey]:
    """Return the file of version 0.1 and its current key."""
    keys = [ECKey.generate_key("P-256") for _ in range(3)]
    documents = [{**key.as_dict(private=True), "created_at_us": now_us} for key in keys]
    ring: dict[str, object] = dict(zip(("next", "current", "previous"), documents, strict=True))
    return ring, SigningKey.from_jwk(documents[1])


@pytest.mark.parametrize("has_previous", [True, False])
async def test_the_keys_of_version_0_1_go_on_and_its_tokens_stay_valid(tmp_path: Path, *, has_previous: bool) -> None:
    ring, current = first_ring(7)
    if not has_previous:
        ring["previous"] = None
    (tmp_path / "signing_ring.json").write_bytes(orjson.dumps(ring))
    (tmp_path / "signing_ring.json").chmod(0o600)
    token = await sign(current, ACCESS_TYPE, b'{"iss":"i"}')

    rings = await KeyFiles(tmp_path).load(SETTLED_US)

    assert rings.rings["ES256"].current == current
    assert verified_claims(token, rings, token_type=ACCESS_TYPE, issuer="i") == {"iss": "i"}
    assert len(rings.rings["ES256"].published()) == 2 + has_previous
    assert not rings.missing
    assert not (tmp_path / "signing_ring.json").exists()
    assert await KeyFiles(tmp_path).load(SETTLED_US) == rings


@pytest.mark.parametrize("name", ["signing_rings.json", "signing_ring.json"])
async def test_a_key_file_that_others_can_read_or_that_is_damaged_is_not_used(tmp_path: Path, name: str) -> None:
    files = KeyFiles(tmp_path)
    file = tmp_path / name

    for damage in (b"", b"[]", b'{"ES256":{}}', b'{"next":{},"current":{"kty":"EC"}}', b'{"ES256":{"next":1}}', b"{"):
        file.write_bytes(damage)
        file.chmod(0o600)
        with pytest.raises(UnsafeKeyFileError, match="damaged"):
            await files.load(0)
    file.chmod(0o644)
    with pytest.raises(UnsafeKeyFileError, match="chmod 600"):
        await files.load(0)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_private_key_that_does_not_fit_its_public_half_is_refused(algorithm: str) -> None:
    one, other = SigningKey.generate(0, algorithm).to_jwk(), SigningKey.generate(0, algorithm).to_jwk()
    public = {name: other[name] for name in ("x", "y", "n") if name in other}

    with pytest.raises(InvalidInputError):
        SigningKey.from_jwk(one | public, algorithm)


def test_a_key_of_another_kind_or_without_its_private_half_is_no_signing_key() -> None:
    key = SigningKey.generate(0, "RS256")
    for document, algorithm in ((key.to_jwk(), "ES256"), (key.to_public_jwk() | {"created_at_us": 0}, "RS256"),
                                (key.to_jwk(), "HS256"), ({}, "RS256"), (key.to_jwk() | {"d": 1}, "RS256")):
        with pytest.raises(InvalidInputError):
            SigningKey.from_jwk(document, algorithm)


MAKE_KEYS = """
import asyncio, sys, pathlib
from identity.adapters.key_files import KeyFiles
files = KeyFiles(pathlib.Path(sys.argv[1]))
print(files.form_key().hex(), *sorted(key["kid"] for key in asyncio.run(files.load(0)).to_jwks()["keys"]))
"""
ROTATE_KEYS = """
import asyncio, sys, pathlib
from identity.adapters.key_files import KeyFiles
from shared_kernel.errors import ConflictError
try:
    asyncio.run(KeyFiles(pathlib.Path(sys.argv[1])).rotate(int(sys.argv[2])))
    print("rotated")
except ConflictError:
    print("too early")
"""


def answers(program: str, *arguments: str) -> list[str]:
    """Run a program three times at once."""
    running = [subprocess.Popen([sys.executable, "-c", program, *arguments], stdout=subprocess.PIPE, text=True)
               for _ in range(3)]
    return [process.communicate(timeout=60)[0].strip() for process in running]


def test_processes_that_start_on_one_home_agree(tmp_path: Path) -> None:
    """RSA keys take long enough to make that all of them find none."""
    found = answers(MAKE_KEYS, str(tmp_path))

    assert len(set(found)) == 1
    assert len(found[0].split()) == 9


async def test_of_processes_that_rotate_at_once_one_does(tmp_path: Path) -> None:
    before = await KeyFiles(tmp_path).load(0)

    assert sorted(answers(ROTATE_KEYS, str(tmp_path), str(SETTLED_US))) == ["rotated", "too early", "too early"]

    after = await KeyFiles(tmp_path).load(SETTLED_US)
    assert after.rings["RS256"].current == before.rings["RS256"].next


async def test_the_first_start_waits_for_no_rsa_key(tmp_path: Path) -> None:
    """The quick rings are there at once; while the others are made in a thread the loop goes on."""
    files = KeyFiles(tmp_path)
    assert set(files.known(0).rings) == {"ES256", "EdDSA"}

    making, turns = asyncio.create_task(files.load(0)), 0
    while not making.done():
        await asyncio.sleep(0.001)
        turns += 1

    assert not (await making).missing
    assert turns > 3
