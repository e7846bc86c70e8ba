"""Who vouches for the gateway and for services: the built-in authority, or the PKI engine of a Vault.

In both cases the private key is made here and stays here; Vault only signs a request.
"""

from typing import Any, Protocol

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from hvac.exceptions import InvalidPath, InvalidRequest

from control_plane.tls.authority import SPIFFE, Authority, Issued
from control_plane.vault_session import VaultAwayError, VaultSession

CLIENT_NAME = "gateway.gridwarden.internal"
LIFETIME_S = 86_400


class Pki(Protocol):
    """Vouches."""

    async def issued(self, service: str) -> Issued:
        """Return what the gateway shows to a service; raise UnavailableError."""

    async def authority(self) -> bytes:
        """Return the certificate by which services are believed, in PEM; raise UnavailableError."""


class BuiltInPki:
    """The authority in the home."""

    def __init__(self, authority: Authority) -> None:
        self._authority = authority

    async def issued(self, service: str) -> Issued:
        """Return what the gateway shows to a service."""
        return self._authority.for_gateway(service)

    async def authority(self) -> bytes:
        """Return the authority's certificate."""
        return self._authority.certificate.public_bytes(Encoding.PEM)


class VaultPki:
    """A PKI engine of Vault; its role must allow CLIENT_NAME, the SPIFFE URI, EC keys and client authentication."""

    def __init__(self, vault: VaultSession, *, mount: str, role: str) -> None:
        self._vault, self._mount, self._role = vault, mount, role

    async def issued(self, service: str) -> Issued:
        """Return a certificate that Vault signed for a key made here."""
        key = ec.generate_private_key(ec.SECP256R1())
        uri = f"{SPIFFE}/to/{service}"
        request = (
            x509.CertificateSigningRequestBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, CLIENT_NAME)]))
            .add_extension(x509.SubjectAlternativeName(
                [x509.DNSName(CLIENT_NAME), x509.UniformResourceIdentifier(uri)]), critical=False)
            .sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode())
        data = (await self._ask(lambda client: client.secrets.pki.sign_certificate(
            name=self._role, csr=request, common_name=CLIENT_NAME, mount_point=self._mount,
            extra_params={"uri_sans": uri, "ttl": f"{LIFETIME_S}s"})))["data"]
        certificate, issuer = str(data["certificate"]), str(data["issuing_ca"])
        return Issued(certificate.encode() + b"\n", issuer.encode() + b"\n", key.private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))

    async def authority(self) -> bytes:
        """Return the engine's own certificate."""
        found = await self._ask(lambda client: client.secrets.pki.read_ca_certificate(mount_point=self._mount))
        return str(found).encode() + b"\n"

    async def _ask(self, question: Any) -> Any:  # noqa: ANN401 - hvac is untyped
        try:
            return await self._vault.ask(question)
        except (InvalidPath, InvalidRequest) as cause:
            raise VaultAwayError(f"the PKI mount {self._mount} or its role {self._role} refuses: {cause}") from cause
