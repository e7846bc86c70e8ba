"""Certificates of servers as files: self-signed, for localhost and 127.0.0.1."""

from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.identity.client_kit import self_signed


@dataclass(frozen=True, slots=True)
class Pair:
    """A self-signed certificate and its key, as files."""

    certificate: Path
    key: Path

    @property
    def der(self) -> bytes:
        """The certificate as TLS carries it."""
        return x509.load_pem_x509_certificate(self.certificate.read_bytes()).public_bytes(Encoding.DER)


def make_pair(folder: Path, name: str) -> Pair:
    """Write a fresh pair."""
    made = self_signed(f"CN={name}", dns=["localhost"], ip=["127.0.0.1"],
                       usages=(ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH))
    pair = Pair(folder / f"{name}.pem", folder / f"{name}.key")
    pair.certificate.write_bytes(made.pem)
    pair.key.write_bytes(made.key_pem)
    return pair
