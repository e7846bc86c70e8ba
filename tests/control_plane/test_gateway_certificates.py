"""The client's certificate at the gateway: TLS's word, or a trusted proxy's (RFC 9440), never a stranger's."""

from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_plane.gateway.certificates import (
    EXTENSION,
    MAX_FIELD_BYTES,
    UnusableCertificateFieldError,
    client_certificate,
    forwarded_certificate,
)

DER = b"\x30\x82 a certificate, as far as this floor can tell"
FIELD = b":" + b64encode(DER) + b":"
DIRECT = {"extensions": {EXTENSION: b"\x30 of the connection"}}


def test_without_a_proxy_the_connection_s_certificate_counts() -> None:
    assert client_certificate(DIRECT, None, is_from_proxy=False) == b"\x30 of the connection"


def test_a_field_from_a_stranger_means_nothing() -> None:
    """RFC 9440 section 2.4: an origin must take it from a trusted proxy only."""
    assert client_certificate(DIRECT, FIELD, is_from_proxy=False) == b"\x30 of the connection"
    assert client_certificate({}, FIELD, is_from_proxy=False) is None
    assert client_certificate({}, b"nonsense", is_from_proxy=False) is None


def test_behind_a_proxy_its_word_counts_and_its_own_certificate_does_not() -> None:
    """RFC 9440 section 2.4: the connection's certificate is the proxy's."""
    assert client_certificate(DIRECT, FIELD, is_from_proxy=True) == DER
    assert client_certificate(DIRECT, None, is_from_proxy=True) is None


@pytest.mark.parametrize("field", [
    b"", b":", b"::", b":=:", b64encode(DER), b":" + b64encode(DER), b64encode(DER) + b":", FIELD + b", " + FIELD,
    FIELD + b";a=1", b'"' + b64encode(DER) + b'"', b":" + b64encode(DER).rstrip(b"=")[:-1] + b":", b":MIIB!:",
    b": " + b64encode(DER) + b":", b":" + b64encode(b"not DER") + b":", b":MAB=:", b":MB==:",
    b"-----BEGIN CERTIFICATE-----", b":" + b64encode(b"\x30" * MAX_FIELD_BYTES) + b":"])
def test_what_is_not_one_byte_sequence_is_refused(field: bytes) -> None:
    """RFC 9440 section 2, RFC 8941 section 3.3.5: nothing is guessed."""
    with pytest.raises(UnusableCertificateFieldError):
        client_certificate({}, field, is_from_proxy=True)


@given(rest=st.binary(max_size=300))
def test_every_certificate_survives_the_field(rest: bytes) -> None:
    assert forwarded_certificate(b":" + b64encode(b"\x30" + rest) + b":") == b"\x30" + rest


@given(field=st.binary(max_size=100))
def test_noise_is_refused_or_is_the_one_spelling(field: bytes) -> None:
    try:
        found = forwarded_certificate(field)
    except UnusableCertificateFieldError:
        return
    assert field.strip(b" ") == b":" + b64encode(found) + b":"
