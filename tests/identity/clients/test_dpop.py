"""DPoP proofs that hold: the standard's own, those of every algorithm, and the nonces that go with them."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identity.domain.oauth.dpop import Asked, token_hash, verified_proof
from identity.domain.oauth.errors import InvalidProofError, NonceDueError, OAuthError
from identity.domain.oauth.nonces import WINDOW_US, Nonces
from shared_kernel.credentials import Credentials
from tests.frozen_clock import FrozenClock
from tests.identity.client_desk import RESOURCE_URL, ClientDesk
from tests.identity.client_kit import TOKEN_URL, ClientKey, Holder, b64

NONCES = Nonces(b"k" * 32)


def at_token(*proofs: str, **changes: Any) -> Credentials:
    """Return what a request to the token endpoint presents."""
    return Credentials(None, "POST", changes.get("url", TOKEN_URL), proofs, changes.get("certificate"))


def test_the_proofs_of_the_standard_hold(shared_vectors: Path) -> None:
    """RFC 9449 sections 4.1 and 7.1."""
    cases = json.loads((shared_vectors / "jose" / "rfc" / "rfc9449_dpop.json").read_text())

    for case in cases:
        claims = case["claims"]
        asked = Asked(claims["htm"], claims["htu"], claims["iat"] * 1_000_000, access_token=case.get("access_token"))
        assert verified_proof(case["proof"], asked, NONCES).jkt == case["jkt"]
        if "access_token" in case:
            assert token_hash(case["access_token"]) == case["ath"]

    assert len(cases) == 2


@pytest.mark.parametrize("algorithm", ["ES256", "PS256", "EdDSA"])
async def test_the_token_endpoint_binds_to_the_key_of_a_proof(desk: ClientDesk, algorithm: str) -> None:
    """RFC 9449 section 5."""
    client = await desk.register()
    holder = Holder("c1", desk.clock, dpop=ClientKey.new(algorithm))

    binding = await desk.sender.binding(at_token(holder.proof()), client)

    assert (binding.jkt, binding.certificate, binding.token_type) == (holder.dpop.jkt, None, "DPoP")


async def test_the_newer_name_of_eddsa_is_taken(desk: ClientDesk) -> None:
    """RFC 9864 section 2.2: Ed25519, announced in dpop_signing_alg_values_supported."""
    client, holder = await desk.register(), Holder("c1", desk.clock, dpop=ClientKey.new("EdDSA"))

    binding = await desk.sender.binding(at_token(holder.proof(header={"alg": "Ed25519"})), client)

    assert binding.jkt == holder.dpop.jkt


async def test_a_key_may_come_with_names_and_uses(desk: ClientDesk) -> None:
    """RFC 9449 section 4.2: jwk represents the public key; other public members do no harm."""
    client, holder = await desk.register(), Holder("c1", desk.clock)

    binding = await desk.sender.binding(at_token(holder.proof(header={"jwk": holder.dpop.jwk})), client)

    assert binding.jkt == holder.dpop.jkt


@pytest.mark.parametrize("extra", [{"iat": -10}, {"iat": 10}, {"nbf": 0, "exp": 300}, {"tx_id_key": 7}])
async def test_honest_variations_of_a_proof_hold(desk: ClientDesk, extra: dict[str, int]) -> None:
    """The suite's ensure-dpop-proof-with-iat-10-seconds-before/after, check-dpop-proof-nbf-exp and extra claims."""
    client, holder = await desk.register(), Holder("c1", desk.clock)
    claims: dict[str, Any] = {name: holder.now_s + value for name, value in extra.items()}
    proof = holder.proof(header={"tx_id": 1}, **claims)

    assert (await desk.sender.binding(at_token(proof), client)).jkt == holder.dpop.jkt


async def test_a_baseline_client_without_a_proof_gets_a_bearer_token(desk: ClientDesk) -> None:
    client = await desk.register()

    binding = await desk.sender.binding(at_token(certificate=b"0 some certificate"), client)

    assert (binding.jkt, binding.certificate, binding.token_type) == (None, None, "Bearer")


async def test_a_fapi2_client_may_bind_by_its_certificate(desk: ClientDesk) -> None:
    """FAPI 2.0 Security Profile 5.3.2.1: DPoP or mutual TLS."""
    holder = await desk.holder()
    client = await desk.register("c1", profile="fapi2", auth_method="private_key_jwt", jwks=holder.jwks)

    binding = await desk.sender.binding(at_token(certificate=b"0der"), client)

    assert (binding.jkt, binding.token_type) == (None, "Bearer")
    assert binding.certificate is not None


async def test_a_client_of_both_kinds_binds_to_both(desk: ClientDesk) -> None:
    """RFC 8705 section 3, RFC 9449 section 5."""
    client, holder = await desk.register(certificate_bound=True, dpop_bound=True), Holder("c1", desk.clock)

    binding = await desk.sender.binding(at_token(holder.proof(), certificate=b"0der"), client)

    assert binding.jkt is not None
    assert binding.certificate is not None


async def test_a_pushed_request_needs_no_proof_and_takes_one(desk: ClientDesk) -> None:
    """RFC 9449 section 10.1."""
    client, holder = await desk.register(dpop_bound=True), Holder("c1", desk.clock)

    assert (await desk.sender.offered(at_token(), client)).jkt is None
    assert (await desk.sender.offered(at_token(holder.proof()), client)).jkt == holder.dpop.jkt


async def test_a_fapi2_client_is_told_the_nonce_and_then_let_in(desk: ClientDesk) -> None:
    """RFC 9449 section 8."""
    holder = await desk.holder()
    client = await desk.authenticate(holder.asserted())
    with pytest.raises(NonceDueError) as due:
        await desk.sender.binding(at_token(holder.proof(jti="same")), client)

    nonce = due.value.headers["DPoP-Nonce"]
    binding = await desk.sender.binding(at_token(holder.proof(jti="same", nonce=nonce)), client)

    assert binding.jkt == holder.dpop.jkt
    assert due.value.code == "use_dpop_nonce"
    assert desk.sender.nonce() == nonce


async def test_a_proof_with_our_nonce_was_made_when_the_nonce_was_good(desk: ClientDesk) -> None:
    """RFC 9449 section 4.3, item 11: a clock an hour off does not matter then (section 11.1)."""
    client, holder = await desk.register(), Holder("c1", desk.clock)
    nonce = desk.sender.nonce()

    for offset_s in (-3_600, 3_600):
        proof = holder.proof(nonce=nonce, iat=holder.now_s + offset_s)
        assert (await desk.sender.binding(at_token(proof), client)).jkt == holder.dpop.jkt


async def test_a_nonce_is_good_for_two_minutes_at_least_and_never_for_ten(desk: ClientDesk, clock: FrozenClock) -> None:
    client, holder = await desk.register(), Holder("c1", desk.clock)
    nonce = desk.sender.nonce()

    clock.advance(119)
    assert (await desk.sender.binding(at_token(holder.proof(nonce=nonce)), client)).jkt == holder.dpop.jkt
    clock.advance(481)
    with pytest.raises(NonceDueError):
        await desk.sender.binding(at_token(holder.proof(nonce=nonce)), client)


async def test_a_bound_token_opens_for_its_holder(desk: ClientDesk) -> None:
    """RFC 9449 section 7.1, with schemes in any case (RFC 9110 section 11.1)."""
    await desk.register()
    holder = Holder("c1", desk.clock)
    token = await desk.token(jkt=holder.dpop.jkt)

    for scheme in ("DPoP", "dpop", "DPOP"):
        principal = await desk.present(f"{scheme} {token}", holder.proof("GET", RESOURCE_URL, access_token=token))
        assert principal.client_id == "c1"


async def test_a_fapi2_token_needs_the_nonce_at_the_resource_too(desk: ClientDesk) -> None:
    """RFC 9449 section 9."""
    holder = await desk.holder()
    token = await desk.token(jkt=holder.dpop.jkt)
    with pytest.raises(Exception, match="nonce") as due:
        await desk.present(f"DPoP {token}", holder.proof("GET", RESOURCE_URL, access_token=token))

    headers = due.value.headers  # type: ignore[attr-defined]
    proof = holder.proof("GET", RESOURCE_URL, access_token=token, nonce=headers["DPoP-Nonce"])

    assert headers["WWW-Authenticate"].endswith('error="use_dpop_nonce"')
    assert (await desk.present(f"DPoP {token}", proof)).client_id == "c1"


async def test_a_certificate_bound_token_opens_for_its_certificate(desk: ClientDesk) -> None:
    """RFC 8705 section 3."""
    await desk.register()
    client = await desk.register(certificate_bound=True)
    bound = await desk.sender.binding(at_token(certificate=b"0der"), client)
    token = await desk.token(certificate=bound.certificate)

    assert (await desk.present(f"Bearer {token}", certificate=b"0der")).client_id == "c1"


async def test_an_unbound_token_needs_no_proof(desk: ClientDesk) -> None:
    await desk.register()
    token = await desk.token()

    for scheme in ("Bearer", "bearer"):
        assert (await desk.present(f"{scheme} {token}")).client_id == "c1"


@given(at_us=st.integers(0, 1 << 52), key=st.binary(min_size=32, max_size=32))
def test_a_nonce_is_ours_in_its_window_and_the_next(at_us: int, key: bytes) -> None:
    nonces = Nonces(key)
    nonce = nonces.now(at_us)

    assert nonces.is_fresh(nonce, at_us)
    assert Nonces(key).is_fresh(nonce, at_us + WINDOW_US)
    assert not nonces.is_fresh(nonce, at_us + 2 * WINDOW_US)
    assert not Nonces(key[::-1] + b"x").is_fresh(nonce, at_us)
    assert set(nonce) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


KEY = ClientKey.new()
JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
                    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3))


@given(claims=st.dictionaries(st.sampled_from(["jti", "htm", "htu", "iat", "exp", "nbf", "nonce", "ath"]), JSON))
def test_any_claims_under_a_good_signature_hold_or_are_refused(claims: dict[str, Any]) -> None:
    proof = KEY.sign({"typ": "dpop+jwt", "jwk": KEY.bare}, {"htm": "POST", "htu": TOKEN_URL, "jti": "a", **claims})
    asked = Asked("POST", TOKEN_URL, 1_795_000_000_000_000)

    with pytest.raises(InvalidProofError):
        verified_proof(proof, asked, NONCES)


@given(text=st.text(max_size=60) | st.builds(lambda *parts: ".".join(map(b64, parts)), st.binary(), st.binary(),
                                             st.binary()))
def test_any_text_in_the_header_field_is_refused_as_a_proof(text: str) -> None:
    with pytest.raises(OAuthError):
        verified_proof(text, Asked("POST", TOKEN_URL, 1_795_000_000_000_000), NONCES)
