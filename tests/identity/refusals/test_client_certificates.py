"""Refusals: certificates that prove nothing, or somebody else."""

from typing import Any

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from identity.domain.oauth.client_certificates import Authorities, UnusableAuthoritiesError
from identity.domain.oauth.errors import InvalidClientError
from tests.identity.client_desk import ClientDesk
from tests.identity.client_kit import Authority, Certificate, client_ca, self_signed

NAME = "CN=client,O=Gridwarden"


async def is_refused(desk: ClientDesk, certificate: Certificate | bytes | None) -> bool:
    """Whether c1 is not let in with that certificate."""
    der = certificate.der if isinstance(certificate, Certificate) else certificate
    try:
        await desk.authenticate({"client_id": "c1"}, certificate=der)
    except InvalidClientError:
        return True
    return False


async def test_no_certificate_is_no_proof(desk: ClientDesk) -> None:
    """RFC 8705 section 2 (fapi2-...-ensure-holder-of-key-required)."""
    await desk.register("c1", auth_method="tls_client_auth", tls_subject_dn=NAME)
    assert await is_refused(desk, None)
    assert await is_refused(desk, b"")
    assert await is_refused(desk, b"0\x82 not a certificate")


@pytest.mark.parametrize("parts", [
    {"days": -1, "starts_in_days": -9}, {"starts_in_days": 1, "days": 9},
    {"usages": [ExtendedKeyUsageOID.SERVER_AUTH]}, {"is_ca": True}])
async def test_a_certificate_that_is_not_a_client_s_now_is_refused(desk: ClientDesk, parts: dict[str, Any]) -> None:
    """RFC 5280 sections 4.1.2.5, 4.2.1.12, 4.2.1.9."""
    await desk.register("c1", auth_method="tls_client_auth", tls_subject_dn=NAME)
    assert await is_refused(desk, client_ca().issue(NAME, at=desk.clock, **parts))


async def test_a_certificate_of_an_unknown_authority_is_refused(desk: ClientDesk) -> None:
    """RFC 8705 section 2.1: the chain must lead to a root of ours, whatever it is called."""
    await desk.register("c1", auth_method="tls_client_auth", tls_subject_dn=NAME)
    assert await is_refused(desk, Authority.new(at=desk.clock).issue(NAME, at=desk.clock))
    assert await is_refused(desk, self_signed(NAME, at=desk.clock))


async def test_a_client_certificate_signs_no_other(desk: ClientDesk) -> None:
    """RFC 5280 section 4.2.1.9: only an authority's certificate may."""
    await desk.register("c1", auth_method="tls_client_auth", tls_subject_dn=NAME)
    honest = Authority(client_ca().issue("CN=mallory", at=desk.clock))
    assert await is_refused(desk, honest.issue(NAME, at=desk.clock))


@pytest.mark.parametrize("registered", [
    "CN=client", "O=Gridwarden,CN=client", "CN=client,O=Gridwarden,C=CH", "CN=clients,O=Gridwarden", "", "nonsense",
    "CN=client+O=Gridwarden", "CN=*,O=Gridwarden", "CN=client\\,O=Gridwarden"])
async def test_another_subject_is_refused(desk: ClientDesk, registered: str) -> None:
    """RFC 8705 section 2.1.2; RFC 4517 section 4.2.15: every part, in order."""
    await desk.register("c1", auth_method="tls_client_auth", tls_subject_dn=registered)
    assert await is_refused(desk, client_ca().issue(NAME, at=desk.clock))


@pytest.mark.parametrize(("settings", "names"), [
    ({"tls_san_dns": "*.grid.test"}, {"dns": ["a.grid.test"]}),
    ({"tls_san_dns": "a.grid.test"}, {"dns": ["*.grid.test"]}),
    ({"tls_san_dns": "a.grid.test"}, {"uri": ["a.grid.test"]}),
    ({"tls_san_uri": "https://a.test/x"}, {"uri": ["https://a.test/X"]}),
    ({"tls_san_ip": "192.0.2.1"}, {"ip": ["192.0.2.2"]}),
    ({"tls_san_ip": "192.0.2.1"}, {"dns": ["192.0.2.1"]}),
    ({"tls_san_email": "OPS@grid.test"}, {"email": ["ops@grid.test"]}),
    ({"tls_san_dns": "a.grid.test"}, {}),
])
async def test_another_alternative_name_is_refused(
        desk: ClientDesk, settings: dict[str, str], names: dict[str, list[str]]) -> None:
    """RFC 8705 section 2.1.2: no wildcards, no other kind of name."""
    await desk.register("c1", auth_method="tls_client_auth", **settings)
    assert await is_refused(desk, client_ca().issue("CN=x", at=desk.clock, **names))


async def test_a_client_with_two_names_or_none_is_refused(desk: ClientDesk) -> None:
    """RFC 8705 section 2.1.2: exactly one is registered."""
    certificate = client_ca().issue(NAME, at=desk.clock, dns=["a.grid.test"])
    await desk.register("c1", auth_method="tls_client_auth", tls_subject_dn=NAME, tls_san_dns="a.grid.test")
    assert await is_refused(desk, certificate)
    await desk.register("c1", auth_method="tls_client_auth")
    assert await is_refused(desk, certificate)


async def test_a_certificate_that_was_not_registered_is_refused(desk: ClientDesk) -> None:
    """RFC 8705 section 2.2: the very certificate, not its name or its key."""
    mine, other = self_signed(NAME, at=desk.clock), self_signed(NAME, at=desk.clock)
    await desk.register("c1", auth_method="self_signed_tls_client_auth", jwks={"keys": [mine.jwk]})
    assert await is_refused(desk, other)
    assert await is_refused(desk, client_ca().issue(NAME, at=desk.clock))
    assert await is_refused(desk, None)
    assert not await is_refused(desk, mine)


async def test_a_registered_certificate_that_expired_is_refused(desk: ClientDesk) -> None:
    """RFC 5280 section 4.1.2.5."""
    mine = self_signed(NAME, at=desk.clock, starts_in_days=-9, days=-1)
    await desk.register("c1", auth_method="self_signed_tls_client_auth", jwks={"keys": [mine.jwk]})
    assert await is_refused(desk, mine)


@pytest.mark.parametrize("jwks", [
    None, {}, {"keys": []}, {"keys": [{"x5c": []}]}, {"keys": [{"x5c": "text"}]}, {"keys": "text"}, {"keys": ["text"]}])
async def test_a_key_set_without_the_certificate_opens_nothing(desk: ClientDesk, jwks: dict[str, Any] | None) -> None:
    """RFC 8705 section 2.2.2."""
    await desk.register("c1", auth_method="self_signed_tls_client_auth", jwks=jwks)
    assert await is_refused(desk, self_signed(at=desk.clock))


async def test_an_issuer_in_the_chain_of_the_client_s_does_not_count(desk: ClientDesk) -> None:
    """RFC 8705 section 2.2.2: the first certificate of x5c is the client's, the others are not."""
    mine, other = self_signed(at=desk.clock), self_signed(at=desk.clock)
    key = {**mine.jwk, "x5c": [*mine.jwk["x5c"], *other.jwk["x5c"]]}
    await desk.register("c1", auth_method="self_signed_tls_client_auth", jwks={"keys": [key]})
    assert await is_refused(desk, other)


async def test_a_certificate_does_not_replace_an_assertion(desk: ClientDesk) -> None:
    """RFC 6749 section 2.3: private_key_jwt means private_key_jwt."""
    await desk.holder("c1", tls_subject_dn=NAME)
    assert await is_refused(desk, client_ca().issue(NAME, at=desk.clock))


@pytest.mark.parametrize("pem", [b"", b"nonsense", client_ca.__doc__.encode() if client_ca.__doc__ else b""])
def test_a_file_without_a_root_is_no_authority(pem: bytes) -> None:
    """RFC 5280 section 6.1.1: a trust anchor is needed."""
    with pytest.raises(UnusableAuthoritiesError):
        Authorities.from_pem(pem)


def test_a_file_of_intermediates_alone_is_no_authority() -> None:
    """RFC 5280 section 6.1.1."""
    with pytest.raises(UnusableAuthoritiesError):
        Authorities.from_pem(Authority.new().below().own.pem)
