"""The door for tokens that clients made: each trick, correctly signed where it can be, is refused by name."""

import hmac
import json
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from identity.domain.jose import foreign
from identity.domain.jose.compact import MAX_FOREIGN_BYTES
from identity.domain.jose.foreign import CLIENT_ALGORITHMS, FAPI_ALGORITHMS
from identity.domain.jose.jwk import UnfitKeyError
from identity.domain.oauth.errors import InvalidTokenError
from tests.identity.jose.forge import KEYS, b64, forged, jwk, key_set, token

ALL = key_set(*(jwk(name) for name in KEYS))
JWT_TYPES = frozenset({None, "JWT"})
STRANGER = ECKey.generate_key("P-256")


def read(text: str, jwks: dict[str, Any] | None = None, *, algorithms: frozenset[str] = CLIENT_ALGORITHMS,
         types: frozenset[str | None] = JWT_TYPES) -> dict[str, Any]:
    return foreign.verified(text, ALL if jwks is None else jwks, algorithms=algorithms, types=types).claims


def prove(text: str) -> foreign.OwnKeyVerified:
    return foreign.verified_by_own_key(text, algorithms=FAPI_ALGORITHMS, types=frozenset({"dpop+jwt"}))


@pytest.mark.parametrize("algorithm", KEYS)
def test_a_clients_token_is_read(algorithm: str) -> None:
    assert read(token(algorithm)) == {"sub": "c"}
    assert foreign.peeked(token(algorithm)).claims == {"sub": "c"}


@pytest.mark.parametrize("algorithm", KEYS)
def test_a_token_of_an_independent_library_is_read(algorithm: str) -> None:
    """PyJWT signs, we verify."""
    private: Any = KEYS[algorithm].private_key
    text = jwt.encode({"sub": "c"}, private, algorithm, headers={"kid": KEYS[algorithm].thumbprint()})
    assert read(text) == {"sub": "c"}


def test_ed25519_has_two_names() -> None:
    """RFC 9864 section 2.2: `Ed25519` is the fully specified name of what RFC 8037 calls `EdDSA`."""
    for name in ("EdDSA", "Ed25519"):
        assert read(token("EdDSA", alg=name), key_set(jwk("EdDSA", alg=name))) == {"sub": "c"}


def test_rs256_is_not_among_the_algorithms_of_fapi() -> None:
    """FAPI 2.0 Security Profile section 5.4.1."""
    with pytest.raises(InvalidTokenError, match="algorithm"):
        read(token("RS256"), algorithms=FAPI_ALGORITHMS)


@pytest.mark.parametrize(("header", "why"), [
    pytest.param({"alg": "none"}, "algorithm", id="alg none (RFC 8725 3.1)"),
    pytest.param({"alg": "HS256"}, "algorithm", id="symmetric (RFC 8725 2.1)"),
    pytest.param({"alg": "ES384"}, "algorithm", id="not allowed (RFC 8725 3.1)"),
    pytest.param({"alg": "es256"}, "algorithm", id="lower case (RFC 7515 4.1.1)"),
    pytest.param({"alg": None}, "algorithm", id="alg missing (RFC 7515 4.1.1)"),
    pytest.param({"alg": ["ES256"]}, "algorithm", id="alg as list"),
    pytest.param({"alg": "RS256"}, "another kind", id="alg of another key type (RFC 8725 3.1)"),
    pytest.param({"alg": "EdDSA"}, "another kind", id="alg of another curve (RFC 8725 3.1)"),
    pytest.param({"typ": "at+jwt"}, "typ", id="another use (RFC 8725 3.11)"),
    pytest.param({"typ": 1}, "typ", id="typ as number"),
    pytest.param({"kid": "../../../../dev/null"}, "no such key", id="kid traversal (RFC 8725 3.10)"),
    pytest.param({"kid": "x' OR '1'='1"}, "no such key", id="kid injection (RFC 8725 3.10)"),
    pytest.param({"kid": 7}, "no such key", id="kid as number (RFC 7515 4.1.4)"),
    pytest.param({"kid": []}, "no such key", id="kid as list (RFC 7515 4.1.4)"),
    pytest.param({"jwk": STRANGER.as_dict(private=False)}, "jwk", id="embedded jwk (RFC 8725 3.10)"),
    pytest.param({"jku": "https://evil.test/jwks"}, "jku", id="jku (RFC 8725 3.10)"),
    pytest.param({"x5u": "https://evil.test/cert"}, "x5u", id="x5u (RFC 8725 3.10)"),
    pytest.param({"x5c": ["MII"]}, "x5c", id="x5c"),
    pytest.param({"crit": ["exp"]}, "crit", id="unknown crit (RFC 7515 4.1.11)"),
    pytest.param({"crit": []}, "crit", id="empty crit (RFC 7515 4.1.11)"),
    pytest.param({"b64": False, "crit": ["b64"]}, "b64", id="unencoded payload (RFC 7797 6)"),
    pytest.param({"b64": False}, "b64", id="unencoded payload without crit (RFC 7797 6)"),
    pytest.param({"zip": "DEF"}, "zip", id="compression (RFC 8725 3.6)"),
])
def test_a_bad_header_is_refused(header: dict[str, Any], why: str) -> None:
    with pytest.raises(InvalidTokenError, match=why):
        read(token(**header))


@pytest.mark.parametrize("raw", [
    pytest.param(b'{"alg":"none","alg":"ES256","typ":"JWT"}', id="a name twice (RFC 7515 4)"),
    pytest.param(b"[]", id="no object"), pytest.param(b"\xff", id="no UTF-8"), pytest.param(b"", id="empty"),
    pytest.param(b'{"alg":"ES256","x":' + b"[" * 5_000 + b"]" * 5_000 + b"}", id="a nesting bomb (RFC 8259 9)"),
])
def test_a_header_that_is_no_strict_json_is_refused(raw: bytes) -> None:
    with pytest.raises(InvalidTokenError):
        read(forged(raw, b"{}", key=KEYS["ES256"], algorithm="ES256"), key_set(jwk("ES256")))


@pytest.mark.parametrize("payload", [
    b"null", b"[]", b'"a"', b"", b'{"a":1,"a":2}', b'{"exp":NaN}', b'{"exp":Infinity}', b'{"exp":1e999}', b"{\xff}",
    b"\xef\xbb\xbf{}", b'{"a":"\\ud800"}', b'{"a":' + b"[" * 65 + b"]" * 65 + b"}",
])
def test_a_payload_that_is_no_strict_json_object_is_refused(payload: bytes) -> None:
    """RFC 7519 section 7.2, RFC 8725 section 3.7."""
    with pytest.raises(InvalidTokenError):
        read(token(payload=payload))
    with pytest.raises(InvalidTokenError):
        foreign.peeked(token(payload=payload))


@pytest.mark.parametrize("date", ["1800000060", True, False, None, [], {}, -1, 0, 1 << 60, 1e300])
@pytest.mark.parametrize("name", ["exp", "iat", "nbf", "auth_time"])
def test_a_numeric_date_that_is_no_number_is_refused(name: str, date: object) -> None:
    """RFC 7519 section 2: NumericDate."""
    with pytest.raises(InvalidTokenError, match=name):
        read(token(payload={name: date}))


def test_a_numeric_date_may_have_a_fraction() -> None:
    """RFC 7519 section 2: non-integer values can be represented; PyJWT and JavaScript clients send them."""
    assert foreign.numeric_date(read(token(payload={"iat": 1_800_000_000.9})), "iat") == 1_800_000_000
    assert foreign.numeric_date({}, "iat") is None


def test_the_type_may_be_spelled_as_a_media_type() -> None:
    """RFC 7515 section 4.1.9: case-insensitive, `application/` may be left out."""
    for spelled in ("jwt", "JWT", "application/jwt", "Application/JWT"):
        assert read(token(typ=spelled)) == {"sub": "c"}
    assert read(token(typ=None)) == {"sub": "c"}
    with pytest.raises(InvalidTokenError):
        read(token(typ=None), types=frozenset({"JWT"}))


def test_hs256_with_the_public_key_is_refused() -> None:
    """RFC 8725 section 2.1: the algorithm confusion, also when a set holds a symmetric key."""
    secret = json.dumps(jwk("RS256")).encode()
    header, body = b64(b'{"alg":"HS256"}'), b64(b"{}")
    signed = f"{header}.{body}"
    text = f"{signed}.{b64(hmac.digest(secret, signed.encode(), 'sha256'))}"
    shared: dict[str, Any] = dict(OctKey.import_key(secret).as_dict())

    for jwks in (ALL, key_set(shared)):
        with pytest.raises(InvalidTokenError):
            read(text, jwks)


@pytest.mark.parametrize(("changes", "why"), [
    pytest.param({"use": "enc"}, "use", id="for encryption (RFC 7517 4.2)"),
    pytest.param({"use": ["sig"]}, "use", id="use as list"),
    pytest.param({"key_ops": ["sign"]}, "key_ops", id="not for verifying (RFC 7517 4.3)"),
    pytest.param({"key_ops": "verify"}, "key_ops", id="key_ops as text"),
    pytest.param({"alg": "ES384"}, "alg", id="for another algorithm (RFC 7517 4.4)"),
    pytest.param({"alg": 1}, "alg", id="alg as number"),
    pytest.param({"kty": "RSA"}, "kind", id="wrong kty"),
    pytest.param({"kty": None}, "kind", id="no kty (RFC 7517 4.1)"),
    pytest.param({"crv": "P-384"}, "kind", id="wrong curve (RFC 7518 6.2.1)"),
    pytest.param({"crv": "secp256k1"}, "kind", id="foreign curve"),
    pytest.param({"d": b64(bytes(32))}, "private", id="with a private half (RFC 7517 9.2)"),
    pytest.param({"x": b64(bytes(32))}, "damaged", id="not on the curve (RFC 7518 6.2.1)"),
    pytest.param({"x": "=="}, "base64url", id="no base64url"),
    pytest.param({"y": None}, "damaged", id="half a point"),
    pytest.param({"x": 7}, "damaged", id="a number for a coordinate"),
])
def test_an_unfit_key_does_not_verify(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(InvalidTokenError, match=why):
        read(token(), key_set(jwk("ES256", **changes)))


def rsa_jwk(modulus: int, exponent: int = 65_537) -> dict[str, Any]:
    def number(value: int) -> str:
        return b64(value.to_bytes((value.bit_length() + 7) // 8))
    return jwk("RS256", n=number(modulus), e=number(exponent))


@pytest.mark.parametrize("key", [
    pytest.param(rsa_jwk((1 << 1_023) + 1), id="1,024 bits (RFC 7518 3.3)"),
    pytest.param(rsa_jwk((1 << 2_046) + 1), id="2,047 bits (RFC 7518 3.3)"),
    pytest.param(rsa_jwk((1 << 16_383) + 1), id="16,384 bits: it tires us"),
    pytest.param(rsa_jwk((1 << 2_047) + 1, 1), id="exponent 1"),
    pytest.param(rsa_jwk((1 << 2_047) + 1, 3), id="exponent 3 (SP 800-56B 6.2)"),
    pytest.param(rsa_jwk((1 << 2_047) + 1, 65_538), id="even exponent"),
])
def test_a_weak_or_huge_rsa_key_does_not_verify(key: dict[str, Any]) -> None:
    with pytest.raises(UnfitKeyError, match="weak"):
        read(token("RS256"), key_set(key))


def test_a_kid_that_stands_twice_names_no_key() -> None:
    """PyJWT takes the first: an attacker's key under the victim's kid must not do."""
    evil = {**STRANGER.as_dict(private=False), "kid": KEYS["ES256"].thumbprint()}
    for jwks in (key_set(jwk("ES256"), evil), key_set(evil, jwk("ES256")), key_set(jwk("ES256"), jwk("ES256"))):
        with pytest.raises(InvalidTokenError, match="two keys"):
            read(token(), jwks)


def test_without_a_kid_the_one_key_that_suits_is_meant() -> None:
    """RFC 7515 section 4.1.4: kid is optional; two candidates are one too many."""
    assert read(token(kid=None)) == {"sub": "c"}
    with pytest.raises(InvalidTokenError, match="several"):
        read(token(kid=None), key_set(jwk("ES256"), {**STRANGER.as_dict(private=False), "kid": "other"}))


def test_another_clients_key_does_not_verify() -> None:
    with pytest.raises(InvalidTokenError, match="signature"):
        read(token(kid=None), key_set(dict(STRANGER.as_dict(private=False))))


@pytest.mark.parametrize("jwks", [{}, {"keys": None}, {"keys": {}}, {"keys": []}, {"keys": [1, "a", None]},
                                  {"keys": [jwk("ES256")] * 101}])
def test_a_set_that_is_none_verifies_nothing(jwks: dict[str, Any]) -> None:
    with pytest.raises(InvalidTokenError):
        read(token(), jwks)


def test_a_megabyte_is_refused_unread() -> None:
    for text in ("a" * 1_000_000, token(payload={"a": "b" * MAX_FOREIGN_BYTES})):
        with pytest.raises(InvalidTokenError, match=str(MAX_FOREIGN_BYTES)):
            read(text)
        with pytest.raises(InvalidTokenError, match=str(MAX_FOREIGN_BYTES)):
            foreign.peeked(text)


def test_other_spellings_of_base64url_are_refused() -> None:
    """RFC 7515 section 2: without padding, white space, or bits that are thrown away."""
    text = token()
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    other = text[:-1] + alphabet[alphabet.index(text[-1]) ^ 1]
    for spelled in (other, text + "=", text + "\n", " " + text, text + ".", "." + text, text.replace(".", "..", 1)):
        with pytest.raises(InvalidTokenError):
            read(spelled)


# --- proofs that carry their key -------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", sorted(FAPI_ALGORITHMS))
def test_a_proof_is_verified_by_the_key_it_carries(algorithm: str) -> None:
    """RFC 9449 section 4.3."""
    key = KEYS[algorithm]
    found = prove(token(algorithm, typ="dpop+jwt", kid=None, jwk=key.as_dict(private=False)))
    assert found.jkt == key.thumbprint() == foreign.thumbprint(key.as_dict(private=False))


@pytest.mark.parametrize("carried", [
    pytest.param(KEYS["ES256"].as_dict(private=True), id="private half (RFC 9449 4.3 step 7)"),
    pytest.param(OctKey.generate_key(256).as_dict(), id="symmetric (RFC 9449 4.2)"),
    pytest.param(STRANGER.as_dict(private=False), id="another key (RFC 9449 4.3 step 6)"),
    pytest.param(OKPKey.generate_key("Ed25519").as_dict(private=False), id="of another kind"),
    pytest.param(None, id="missing (RFC 9449 4.2)"), pytest.param("key", id="no object"), pytest.param([], id="a list"),
])
def test_a_proof_with_another_key_is_refused(carried: object) -> None:
    with pytest.raises(InvalidTokenError):
        prove(token(typ="dpop+jwt", kid=None, jwk=carried))


@pytest.mark.parametrize("header", [{"typ": "JWT"}, {"typ": None}, {"alg": "none"}, {"alg": "HS256"},
                                    {"crit": ["x"]}, {"jku": "https://evil.test"}, {"x5c": ["MII"]}])
def test_a_proof_with_a_bad_header_is_refused(header: dict[str, Any]) -> None:
    """RFC 9449 section 4.3 steps 4 and 5."""
    with pytest.raises(InvalidTokenError):
        prove(token(**({"typ": "dpop+jwt", "jwk": jwk("ES256")} | header)))


def test_a_proof_by_a_weak_key_is_refused() -> None:
    """RFC 8725 section 3.5."""
    with pytest.warns(match="2048"):
        weak = RSAKey.generate_key(1_024)
    text = forged({"alg": "PS256", "typ": "dpop+jwt", "jwk": weak.as_dict(private=False)}, b"{}", key=weak,
                  algorithm="PS256")
    with pytest.raises(UnfitKeyError, match="weak"):
        prove(text)


# --- laws ------------------------------------------------------------------------------------------------------------

JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
                    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4))
MEMBERS = st.sampled_from(["kty", "crv", "x", "y", "n", "e", "d", "k", "use", "key_ops", "alg", "kid"])


@given(st.text(max_size=300) | st.lists(st.text("abcDEF012-_=", max_size=60), max_size=6).map(".".join))
def test_no_text_is_an_error_of_ours(text: str) -> None:
    for ask in (read, foreign.peeked, prove):
        with pytest.raises(InvalidTokenError):
            ask(text)


@given(st.dictionaries(st.sampled_from(["alg", "typ", "kid", "jwk", "crit", "b64"]), JSON), st.binary(max_size=99))
def test_no_signed_nonsense_is_an_error_of_ours(header: dict[str, Any], payload: bytes) -> None:
    text = forged(header, payload, key=KEYS["ES256"], algorithm="ES256")
    for ask in (read, prove):
        with pytest.raises(InvalidTokenError):
            ask(text)


@given(st.dictionaries(MEMBERS, JSON) | st.tuples(MEMBERS, JSON).map(lambda member: jwk("ES256") | dict([member])))
def test_no_key_of_a_client_is_an_error_of_ours(key: dict[str, Any]) -> None:
    try:
        assert read(token(kid=None), key_set(key)) == {"sub": "c"}
        assert {name: key[name] for name in ("kty", "crv", "x", "y")} == {
            name: jwk("ES256")[name] for name in ("kty", "crv", "x", "y")}
    except InvalidTokenError:
        pass


@given(st.data())
def test_a_changed_byte_never_verifies(data: st.DataObject) -> None:
    text = token()
    at = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.sampled_from("ABCDwxyz0189-_.").filter(lambda char: char != text[at]))
    with pytest.raises(InvalidTokenError):
        read(text[:at] + other + text[at + 1:])
