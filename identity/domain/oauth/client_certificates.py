"""Client certificates (RFC 8705): their thumbprint, whose they are, and whether an authority of ours vouches for them.

That the client holds the key is TLS's proof. Names: exactly one is registered, and it is compared as its kind demands.
"""

import datetime as dt
import hashlib
import ipaddress
import re
import unicodedata
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import Criticality, ExtensionPolicy, Policy, PolicyBuilder, Store, VerificationError

from identity.domain.jose.compact import encoded
from identity.domain.records import ClientSettings

MAX_CHAIN = 4
_SECOND_US = 1_000_000
_USAGES = frozenset({ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE})

_OTHER_TYPES = {
    "emailAddress": x509.NameOID.EMAIL_ADDRESS, "E": x509.NameOID.EMAIL_ADDRESS,
    "serialNumber": x509.NameOID.SERIAL_NUMBER, "organizationIdentifier": x509.NameOID.ORGANIZATION_IDENTIFIER,
    "businessCategory": x509.NameOID.BUSINESS_CATEGORY,
}
_TYPES = {name.lower(): name for name in ("CN", "L", "ST", "O", "OU", "C", "STREET", "DC", "UID", *_OTHER_TYPES)}
"""Attribute types are written in any case (RFC 4512 section 2.5); the parser takes one."""
_TYPE = re.compile(r"(^|(?<!\\)\s*[,+])\s*([A-Za-z][A-Za-z0-9-]*)\s*=\s*")

Rdn = frozenset[tuple[str, str]]


class UnusableAuthoritiesError(ValueError):
    """The file of client authorities holds no root certificate."""

    def __init__(self) -> None:
        super().__init__("the client authorities hold no self-signed root certificate: name a PEM file that has one")


def certificate_thumbprint(der: bytes) -> str:
    """Return `x5t#S256` (RFC 8705 section 3.1)."""
    return encoded(hashlib.sha256(der).digest())


def read_certificate(der: bytes) -> x509.Certificate | None:
    """Return the certificate, None for bytes that are none."""
    try:
        return x509.load_der_x509_certificate(der)
    except ValueError:
        return None


class Authorities:
    """Who may vouch for client certificates; certificates that are not self-signed only help to build the chain."""

    def __init__(self, certificates: Iterable[x509.Certificate] = ()) -> None:
        known = tuple(certificates)
        self._roots = tuple(each for each in known if each.subject == each.issuer)
        self._between = [each for each in known if each.subject != each.issuer]
        if known and not self._roots:
            raise UnusableAuthoritiesError

    @classmethod
    def from_pem(cls, pem: bytes) -> "Authorities":
        """Read a bundle; raise UnusableAuthoritiesError."""
        try:
            return cls(x509.load_pem_x509_certificates(pem))
        except ValueError as cause:
            raise UnusableAuthoritiesError from cause

    def vouch_for(self, certificate: x509.Certificate, now_us: int) -> bool:
        """Whether a chain leads from this client certificate to a root, each link good now."""
        if not self._roots:
            return False
        moment = dt.datetime.fromtimestamp(now_us // _SECOND_US, dt.UTC)
        verifier = (PolicyBuilder().store(Store(list(self._roots))).time(moment).max_chain_depth(MAX_CHAIN)
                    .extension_policies(ca_policy=ExtensionPolicy.webpki_defaults_ca(), ee_policy=_client_policy())
                    .build_client_verifier())
        try:
            verifier.verify(certificate, self._between)
        except (VerificationError, ValueError):
            return False
        return True


def _client_policy() -> ExtensionPolicy:
    """Return what a client certificate may say of itself; unlike a server's it needs no alternative name."""
    return (ExtensionPolicy.permit_all()
            .may_be_present(x509.ExtendedKeyUsage, Criticality.AGNOSTIC, _check_usage)
            .may_be_present(x509.BasicConstraints, Criticality.AGNOSTIC, _check_is_no_authority))


def _check_usage(_: Policy, __: x509.Certificate, usage: x509.ExtendedKeyUsage | None) -> None:
    if usage is not None and _USAGES.isdisjoint(usage):
        raise ValueError("the certificate is not for client authentication")


def _check_is_no_authority(_: Policy, __: x509.Certificate, constraints: x509.BasicConstraints | None) -> None:
    if constraints is not None and constraints.ca:
        raise ValueError("the certificate is an authority's")


def is_current(certificate: x509.Certificate, now_us: int) -> bool:
    """Whether the certificate is valid now."""
    moment = dt.datetime.fromtimestamp(now_us // _SECOND_US, dt.UTC)
    return certificate.not_valid_before_utc <= moment <= certificate.not_valid_after_utc


def names_client(certificate: x509.Certificate, settings: ClientSettings) -> bool:
    """Whether the certificate carries the one name this client is registered with (RFC 8705 section 2.1.2)."""
    registered = [(name, value) for name in _MATCHES if (value := getattr(settings, name)) is not None]
    if len(registered) != 1:
        return False
    name, value = registered[0]
    return _MATCHES[name](certificate, value)


def is_registered(certificate: x509.Certificate, jwks: Mapping[str, Any]) -> bool:
    """Whether the client registered this very certificate in a key's x5c (RFC 8705 section 2.2.2)."""
    keys, wanted = jwks.get("keys"), b64encode(certificate.public_bytes(Encoding.DER)).decode()
    return isinstance(keys, list) and any(
        isinstance(key, Mapping) and isinstance(chain := key.get("x5c"), list) and chain[:1] == [wanted]
        for key in keys)


def _has_subject(certificate: x509.Certificate, text: str) -> bool:
    """Compare as distinguishedNameMatch does: types by their identifier, values without case and doubled spaces."""
    try:
        wanted = x509.Name.from_rfc4514_string(_TYPE.sub(_typed, text.strip()), _OTHER_TYPES)
    except ValueError:
        return False
    return bool(wanted.rdns) and _prepared(certificate.subject) == _prepared(wanted)


def _typed(start: re.Match[str]) -> str:
    """Return the start of an attribute as the parser knows it: no spaces, the type in its usual case."""
    return f"{start[1].strip()}{_TYPES.get(start[2].lower(), start[2])}="


def _prepared(name: x509.Name) -> list[Rdn]:
    return [frozenset((each.oid.dotted_string, _folded(each.value)) for each in rdn) for rdn in name.rdns]


def _folded(value: str | bytes) -> str:
    """Return a value as RFC 4518 prepares it for comparison."""
    text = value if isinstance(value, str) else value.hex()
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _alternatives(certificate: x509.Certificate, kind: Any) -> list[Any]:  # noqa: ANN401 - a kind of GeneralName
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return []
    return found.get_values_for_type(kind)


def _has_dns(certificate: x509.Certificate, wanted: str) -> bool:
    return wanted.lower() in [each.lower() for each in _alternatives(certificate, x509.DNSName)]


def _has_uri(certificate: x509.Certificate, wanted: str) -> bool:
    return wanted in _alternatives(certificate, x509.UniformResourceIdentifier)


def _has_ip(certificate: x509.Certificate, wanted: str) -> bool:
    try:
        return ipaddress.ip_address(wanted) in _alternatives(certificate, x509.IPAddress)
    except ValueError:
        return False


def _has_email(certificate: x509.Certificate, wanted: str) -> bool:
    return _mailbox(wanted) in [_mailbox(each) for each in _alternatives(certificate, x509.RFC822Name)]


def _mailbox(address: str) -> tuple[str, str]:
    local, _, domain = address.rpartition("@")
    return local, domain.lower()


_MATCHES: Mapping[str, Callable[[x509.Certificate, str], bool]] = {
    "tls_subject_dn": _has_subject, "tls_san_dns": _has_dns, "tls_san_uri": _has_uri, "tls_san_ip": _has_ip,
    "tls_san_email": _has_email,
}
