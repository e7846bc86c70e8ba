"""The door for signed tokens: what a forger might try, each refused before or by the signature; never an error."""

import hmac
import json
from base64 import urlsafe_b64encode
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import ECKey

from identity.domain.jose.algorithms import ALGORITHMS
from identity.domain.jose.compact import MAX_TOKEN_BYTES
from identity.domain.jose.front import ACCESS_TYPE, check_times, sign, verified_claims
from identity.domain.jose.key_ring import KeyRing, KeyRings
from identity.domain.oauth.errors import InvalidTokenError

RINGS = KeyRings.generate(0)
RING = RINGS.rings["ES256"]
NOW_US = 1_800_000_000_000_000
GOOD = {"iss": "https://id.test", "exp": 1_800_000_060, "iat": 1_799_999_990, "sub": "s"}


def b64(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def forge(header: dict[str, Any] | bytes, payload: bytes, key: ECKey | None = None) -> str:
    """Return a token with any header, correctly signed over it with our own key."""
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    signed = f"{b64(raw)}.{b64(payload)}"
    signature = ALGORITHMS["ES256"].sign(signed.encode(), key or RING.current.key)
    return f"{signed}.{b64(signature)}"


def header_with(**changes: object) -> dict[str, Any]:
    return {"alg": "ES256", "typ": "at+jwt", "kid": RING.current.kid} | changes


def read(token: str) -> dict[str, Any]:
    claims = verified_claims(token, RINGS, token_type=ACCESS_TYPE, issuer="https://id.test")
    check_times(claims, NOW_US)
    return claims


PAYLOAD = json.dumps(GOOD).encode()
STRANGER = ECKey.generate_key("P-256")


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_a_token_of_ours_is_read(algorithm: str) -> None:
    assert read(await sign(RINGS.rings[algorithm].current, ACCESS_TYPE, PAYLOAD)) == GOOD


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_a_token_under_the_kid_of_another_algorithms_key_is_refused(algorithm: str) -> None:
    """RFC 8725 section 3.1: the algorithm is the key's, whatever the header says."""
    token = await sign(RINGS.rings[algorithm].current, ACCESS_TYPE, PAYLOAD)
    _, payload, signature = token.split(".")

    for other in ALGORITHMS:
        for kid in (RINGS.rings[other].current.kid, RINGS.rings[algorithm].current.kid):
            if (other, kid) == (algorithm, RINGS.rings[algorithm].current.kid):
                continue
            header = b64(json.dumps({"alg": other, "typ": ACCESS_TYPE, "kid": kid}).encode())
            with pytest.raises(InvalidTokenError):
                read(f"{header}.{payload}.{signature}")


@pytest.mark.parametrize("header", [
    pytest.param(header_with(alg="none"), id="alg none (RFC 8725 3.1)"),
    pytest.param(header_with(alg="HS256"), id="another algorithm (RFC 8725 3.1)"),
    pytest.param(header_with(alg="es256"), id="algorithm in lower case (RFC 7515 4.1.1)"),
    pytest.param(header_with(alg=["ES256"]), id="algorithm as list"),
    pytest.param(header_with(typ="JWT"), id="an ID token as access token (RFC 9068 4, RFC 8725 3.11)"),
    pytest.param(header_with(typ="logout+jwt"), id="a logout token as access token"),
    pytest.param(header_with(typ=None), id="typ null"),
    pytest.param({"alg": "ES256", "kid": RING.current.kid}, id="typ missing"),
    pytest.param({"alg": "ES256", "typ": "at+jwt"}, id="kid missing"),
    pytest.param(header_with(kid="../../etc/passwd"), id="kid traversal (RFC 8725 3.10)"),
    pytest.param(header_with(kid="' OR 1=1 --"), id="kid injection (RFC 8725 3.10)"),
    pytest.param(header_with(kid=[RING.current.kid]), id="kid as list"),
    pytest.param(header_with(jwk=STRANGER.as_dict(private=False)), id="embedded jwk (RFC 8725 3.10)"),
    pytest.param(header_with(jku="https://evil.test/jwks"), id="jku (RFC 8725 3.10)"),
    pytest.param(header_with(x5u="https://evil.test/cert"), id="x5u (RFC 8725 3.10)"),
    pytest.param(header_with(x5c=["MII"]), id="x5c"),
    pytest.param(header_with(crit=["exp"], exp=1), id="unknown crit (RFC 7515 4.1.11)"),
    pytest.param(header_with(b64=False, crit=["b64"]), id="unencoded payload (RFC 7797)"),
    pytest.param(header_with(zip="DEF"), id="compression"),
    pytest.param(b'{"alg":"none","alg":"ES256","typ":"at+jwt","kid":"%s"}' % RING.current.kid.encode(),
                 id="alg twice (RFC 7515 4)"),
    pytest.param(b"[]", id="header is a list"),
    pytest.param(b"\xff\xfe", id="header is not UTF-8"),
])
def test_a_correctly_signed_token_with_a_bad_header_is_refused(header: dict[str, Any] | bytes) -> None:
    with pytest.raises(InvalidTokenError):
        read(forge(header, PAYLOAD))


def test_hs256_with_the_public_key_as_secret_is_refused() -> None:
    """RFC 8725 section 2.1: the algorithm confusion."""
    pem = RING.current.key.public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    signed = f"{b64(json.dumps(header_with(alg='HS256')).encode())}.{b64(PAYLOAD)}"
    token = f"{signed}.{b64(hmac.digest(pem, signed.encode(), 'sha256'))}"

    with pytest.raises(InvalidTokenError):
        read(token)


def test_a_token_signed_by_a_stranger_under_our_kid_is_refused() -> None:
    with pytest.raises(InvalidTokenError, match="signature"):
        read(forge(header_with(), PAYLOAD, STRANGER))


@pytest.mark.parametrize("date", ["1800000060", True, 1.8e9, 1_800_000_060.5, None, [], -1, 0, 1 << 60])
@pytest.mark.parametrize("name", ["exp", "iat", "nbf"])
def test_a_numeric_date_that_is_not_a_whole_number_is_refused(name: str, date: object) -> None:
    """RFC 7519 section 2: NumericDate; a bool is not a number, a string is not a date."""
    with pytest.raises(InvalidTokenError):
        read(forge(header_with(), json.dumps(GOOD | {name: date}).encode()))


@pytest.mark.parametrize("payload", [
    b'{"iss":"https://id.test","exp":Infinity,"iat":1}', b'{"iss":"https://id.test","exp":NaN,"iat":1}',
    b'{"iss":"https://id.test","exp":1,"exp":1800000060,"iat":1}', b"[" * 5_000, b"null", b"{",
    json.dumps(GOOD | {"iss": "https://evil.test"}).encode(), json.dumps(GOOD | {"iss": ["https://id.test"]}).encode(),
    json.dumps({"iss": "https://id.test"}).encode(),
])
def test_a_correctly_signed_token_with_a_bad_payload_is_refused(payload: bytes) -> None:
    """RFC 8725 section 3.8, RFC 8259 section 4."""
    with pytest.raises(InvalidTokenError):
        read(forge(header_with(), payload))


def test_expired_future_and_not_yet_valid_tokens_are_refused() -> None:
    """RFC 7519 sections 4.1.4 to 4.1.6."""
    for changes in ({"exp": 1_800_000_000}, {"iat": 1_800_000_006}, {"nbf": 1_800_000_006}):
        with pytest.raises(InvalidTokenError):
            read(forge(header_with(), json.dumps(GOOD | changes).encode()))


def test_a_megabyte_is_refused_unread() -> None:
    with pytest.raises(InvalidTokenError, match=str(MAX_TOKEN_BYTES)):
        read("a" * 1_000_000)


async def test_a_signature_spelled_otherwise_is_refused() -> None:
    """RFC 7515 section 2: base64url without padding, and only its canonical spelling."""
    token = await sign(RING.current, ACCESS_TYPE, PAYLOAD)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    other = token[:-1] + alphabet[alphabet.index(token[-1]) ^ 1]

    for spelled in (other, token + "=", token + "\n", " " + token, token.replace("-", "+", 1) + "A"):
        with pytest.raises(InvalidTokenError):
            read(spelled)


async def test_next_and_previous_keys_verify_and_a_forgotten_one_does_not() -> None:
    ring = KeyRing.generate(0)
    token = await sign(ring.current, ACCESS_TYPE, PAYLOAD)
    once = ring.rotated(10**12)
    twice = once.rotated(2 * 10**12)

    assert verified_claims(token, KeyRings({"ES256": once}), token_type=ACCESS_TYPE, issuer="https://id.test") == GOOD
    with pytest.raises(InvalidTokenError):
        verified_claims(token, KeyRings({"ES256": twice}), token_type=ACCESS_TYPE, issuer="https://id.test")


@given(st.text(max_size=200) | st.lists(st.text("abcDEF012-_=", max_size=60), max_size=6).map(".".join))
def test_no_text_is_an_error_of_ours(token: str) -> None:
    with pytest.raises(InvalidTokenError):
        read(token)


@given(st.dictionaries(st.sampled_from(["alg", "typ", "kid", "jwk", "crit"]), st.none() | st.text() | st.integers()),
       st.binary(max_size=100))
def test_no_signed_nonsense_is_an_error_of_ours(header: dict[str, Any], payload: bytes) -> None:
    with pytest.raises(InvalidTokenError):
        read(forge(header, payload))
