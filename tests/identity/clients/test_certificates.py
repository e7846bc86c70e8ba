"""Certificates of clients: who vouches for them, and when two spellings name one subject."""

import datetime as dt

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from hypothesis import given
from hypothesis import strategies as st

from identity.domain.oauth.client_certificates import (
    Authorities,
    certificate_thumbprint,
    names_client,
    read_certificate,
)
from identity.domain.records import ClientSettings
from tests.frozen_clock import FrozenClock
from tests.identity.client_kit import Authority, self_signed


def test_an_intermediate_of_ours_helps_to_build_the_chain(clock: FrozenClock) -> None:
    root = Authority.new(at=clock)
    between = root.below(at=clock)
    client = between.issue(at=clock)

    bundle = Authorities.from_pem(between.own.pem + root.own.pem)

    assert bundle.vouch_for(client.x509, clock.now_us())
    assert not Authorities.from_pem(root.own.pem).vouch_for(client.x509, clock.now_us())


def test_a_certificate_is_vouched_for_while_it_is_valid(clock: FrozenClock) -> None:
    root = Authority.new(at=clock)
    client, bundle = root.issue(at=clock, days=5), Authorities([root.own.x509])

    clock.advance(6 * 86_400)

    assert not bundle.vouch_for(client.x509, clock.now_us())


def test_no_authority_vouches_for_nobody(clock: FrozenClock) -> None:
    assert not Authorities().vouch_for(self_signed(at=clock).x509, clock.now_us())


def test_the_thumbprint_is_that_of_the_standard() -> None:
    """RFC 8705 section 3.1: base64url of SHA-256 over the DER."""
    certificate = self_signed()

    assert certificate_thumbprint(certificate.der) == certificate.thumbprint


@given(noise=st.binary(max_size=200))
def test_noise_is_no_certificate(noise: bytes) -> None:
    assert read_certificate(noise) is None


TEXT = st.text(st.characters(codec="utf-8", categories=("L", "N", "Zs", "P", "S")), min_size=1, max_size=20).filter(
    lambda text: text.strip() == text and bool(text.strip()))
TYPES = st.sampled_from([x509.NameOID.COMMON_NAME, x509.NameOID.ORGANIZATION_NAME, x509.NameOID.LOCALITY_NAME])
NAMES = st.lists(st.builds(x509.NameAttribute, TYPES, TEXT), min_size=1, max_size=4).map(x509.Name)
_KEY = self_signed().key


def named(name: x509.Name) -> x509.Certificate:
    """Return a certificate of that subject."""
    now = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    return (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(_KEY.public_key())
            .serial_number(1).not_valid_before(now).not_valid_after(now + dt.timedelta(days=1))
            .sign(_KEY, hashes.SHA256()))


@given(name=NAMES)
def test_a_subject_is_recognised_by_the_string_of_the_standard(name: x509.Name) -> None:
    """RFC 4514: whatever the subject, its string names it."""
    settings = ClientSettings(tls_subject_dn=name.rfc4514_string())

    assert names_client(named(name), settings)


@given(name=NAMES, other=NAMES)
def test_two_subjects_are_one_only_if_their_strings_are_but_for_case_and_spaces(
        name: x509.Name, other: x509.Name) -> None:
    settings = ClientSettings(tls_subject_dn=other.rfc4514_string())

    if names_client(named(name), settings):
        assert [[each.oid for each in rdn] for rdn in name.rdns] == [[each.oid for each in rdn] for rdn in other.rdns]


def test_case_and_spaces_between_the_parts_do_not_matter() -> None:
    """RFC 4512 section 2.5, RFC 4517 section 4.2.15."""
    certificate = self_signed("CN=Grid  App,OU=x+L=y,O=Gridwarden,1.2.840.113549.1.9.1=a@b")

    spelt = ClientSettings(tls_subject_dn="cn = grid app, l=Y + ou=X , o=gridwarden,EMAILADDRESS=A@B")

    assert names_client(certificate.x509, spelt)
