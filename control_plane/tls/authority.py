"""The built-in certificate authority: for the gateway's own certificates and those of the services behind it.

ECDSA on P-256 (RFC 5480), in `keys/authority/` of the home, mode 0600. Its certificate is name-constrained (RFC 5280
section 4.2.1.10) to names and addresses that the public internet does not have: who steals its key can still vouch for
nobody outside. Certificates for services live 30 days, the gateway's own a day.
"""

import datetime as dt
import fcntl
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from control_plane.tls.private_names import UnusableNameError, permitted_names, server_names
from shared_kernel.clock import Clock
from shared_kernel.errors import GridwardenError

ROOT_LIFETIME = dt.timedelta(days=3_650)
BACKDATED = dt.timedelta(minutes=5)
"""Clocks of services may be behind ours."""
SPIFFE = "spiffe://gridwarden.internal/gateway"


class UnusableAuthorityError(GridwardenError):
    """The authority's files are not what we wrote."""

    def __init__(self, folder: Path, why: str) -> None:
        super().__init__(f"the certificate authority in {folder} cannot be used ({why}): restore both its files from a "
                         "backup, or move them away for a new authority, whose certificate every service must get")


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate and the authority's, in PEM; the key too when it was made here."""

    certificate: bytes
    authority: bytes
    key: bytes | None = None


class Authority:
    """Issues certificates; its key and certificate are made at first need, by one process at a time."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder, self._clock = folder, clock

    @property
    def certificate_file(self) -> Path:
        """The certificate that services are given."""
        return self._folder / "authority.pem"

    @property
    def certificate(self) -> x509.Certificate:
        """The authority's own certificate; raise UnusableAuthorityError."""
        return self._pair[1]

    def for_service(self, names: Sequence[str], *, lifetime: dt.timedelta = dt.timedelta(days=30)) -> Issued:
        """Return a server's certificate with a new key; raise UnusableNameError."""
        key = ec.generate_private_key(ec.SECP256R1())
        found = self._issued(key.public_key(), names[0], server_names(names), _SERVER, lifetime)
        return Issued(found, self._pem, _pem_of(key))

    def for_request(self, request: bytes, names: Sequence[str], *,
                    lifetime: dt.timedelta = dt.timedelta(days=30)) -> Issued:
        """Return a server's certificate for the key of a request (PKCS #10); the names are ours to choose, not its."""
        try:
            csr = x509.load_pem_x509_csr(request)
            if not csr.is_signature_valid:
                raise UnusableNameError("the request does not prove that its key is held")
        except (ValueError, InvalidSignature) as cause:
            raise UnusableNameError("the request is no PEM certificate request") from cause
        key = csr.public_key()
        if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1 | ec.SECP384R1):
            raise UnusableNameError("the key of the request is not on P-256 or P-384: make it with `openssl ecparam`")
        return Issued(self._issued(key, names[0], server_names(names), _SERVER, lifetime), self._pem)

    def for_gateway(self, service: str, *, lifetime: dt.timedelta = dt.timedelta(hours=24)) -> Issued:
        """Return the certificate that the gateway shows to one service, with a new key."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.UniformResourceIdentifier(f"{SPIFFE}/to/{service}")
        found = self._issued(key.public_key(), "gridwarden-gateway", [name], _CLIENT, lifetime)
        return Issued(found, self._pem, _pem_of(key))

    @property
    def _pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    @cached_property
    def _pair(self) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
        """Read the files, or make them."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with (self._folder / "lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                key_file = self._folder / "authority.key"
                if not key_file.exists() and not self.certificate_file.exists():
                    self._make(key_file)
                key = load_pem_private_key(key_file.read_bytes(), password=None)
                certificate = x509.load_pem_x509_certificate(self.certificate_file.read_bytes())
        except (OSError, ValueError, TypeError) as cause:
            raise UnusableAuthorityError(self._folder, type(cause).__name__) from cause
        if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
            raise UnusableAuthorityError(self._folder, "key and certificate do not belong together")
        return key, certificate

    def _make(self, key_file: Path) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        now = self._now()
        name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Gridwarden"),
                          x509.NameAttribute(NameOID.COMMON_NAME, f"Gridwarden services {now:%Y-%m-%d}")])
        certificate = (
            _builder(name, name, key.public_key(), now, ROOT_LIFETIME)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .add_extension(x509.NameConstraints(permitted_names(), None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256()))
        write_private(key_file, _pem_of(key))
        self.certificate_file.write_bytes(certificate.public_bytes(Encoding.PEM))

    def _issued(self, key: ec.EllipticCurvePublicKey, common_name: str, names: Sequence[x509.GeneralName],
                usage: x509.ObjectIdentifier, lifetime: dt.timedelta) -> bytes:
        own_key, own = self._pair
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _common_name(common_name))])
        certificate = (
            _builder(subject, own.subject, key, self._now(), lifetime)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(own_key.public_key()), critical=False)
            .sign(own_key, hashes.SHA256()))
        return certificate.public_bytes(Encoding.PEM)

    def _now(self) -> dt.datetime:
        return dt.datetime.fromtimestamp(self._clock.now_us() / 1_000_000, dt.UTC)


_SERVER, _CLIENT = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH


def write_private(path: Path, content: bytes) -> None:
    """Write a file for us alone, whole or not at all."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: dt.datetime,
             lifetime: dt.timedelta) -> x509.CertificateBuilder:
    return (x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key)
            .serial_number(x509.random_serial_number()).not_valid_before(now - BACKDATED)
            .not_valid_after(now + lifetime))


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates, key_cert_sign=signs_certificates, crl_sign=signs_certificates,
        content_commitment=False, key_encipherment=False, data_encipherment=False, key_agreement=False,
        encipher_only=False, decipher_only=False)


def _common_name(name: str) -> str:
    """Return a name for people; verifiers hold one that looks like a host, as an address does, to the permitted."""
    return f"service {name}"[:64]


def _pem_of(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
