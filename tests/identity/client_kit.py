"""A client with keys and certificates of its own: what it signs is made by `cryptography`, never by our code.

`ClientKey` signs anything, also what no honest client would; `Holder` makes assertions (RFC 7523) and DPoP proofs
(RFC 9449) on a clock; `Authority` and `self_signed` make certificates (RFC 8705).
"""

import datetime as dt
import hashlib
import ipaddress
import json
import secrets
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.x509.oid import ExtendedKeyUsageOID

from shared_kernel.clock import Clock
from tests.conftest import START_US
from tests.frozen_clock import FrozenClock
from tests.identity.world import ISSUER

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
TOKEN_URL = f"{ISSUER}/oauth2/token"
PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
Json = dict[str, Any]


def b64(raw: bytes) -> str:
    """Return base64url without padding."""
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def _number(value: int, size: int | None = None) -> str:
    return b64(value.to_bytes(size or (value.bit_length() + 7) // 8, "big"))


@cache
def rsa_key(slot: int = 0) -> rsa.RSAPrivateKey:
    """Return an RSA key, made once a run and slot: making one takes a while."""
    del slot
    return rsa.generate_private_key(public_exponent=65_537, key_size=2_048)


@dataclass(frozen=True)
class ClientKey:
    """A private key with the algorithm it signs by."""

    private: PrivateKey
    algorithm: str = "ES256"
    kid: str = field(default_factory=lambda: secrets.token_urlsafe(8))

    @classmethod
    def new(cls, algorithm: str = "ES256", slot: int = 0) -> "ClientKey":
        """Make a key for ES256, PS256, RS256 or EdDSA."""
        makers: Mapping[str, Any] = {"ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
                                     "EdDSA": ed25519.Ed25519PrivateKey.generate}
        return cls(makers.get(algorithm, lambda: rsa_key(slot))(), algorithm)

    @property
    def bare(self) -> Json:
        """The public members a thumbprint is made of (RFC 7638)."""
        public = self.private.public_key()
        if isinstance(public, ec.EllipticCurvePublicKey):
            at = public.public_numbers()
            return {"crv": "P-256", "kty": "EC", "x": _number(at.x, 32), "y": _number(at.y, 32)}
        if isinstance(public, rsa.RSAPublicKey):
            numbers = public.public_numbers()
            return {"e": _number(numbers.e), "kty": "RSA", "n": _number(numbers.n)}
        return {"crv": "Ed25519", "kty": "OKP", "x": b64(public.public_bytes_raw())}

    @property
    def jwk(self) -> Json:
        """The public key as a client registers it."""
        return {**self.bare, "kid": self.kid, "use": "sig", "alg": self.algorithm}

    @property
    def private_jwk(self) -> Json:
        """The key with its secret, for tests that leak it."""
        if isinstance(self.private, ec.EllipticCurvePrivateKey):
            return {**self.jwk, "d": _number(self.private.private_numbers().private_value, 32)}
        if isinstance(self.private, rsa.RSAPrivateKey):
            numbers = self.private.private_numbers()
            return {**self.jwk, **{name: _number(value) for name, value in {
                "d": numbers.d, "p": numbers.p, "q": numbers.q, "dp": numbers.dmp1, "dq": numbers.dmq1,
                "qi": numbers.iqmp}.items()}}
        return {**self.jwk, "d": b64(self.private.private_bytes_raw())}

    @property
    def jkt(self) -> str:
        """The thumbprint (RFC 7638)."""
        text = json.dumps(self.bare, separators=(",", ":"), sort_keys=True)
        return b64(hashlib.sha256(text.encode()).digest())

    def signature(self, message: bytes) -> bytes:
        """Sign bytes as JWS does."""
        if isinstance(self.private, ec.EllipticCurvePrivateKey):
            r, s = decode_dss_signature(self.private.sign(message, ec.ECDSA(hashes.SHA256())))
            return r.to_bytes(32, "big") + s.to_bytes(32, "big")
        if isinstance(self.private, ed25519.Ed25519PrivateKey):
            return self.private.sign(message)
        pss = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=32)
        return self.private.sign(message, pss if self.algorithm == "PS256" else padding.PKCS1v15(), hashes.SHA256())

    def sign(self, header: Mapping[str, Any], claims: Mapping[str, Any] | bytes) -> str:
        """Return a compact JWS of any header and any payload; a header of None values leaves them out."""
        kept = {name: value for name, value in {"alg": self.algorithm, **header}.items() if value is not None}
        payload = claims if isinstance(claims, bytes) else json.dumps(
            {name: value for name, value in claims.items() if value is not None}).encode()
        signed = f"{b64(json.dumps(kept).encode())}.{b64(payload)}"
        return f"{signed}.{b64(self.signature(signed.encode()))}"


@dataclass(frozen=True)
class Holder:
    """A client at work. Named parts change a claim or, given None, leave it out."""

    client_id: str
    clock: Clock
    key: ClientKey = field(default_factory=ClientKey.new)
    dpop: ClientKey = field(default_factory=ClientKey.new)
    issuer: str = ISSUER

    @property
    def jwks(self) -> Json:
        """What the client registers."""
        return {"keys": [self.key.jwk]}

    @property
    def now_s(self) -> int:
        """The time."""
        return self.clock.now_us() // 1_000_000

    def assertion(self, *, header: Mapping[str, Any] | None = None, **claims: Any) -> str:
        """Return a client assertion, by default one that FAPI 2.0 accepts."""
        plain = {"iss": self.client_id, "sub": self.client_id, "aud": self.issuer, "jti": secrets.token_urlsafe(16),
                 "iat": self.now_s, "exp": self.now_s + 60}
        return self.key.sign({"typ": "JWT", "kid": self.key.kid, **(header or {})}, plain | claims)

    def asserted(self, assertion: str | None = None, **fields: str) -> dict[str, str]:
        """Return the form fields of a request with an assertion."""
        return {"client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion or self.assertion()} | fields

    def proof(self, method: str = "POST", url: str = TOKEN_URL, *, access_token: str | None = None,
              header: Mapping[str, Any] | None = None, **claims: Any) -> str:
        """Return a DPoP proof; with an access token it carries `ath`."""
        plain: Json = {"jti": secrets.token_urlsafe(16), "htm": method, "htu": url, "iat": self.now_s}
        if access_token is not None:
            plain["ath"] = b64(hashlib.sha256(access_token.encode()).digest())
        return self.dpop.sign({"typ": "dpop+jwt", "jwk": self.dpop.bare, **(header or {})}, plain | claims)

    def proved(self, method: str, url: str, access_token: str, **claims: Any) -> dict[str, str]:
        """Return the header fields with which a bound token is presented."""
        return {"Authorization": f"DPoP {access_token}",
                "DPoP": self.proof(method, url, access_token=access_token, **claims)}


@dataclass(frozen=True)
class Certificate:
    """A certificate with its key."""

    x509: x509.Certificate
    key: PrivateKey

    @property
    def der(self) -> bytes:
        """What TLS hands over."""
        return self.x509.public_bytes(serialization.Encoding.DER)

    @property
    def pem(self) -> bytes:
        """The certificate as files hold it."""
        return self.x509.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        """The key as files hold it."""
        return self.key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                      serialization.NoEncryption())

    @property
    def thumbprint(self) -> str:
        """`x5t#S256` (RFC 8705 section 3.1)."""
        return b64(hashlib.sha256(self.der).digest())

    @property
    def jwk(self) -> Json:
        """The public key with the certificate, as a client registers it for self_signed_tls_client_auth."""
        return {**ClientKey(self.key).bare, "x5c": [b64encode(self.der).decode()], "x5t#S256": self.thumbprint}


def self_signed(subject: str = "CN=self", *, at: Clock | None = None, **parts: Any) -> Certificate:
    """Return a certificate that vouches for itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    return _certificate(subject, key, None, at=at, **parts)


@dataclass(frozen=True)
class Authority:
    """Somebody who signs certificates."""

    own: Certificate

    @classmethod
    def new(cls, subject: str = "CN=Grid Test CA,O=Gridwarden", *, at: Clock | None = None) -> "Authority":
        """Make a root."""
        return cls(_certificate(subject, ec.generate_private_key(ec.SECP256R1()), None, at=at, is_ca=True))

    def issue(self, subject: str = "CN=client,O=Gridwarden", **parts: Any) -> Certificate:
        """Sign a client's certificate; `parts` are at, is_ca, dns, uri, ip, email, days, starts_in_days, usages."""
        return _certificate(subject, ec.generate_private_key(ec.SECP256R1()), self.own, **parts)

    def below(self, subject: str = "CN=Grid Test Intermediate", *, at: Clock | None = None) -> "Authority":
        """Make an authority below this one."""
        return Authority(self.issue(subject, at=at, is_ca=True))


@cache
def client_ca() -> Authority:
    """Return the authority that the providers of the tests trust, valid where their clocks stand."""
    return Authority.new(at=FrozenClock(START_US))


def _certificate(  # noqa: PLR0913 - the parts of a certificate
    subject: str, key: PrivateKey, issuer: Certificate | None, *, at: Clock | None = None, is_ca: bool = False,
    dns: Sequence[str] = (), uri: Sequence[str] = (), ip: Sequence[str] = (), email: Sequence[str] = (),
    days: int = 30, starts_in_days: int = -1, usages: Sequence[x509.ObjectIdentifier] = (
        ExtendedKeyUsageOID.CLIENT_AUTH,),
) -> Certificate:
    now = dt.datetime.fromtimestamp(at.now_us() / 1_000_000, dt.UTC) if at else dt.datetime.now(dt.UTC)
    name = x509.Name.from_rfc4514_string(subject)
    signer, signer_name = (issuer.key, issuer.x509.subject) if issuer else (key, name)
    names: list[x509.GeneralName] = [
        *map(x509.DNSName, dns), *map(x509.UniformResourceIdentifier, uri),
        *(x509.IPAddress(ipaddress.ip_address(each)) for each in ip), *map(x509.RFC822Name, email)]
    builder = (
        x509.CertificateBuilder().subject_name(name).issuer_name(signer_name).public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + dt.timedelta(days=starts_in_days)).not_valid_after(now + dt.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        .add_extension(x509.KeyUsage(
            digital_signature=True, content_commitment=False, key_encipherment=False, data_encipherment=False,
            key_agreement=False, key_cert_sign=is_ca, crl_sign=is_ca, encipher_only=False, decipher_only=False),
            critical=True))
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    if usages and not is_ca:
        builder = builder.add_extension(x509.ExtendedKeyUsage(list(usages)), critical=False)
    algorithm = None if isinstance(signer, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return Certificate(builder.sign(signer, algorithm), key)
