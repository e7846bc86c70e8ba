"""Request objects that are refused: forged, foreign, too old, too young, or holding what they must not."""

import json
from typing import Any

import pytest

from tests.identity.authorization.kit import PAR, Objects, asking, fapi, is_page, outside, register, told
from tests.identity.client_kit import ClientKey, Holder, b64
from tests.identity.world import CALLBACK, ISSUER, World

BAD = "invalid_request_object"


@pytest.fixture
async def objects(world: World) -> Objects:
    """A baseline client that signs."""
    holder = Holder("signer", world.clock)
    await register(world, "signer", holder=holder)
    return Objects(holder)


async def at_authorize(world: World, request: str, **beside: str) -> Any:
    return await world.get("/oauth2/authorize", params=outside("signer", request, redirect_uri=CALLBACK, **beside))


def unsigned(claims: dict[str, Any], algorithm: str = "none") -> str:
    return f"{b64(json.dumps({'alg': algorithm}).encode())}.{b64(json.dumps(claims).encode())}."


@pytest.mark.parametrize("name", ["none", "None", "NONE"])
async def test_an_unsigned_object_is_not_supported(world: World, objects: Objects, name: str) -> None:
    """OIDC Core 3.1.2.6 request_not_supported: what `oidcc-unsigned-request-object-...` accepts; RFC 8725 3.1."""
    answer = await at_authorize(world, unsigned(objects.claims(), name))

    assert told(answer) == "request_not_supported"


async def test_an_unsigned_object_finds_its_own_registered_place_first(world: World, objects: Objects) -> None:
    """`oidcc-ensure-request-object-with-redirect-uri`: the redirect URI beside it is a trap."""
    answer = await world.get("/oauth2/authorize", params=outside(
        "signer", unsigned(objects.claims()), redirect_uri="https://evil.test/"))

    assert told(answer) == "request_not_supported"


@pytest.mark.parametrize("redirect_uri", ["https://evil.test/", f"{CALLBACK}/", None])
async def test_an_object_never_leads_to_an_unregistered_place(world: World, objects: Objects,
                                                              redirect_uri: str | None) -> None:
    """RFC 6749 section 4.1.2.1."""
    answers = [await world.get("/oauth2/authorize", params=outside("signer", request, redirect_uri="https://evil.test/"))
               for request in (objects.make(redirect_uri=redirect_uri),
                               unsigned(objects.claims(redirect_uri=redirect_uri)), "x.y.z")]

    assert all(is_page(answer) for answer in answers)


@pytest.mark.parametrize("changes", [
    pytest.param({"iss": "other"}, id="issued by another client (RFC 9101 4)"),
    pytest.param({"aud": "https://other.test"}, id="meant for another server (RFC 9101 4)"),
    pytest.param({"aud": ["https://other.test"]}, id="meant for other servers"),
    pytest.param({"aud": f"{ISSUER}/oauth2/par"}, id="meant for an endpoint"),
    pytest.param({"exp": 1}, id="expired (RFC 7519 4.1.4)"),
    pytest.param({"exp": "soon"}, id="exp is no number"),
    pytest.param({"nbf": True}, id="nbf is no number"),
    pytest.param({"request": "x.y.z"}, id="an object in an object (RFC 9101 4)"),
    pytest.param({"request_uri": "https://evil.test/"}, id="a reference in an object (RFC 9101 4)"),
    pytest.param({"client_id": "app"}, id="another client inside (RFC 9101 5)"),
    pytest.param({"response_type": "code id_token"}, id="another response_type inside (OIDC Core 6.1)"),
    pytest.param({"state": {"a": 1}}, id="a parameter that is an object"),
    pytest.param({"state": True}, id="a parameter that is a boolean"),
    pytest.param({"scope": ["openid"]}, id="a parameter that is a list"),
    pytest.param({"max_age": 1.5}, id="a parameter that is a fraction"),
    pytest.param({"resource": ["a", 1]}, id="a resource that is a number"),
])
async def test_a_signed_object_with_a_wrong_claim_is_refused(world: World, objects: Objects,
                                                             changes: dict[str, Any]) -> None:
    """RFC 9101 sections 4, 5 and 6."""
    objects.typ = "JWT"

    answer = await at_authorize(world, objects.make(**changes))

    assert told(answer) == BAD


async def test_an_object_from_the_future_is_refused_and_a_small_skew_is_not(world: World, objects: Objects) -> None:
    """RFC 7519 section 4.1.5; FAPI 2.0 section 5.3.2.1: up to 10 seconds pass."""
    now = objects.holder.now_s

    late, near = [await at_authorize(world, objects.make(nbf=now + ahead)) for ahead in (60, 8)]

    assert told(late) == BAD
    assert "/login?" in near.headers["location"]


@pytest.mark.parametrize("header", [
    {"jwk": {"kty": "EC"}}, {"jku": "https://evil.test/"}, {"x5u": "https://evil.test/"}, {"x5c": ["MII"]},
    {"crit": ["exp"]}, {"kid": "../../etc/passwd"}, {"typ": "at+jwt"}, {"typ": "dpop+jwt"}, {"alg": "HS256"},
    {"b64": False},
])
async def test_a_header_that_brings_trust_of_its_own_is_refused(world: World, objects: Objects,
                                                                header: dict[str, Any]) -> None:
    """RFC 8725 sections 3.1, 3.10, 3.11."""
    objects.header = header

    answer = await at_authorize(world, objects.make())

    assert told(answer) == BAD


async def test_an_object_signed_by_a_stranger_is_refused(world: World, objects: Objects) -> None:
    """RFC 9101 section 6.2."""
    stranger = ClientKey.new()
    objects.key = ClientKey(stranger.private, "ES256", objects.holder.key.kid)

    answer = await at_authorize(world, objects.make())

    assert told(answer) == BAD


@pytest.mark.usefixtures("objects")
async def test_an_object_of_another_client_is_refused(world: World) -> None:
    """RFC 9101 section 6.2: the key must be this client's."""
    other = Holder("other", world.clock)
    await register(world, "other", holder=other)

    answer = await at_authorize(world, Objects(other).make())

    assert told(answer) == BAD


async def test_an_algorithm_the_client_did_not_register_is_refused(world: World) -> None:
    """OIDC Registration section 2: request_object_signing_alg binds."""
    holder = Holder("signer", world.clock, ClientKey.new("RS256"))
    await register(world, "signer", holder=holder, request_object_signing_alg="ES256")

    answer = await at_authorize(world, Objects(holder).make())

    assert told(answer) == BAD


@pytest.mark.parametrize("beside", [{"response_type": ""}, {"scope": ""}, {"scope": "profile"}])
async def test_an_openid_object_wants_its_frame_outside(world: World, objects: Objects, beside: dict[str, str]) -> None:
    """OIDC Core 6.1: response_type and scope=openid stand outside too; RFC 9101 clients say so by `typ`."""
    objects.typ = None
    framed = outside("signer", objects.make(), redirect_uri=CALLBACK) | beside
    bare = {"client_id": "signer", "request": Objects(objects.holder).make()}

    answer = await world.get("/oauth2/authorize", params={name: value for name, value in framed.items() if value})
    modern = await world.get("/oauth2/authorize", params=bare)

    assert told(answer) == "invalid_request"
    assert "/login?" in modern.headers["location"]


async def test_request_and_request_uri_exclude_each_other(world: World, objects: Objects) -> None:
    """RFC 9101 section 5."""
    answer = await at_authorize(world, objects.make(), request_uri="https://evil.test/")

    assert told(answer) == "invalid_request"


@pytest.mark.usefixtures("objects")
async def test_an_id_token_of_ours_is_not_a_request(world: World) -> None:
    """RFC 8725 section 3.11: cross-JWT confusion."""
    id_token = (await world.tokens())["id_token"]

    answer = await at_authorize(world, id_token)

    assert told(answer) == BAD


async def test_a_client_assertion_is_not_a_request(world: World) -> None:
    """RFC 9101 section 10.8: one JWT must not serve as the other."""
    holder = await fapi(world)

    answer = await world.post(PAR, holder.asserted(client_id="fapi", request=holder.assertion()))

    assert (answer.status_code, answer.json()["error"]) == (400, BAD)


@pytest.mark.usefixtures("objects")
async def test_a_megabyte_of_request_is_refused(world: World) -> None:
    answer = await world.post("/oauth2/authorize", outside("signer", "x" * 1_000_000))

    assert is_page(answer)


FAPI_REFUSALS = [
    pytest.param({"iss": None}, id="no iss"),
    pytest.param({"aud": None}, id="no aud"),
    pytest.param({"exp": None}, id="no exp"),
    pytest.param({"nbf": None}, id="no nbf"),
    pytest.param({"aud": "https://other.test"}, id="bad aud"),
    pytest.param({"nbf_ago": 3_700}, id="nbf 61 minutes ago"),
    pytest.param({"exp_in": 3_700}, id="exp 61 minutes ahead"),
    pytest.param({"exp_in": -60}, id="expired"),
]


@pytest.mark.parametrize("changes", FAPI_REFUSALS)
async def test_a_fapi_object_is_dated_and_addressed(world: World, changes: dict[str, Any]) -> None:
    """FAPI 2.0 Message Signing section 5.3.1: aud, iss, exp, nbf; both dates within 60 minutes."""
    holder = await fapi(world)
    claims = {"nbf": holder.now_s - changes["nbf_ago"]} if "nbf_ago" in changes else (
        {"exp": holder.now_s + changes["exp_in"]} if "exp_in" in changes else changes)

    answer = await world.post(PAR, holder.asserted(client_id="fapi", request=Objects(holder).make(**claims)))

    assert (answer.status_code, answer.json()["error"]) == (400, BAD)


async def test_a_fapi_object_is_not_signed_by_rs256(world: World) -> None:
    """FAPI 2.0 section 5.4.1."""
    holder = await fapi(world)
    other = Objects(holder, key=ClientKey.new("RS256"))

    answer = await world.post(PAR, holder.asserted(client_id="fapi", request=other.make()))

    assert (answer.status_code, answer.json()["error"]) == (400, BAD)


async def test_a_fapi_object_at_the_front_door_is_refused(world: World) -> None:
    """FAPI 2.0 section 5.3.2.2: requests are pushed, signed or not."""
    holder = await fapi(world)

    answer = await world.get("/oauth2/authorize", params={"client_id": "fapi", "request": Objects(holder).make()})

    assert told(answer) == "invalid_request"


async def test_beside_a_pushed_object_nothing_counts(world: World) -> None:
    """RFC 9126 section 3, `state-only-outside-request-object-not-used`."""
    holder = await fapi(world)

    answer = await world.post(PAR, holder.asserted() | asking(state="outside") | {
        "request": Objects(holder).make(state=None)})

    assert answer.status_code == 201
    assert "outside" not in await world.pool.fetchval("SELECT parameters::text FROM identity.pushed_requests")
