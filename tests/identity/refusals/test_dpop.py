"""Refusals: proofs that prove nothing, and bound tokens in other hands (RFC 9449)."""

import json
from collections.abc import Callable
from typing import Any

import asyncpg
import pytest

from identity.domain.oauth.errors import CredentialError, InvalidProofError, OAuthError
from shared_kernel.credentials import Credentials
from shared_kernel.errors import UnavailableError
from tests.frozen_clock import FrozenClock
from tests.identity.client_desk import RESOURCE_URL, ClientDesk
from tests.identity.client_kit import TOKEN_URL, ClientKey, Holder, b64

KEY = ClientKey.new()


def at_token(*proofs: str, certificate: bytes | None = None) -> Credentials:
    return Credentials(None, "POST", TOKEN_URL, proofs, certificate)


async def refused_at_token(desk: ClientDesk, *proofs: str, **settings: Any) -> OAuthError:
    """Return how the token endpoint refuses these proofs."""
    client = await desk.register(**settings)
    with pytest.raises(OAuthError) as caught:
        await desk.sender.binding(at_token(*proofs), client)
    return caught.value


def without(header: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in header.items() if key != name}


WRONG_CLAIMS: dict[str, Callable[[int], dict[str, Any]]] = {
    "no jti": lambda _: {"jti": None}, "jti as a number": lambda _: {"jti": 1}, "empty jti": lambda _: {"jti": ""},
    "endless jti": lambda _: {"jti": "x" * 513},
    "no htm": lambda _: {"htm": None}, "another htm": lambda _: {"htm": "GET"}, "htm in lower case": lambda _: {
        "htm": "post"}, "htm as a list": lambda _: {"htm": ["POST"]},
    "no htu": lambda _: {"htu": None}, "another htu": lambda _: {"htu": TOKEN_URL + "x"},
    "htu of another host": lambda _: {"htu": "https://other.test/oauth2/token"},
    "htu without encryption": lambda _: {"htu": TOKEN_URL.replace("https", "http")},
    "htu of another port": lambda _: {"htu": TOKEN_URL.replace(".test", ".test:444")},
    "htu with a trailing dot": lambda _: {"htu": TOKEN_URL.replace(".test", ".test.")},
    "htu with an encoded slash": lambda _: {"htu": TOKEN_URL.replace("2/t", "2%2Ft")},
    "htu with a user": lambda _: {"htu": TOKEN_URL.replace("//", "//me@")},
    "no iat": lambda _: {"iat": None}, "iat as a text": lambda now: {"iat": str(now)},
    "iat as a boolean": lambda _: {"iat": True}, "iat as a list": lambda now: {"iat": [now]},
    "iat beyond all dates": lambda _: {"iat": 1 << 60}, "iat an hour ago": lambda now: {"iat": now - 3_600},
    "iat in an hour": lambda now: {"iat": now + 3_600}, "iat over a minute ahead": lambda now: {"iat": now + 61},
    "iat over a minute ago": lambda now: {"iat": now - 61},
    "expired": lambda now: {"exp": now}, "not valid yet": lambda now: {"nbf": now + 61},
    "exp as a text": lambda now: {"exp": str(now + 9)},
    "a nonce that is not ours": lambda _: {"nonce": "AAAAAAAAAAAAAAAAAAAAAAAA"},
    "a nonce that is no text": lambda _: {"nonce": 7}, "an empty nonce": lambda _: {"nonce": ""},
}


@pytest.mark.parametrize("case", WRONG_CLAIMS)
async def test_a_proof_with_a_wrong_claim_is_refused(desk: ClientDesk, case: str) -> None:
    """RFC 9449 section 4.3, items 3, 8, 9, 10, 11."""
    holder = Holder("c1", desk.clock)
    error = await refused_at_token(desk, holder.proof(**WRONG_CLAIMS[case](holder.now_s)))
    assert error.code == ("use_dpop_nonce" if "nonce" in case else "invalid_dpop_proof")
    assert error.status == 400


WRONG_HEADERS: dict[str, dict[str, Any]] = {
    "no typ": {"typ": None}, "another typ": {"typ": "JWT"}, "a longer typ": {"typ": "dpop+jwt+wrong"},
    "typ as a list": {"typ": ["dpop+jwt"]},
    "no alg": {"alg": None}, "alg none": {"alg": "none"}, "alg of a shared secret": {"alg": "HS256"},
    "alg of RSA PKCS 1": {"alg": "RS256"}, "an unknown alg": {"alg": "ES512"}, "alg as a number": {"alg": 1},
    "no jwk": {"jwk": None}, "jwk as a text": {"jwk": "x"}, "an empty jwk": {"jwk": {}},
    "a private key": {"jwk": KEY.private_jwk}, "another key": {"jwk": ClientKey.new().bare},
    "a shared secret": {"jwk": {"kty": "oct", "k": "AAAA"}},
    "a shared secret beside": {"jwk": {**KEY.bare, "k": "AAAA"}},
    "a key for alg none": {"jwk": {**KEY.bare, "alg": "none"}},
    "a key for another alg": {"jwk": {**KEY.bare, "alg": "EdDSA"}},
    "a key for encryption": {"jwk": {**KEY.bare, "use": "enc"}},
    "a key that does not verify": {"jwk": {**KEY.bare, "key_ops": ["sign"]}},
    "a point off the curve": {"jwk": {**KEY.bare, "y": KEY.bare["x"]}},
    "another curve": {"jwk": {**KEY.bare, "crv": "P-384"}},
    "no coordinate": {"jwk": without(KEY.bare, "y")},
    "a key by reference": {"jku": "https://evil.test/jwks"}, "a certificate by reference": {"x5u": "https://evil.test"},
    "a certificate": {"x5c": ["AAAA"]}, "an extension nobody knows": {"crit": ["exp"], "exp": 1},
    "an unencoded payload": {"b64": False, "crit": ["b64"]},
}


@pytest.mark.parametrize("case", WRONG_HEADERS)
async def test_a_proof_with_a_wrong_header_is_refused(desk: ClientDesk, case: str) -> None:
    """RFC 9449 section 4.3, items 2 to 7; RFC 8725 sections 3.1 to 3.3, 3.10."""
    holder = Holder("c1", desk.clock, dpop=KEY)
    error = await refused_at_token(desk, holder.proof(header=WRONG_HEADERS[case]))
    assert error.code == "invalid_dpop_proof"


@pytest.mark.parametrize("algorithm", ["ES256", "PS256", "EdDSA"])
async def test_a_private_key_of_any_kind_is_refused(desk: ClientDesk, algorithm: str) -> None:
    """RFC 9449 section 4.3, item 7: a leaked key proves nothing any more."""
    holder = Holder("c1", desk.clock, dpop=ClientKey.new(algorithm))
    error = await refused_at_token(desk, holder.proof(header={"jwk": holder.dpop.private_jwk}))
    assert error.code == "invalid_dpop_proof"


async def test_a_kid_does_not_choose_the_key_of_a_proof(desk: ClientDesk) -> None:
    """RFC 9449 section 4.2: the key is the one in the header, and the binding is to that key."""
    holder = await desk.holder("c1")
    proof = holder.proof(header={"kid": holder.key.kid}, nonce=desk.sender.nonce())
    client = await desk.authenticate(holder.asserted())
    assert (await desk.sender.binding(at_token(proof), client)).jkt == holder.dpop.jkt != holder.key.jkt


@pytest.mark.parametrize("proof", [
    "", "x", "a.b", "a.b.c", "a.b.c.d", "..", " ", "eyJ9.eyJ9.AA", "e30.e30.AA", "\u00e9"])
async def test_what_is_no_jwt_is_no_proof(desk: ClientDesk, proof: str) -> None:
    """RFC 9449 section 4.3, item 2."""
    assert (await refused_at_token(desk, proof)).code == "invalid_dpop_proof"


async def test_a_broken_signature_is_refused(desk: ClientDesk) -> None:
    """RFC 9449 section 4.3, item 6."""
    proof = Holder("c1", desk.clock).proof()
    head, payload, signature = proof.split(".")
    flipped = ("B" if signature[0] == "A" else "A") + signature[1:]
    for broken in (f"{head}.{payload}.{flipped}", f"{head}.{payload}.", f"{head}.{payload}.{signature[:-2]}",
                   f"{head}.{payload}.{b64(bytes(64))}", f"{head}.{b64(b'{}')}.{signature}"):
        assert (await refused_at_token(desk, broken)).code == "invalid_dpop_proof"


async def test_a_payload_that_is_no_strict_object_is_refused(desk: ClientDesk) -> None:
    """RFC 7519 section 4: duplicate names, lists, nesting without end."""
    header = {"typ": "dpop+jwt", "jwk": KEY.bare}
    for payload in (b"[]", b"1", b"null", b'{"jti":"a","jti":"b"}', b"[" * 2_000, b'{"iat":NaN}', b'{"iat":1e999}',
                    b"\xff"):
        assert (await refused_at_token(desk, KEY.sign(header, payload))).code == "invalid_dpop_proof"


async def test_more_than_one_proof_is_refused(desk: ClientDesk) -> None:
    """RFC 9449 section 4.3, item 1; also when a server joined the fields by a comma."""
    holder = Holder("c1", desk.clock)
    first, second = holder.proof(), holder.proof()
    for proofs in ((first, second), (first, first), (f"{first}, {second}",), (first, "")):
        assert (await refused_at_token(desk, *proofs)).code == "invalid_dpop_proof"


async def test_a_proof_is_taken_once(desk: ClientDesk) -> None:
    """RFC 9449 section 11.1."""
    client, holder = await desk.register(), Holder("c1", desk.clock)
    proof = holder.proof()
    await desk.sender.binding(at_token(proof), client)
    with pytest.raises(InvalidProofError, match="jti"):
        await desk.sender.binding(at_token(proof), client)
    with pytest.raises(InvalidProofError, match="jti"):
        await desk.sender.offered(at_token(proof), client)


async def test_a_jti_is_used_up_for_its_key_only(desk: ClientDesk) -> None:
    """RFC 9449 section 11.1: nobody uses up another's."""
    client, mine, other = await desk.register(), Holder("c1", desk.clock), Holder("c1", desk.clock)
    await desk.sender.binding(at_token(other.proof(jti="same")), client)
    assert (await desk.sender.binding(at_token(mine.proof(jti="same")), client)).jkt == mine.dpop.jkt


async def test_a_refused_proof_is_not_used_up(desk: ClientDesk) -> None:
    """RFC 9449 section 11.1: what was wrong once may be sent right."""
    client, holder = await desk.register(), Holder("c1", desk.clock)
    with pytest.raises(InvalidProofError):
        await desk.sender.binding(at_token(holder.proof(jti="same", htm="GET")), client)
    assert (await desk.sender.binding(at_token(holder.proof(jti="same")), client)).jkt == holder.dpop.jkt


async def test_a_proof_with_a_nonce_is_remembered_as_long_as_the_nonce(desk: ClientDesk, clock: FrozenClock) -> None:
    """RFC 9449 sections 8 and 11.1: longer than a proof that only its iat keeps young."""
    client, holder = await desk.register(), Holder("c1", desk.clock)
    proof = holder.proof(nonce=desk.sender.nonce())
    await desk.sender.binding(at_token(proof), client)
    for _ in range(6):
        clock.advance(60)
        await desk.provider.prune()
        with pytest.raises(InvalidProofError):
            await desk.sender.binding(at_token(proof), client)


async def test_a_jti_of_odd_unicode_breaks_nothing(desk: ClientDesk) -> None:
    """RFC 8259 section 8.2."""
    client, holder = await desk.register(), Holder("c1", desk.clock)
    for jti in ("\u2028", "\U0001f511", "\u0000"):
        proof = holder.proof(jti=jti)
        await desk.sender.binding(at_token(proof), client)
        with pytest.raises(InvalidProofError):
            await desk.sender.binding(at_token(proof), client)
    with pytest.raises(InvalidProofError):
        await desk.sender.binding(at_token(holder.proof(jti="\ud800")), client)


async def test_a_proof_of_a_megabyte_is_refused_unread(desk: ClientDesk) -> None:
    """RFC 8725 section 3.10."""
    proof = Holder("c1", desk.clock).proof(pad="x" * 1_000_000)
    assert (await refused_at_token(desk, proof)).code == "invalid_dpop_proof"


async def test_a_client_bound_by_dpop_gets_nothing_without_a_proof(desk: ClientDesk) -> None:
    """RFC 9449 section 5.2: dpop_bound_access_tokens."""
    assert (await refused_at_token(desk, dpop_bound=True)).code == "invalid_request"


async def test_a_client_bound_by_certificate_gets_nothing_without_one(desk: ClientDesk) -> None:
    """RFC 8705 section 3.4: tls_client_certificate_bound_access_tokens."""
    assert (await refused_at_token(desk, certificate_bound=True)).code == "invalid_request"


async def test_a_fapi2_client_gets_no_bearer_token(desk: ClientDesk) -> None:
    """FAPI 2.0 Security Profile 5.3.2.1 (fapi2-...-ensure-holder-of-key-required)."""
    error = await refused_at_token(desk, profile="fapi2", auth_method="private_key_jwt")
    assert error.code == "invalid_request"


async def test_a_stale_nonce_is_answered_with_a_new_one(desk: ClientDesk, clock: FrozenClock) -> None:
    """RFC 9449 section 8: the answer brings the nonce to use."""
    old = desk.sender.nonce()
    clock.advance(600)
    error = await refused_at_token(desk, Holder("c1", desk.clock).proof(nonce=old))
    assert (error.code, error.headers) == ("use_dpop_nonce", {"DPoP-Nonce": desk.sender.nonce()})
    assert desk.sender.nonce() != old


async def refused_at_resource(desk: ClientDesk, authorization: str, *proofs: str, **changes: Any) -> CredentialError:
    """Return how a resource refuses a token."""
    with pytest.raises(CredentialError) as caught:
        await desk.present(authorization, *proofs, **changes)
    return caught.value


@pytest.fixture
async def holder(desk: ClientDesk) -> Holder:
    """A baseline client with a key."""
    await desk.register()
    return Holder("c1", desk.clock)


async def test_a_bound_token_is_no_bearer_token(desk: ClientDesk, holder: Holder) -> None:
    """RFC 9449 section 7.2: also when a proof comes beside it."""
    token = await desk.token(jkt=holder.dpop.jkt)
    proof = holder.proof("GET", RESOURCE_URL, access_token=token)
    for proofs in ((), (proof,)):
        error = await refused_at_resource(desk, f"Bearer {token}", *proofs)
        assert error.headers["WWW-Authenticate"] == (
            'Bearer realm="gridwarden", error="invalid_token", DPoP algs="ES256 PS256 EdDSA Ed25519"')


async def test_a_bearer_token_is_no_bound_token(desk: ClientDesk, holder: Holder) -> None:
    """RFC 9449 section 7.1: a token that is not bound must not be taken under the scheme DPoP."""
    token = await desk.token()
    error = await refused_at_resource(desk, f"DPoP {token}", holder.proof("GET", RESOURCE_URL, access_token=token))
    assert error.headers["WWW-Authenticate"].endswith('DPoP algs="ES256 PS256 EdDSA Ed25519", error="invalid_token"')


async def test_a_bound_token_without_a_proof_is_refused(desk: ClientDesk, holder: Holder) -> None:
    """RFC 9449 section 7.1."""
    token = await desk.token(jkt=holder.dpop.jkt)
    error = await refused_at_resource(desk, f"DPoP {token}")
    assert 'error="invalid_dpop_proof"' in error.headers["WWW-Authenticate"]


async def test_a_bound_token_with_a_thief_s_proof_is_refused(desk: ClientDesk, holder: Holder) -> None:
    """RFC 9449 section 4.3, item 12: the key must be the token's."""
    token, thief = await desk.token(jkt=holder.dpop.jkt), Holder("c1", desk.clock)
    error = await refused_at_resource(desk, f"DPoP {token}", thief.proof("GET", RESOURCE_URL, access_token=token))
    assert 'error="invalid_token"' in error.headers["WWW-Authenticate"]


@pytest.mark.parametrize("claims", [
    {"ath": None}, {"ath": "x"}, {"ath": b64(bytes(32))}, {"ath": 7}, {"htm": "POST"}, {"htu": TOKEN_URL}, {"iat": 1}])
async def test_a_proof_for_something_else_is_refused_at_the_resource(
        desk: ClientDesk, holder: Holder, claims: dict[str, Any]) -> None:
    """RFC 9449 section 4.3, items 8 to 12."""
    token = await desk.token(jkt=holder.dpop.jkt)
    proof = holder.proof("GET", RESOURCE_URL, access_token=token, **claims)
    error = await refused_at_resource(desk, f"DPoP {token}", proof)
    assert 'error="invalid_dpop_proof"' in error.headers["WWW-Authenticate"]


async def test_a_proof_for_another_token_of_the_same_key_is_refused(desk: ClientDesk, holder: Holder) -> None:
    """RFC 9449 section 4.3, item 12: ath."""
    first, second = await desk.token(jkt=holder.dpop.jkt), await desk.token(jkt=holder.dpop.jkt)
    await refused_at_resource(desk, f"DPoP {first}", holder.proof("GET", RESOURCE_URL, access_token=second))


async def test_a_proof_is_taken_once_at_the_resource_however_well_the_token_is_known(
        desk: ClientDesk, holder: Holder) -> None:
    """RFC 9449 section 11.1: what is remembered of a token never stands for the proof."""
    token = await desk.token(jkt=holder.dpop.jkt)
    for _ in range(3):
        proof = holder.proof("GET", RESOURCE_URL, access_token=token)
        await desk.present(f"DPoP {token}", proof)
        await refused_at_resource(desk, f"DPoP {token}", proof)
    await refused_at_resource(desk, f"DPoP {token}")
    await refused_at_resource(desk, f"Bearer {token}")


async def test_two_proofs_are_refused_at_the_resource(desk: ClientDesk, holder: Holder) -> None:
    """RFC 9449 section 4.3, item 1."""
    token = await desk.token(jkt=holder.dpop.jkt)
    proofs = [holder.proof("GET", RESOURCE_URL, access_token=token) for _ in range(2)]
    await refused_at_resource(desk, f"DPoP {token}", *proofs)


async def test_a_certificate_bound_token_opens_for_nobody_else(desk: ClientDesk) -> None:
    """RFC 8705 section 3: 401 invalid_token, however well the token is known."""
    client = await desk.register(certificate_bound=True)
    bound = await desk.sender.binding(at_token(certificate=b"0mine"), client)
    token = await desk.token(certificate=bound.certificate)
    await desk.present(f"Bearer {token}", certificate=b"0mine")
    for certificate in (None, b"", b"0other"):
        error = await refused_at_resource(desk, f"Bearer {token}", certificate=certificate)
        assert 'error="invalid_token"' in error.headers["WWW-Authenticate"]


async def test_a_token_bound_twice_needs_both(desk: ClientDesk, holder: Holder) -> None:
    """RFC 7800 section 3.1: every confirmation counts."""
    client = await desk.register(certificate_bound=True)
    bound = await desk.sender.binding(at_token(certificate=b"0mine"), client)
    token = await desk.token(certificate=bound.certificate, jkt=holder.dpop.jkt)
    proof = holder.proof("GET", RESOURCE_URL, access_token=token)
    await refused_at_resource(desk, f"DPoP {token}", proof)
    await refused_at_resource(desk, f"DPoP {token}", certificate=b"0mine")
    assert (await desk.present(f"DPoP {token}", proof, certificate=b"0mine")).client_id == "c1"


@pytest.mark.parametrize("authorization", [
    "DPoP", "DPoP ", "Bearer", "Bearer ", "Bearer  x", "Token x", "DPoPx", "Bearer x, Bearer y", "Bearer x DPoP y", ""])
async def test_an_authorization_that_is_no_token_is_refused(desk: ClientDesk, authorization: str) -> None:
    """RFC 9110 section 11.4, RFC 6750 section 2.1."""
    if authorization:
        await refused_at_resource(desk, authorization)
    else:
        assert (await desk.present(authorization)).client_id is None


async def test_a_refusal_names_no_secret(desk: ClientDesk, holder: Holder) -> None:
    """RFC 6750 section 5.3: neither token nor proof is repeated to anybody."""
    token = await desk.token(jkt=holder.dpop.jkt)
    proof = holder.proof("GET", RESOURCE_URL)
    error = await refused_at_resource(desk, f"DPoP {token}", proof)
    told = json.dumps([error.detail, *error.headers.values()])
    assert token not in told
    assert proof not in told


async def test_without_the_database_no_proof_passes(
        desk: ClientDesk, holder: Holder, app_pool: asyncpg.Pool) -> None:
    """RFC 9449 section 11.1: what cannot be seen to be the first use is none, however well the token is known."""
    token = await desk.token(jkt=holder.dpop.jkt)
    await desk.present(f"DPoP {token}", holder.proof("GET", RESOURCE_URL, access_token=token))
    await app_pool.close()
    with pytest.raises(UnavailableError):
        await desk.present(f"DPoP {token}", holder.proof("GET", RESOURCE_URL, access_token=token))
