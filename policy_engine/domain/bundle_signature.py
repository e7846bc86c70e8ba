"""The signature of a bundle: OPA's `.signatures.json`, one JWS (RFC 7515) over the digest of every file.

    {"signatures": [ JWS( {"alg", "kid": "default"}, {"files": [{"name", "hash", "algorithm"}, ...]} ) ]}

Verification, in order: (1) exactly one signature, by no plugin; (2) the algorithm is the one of the key that the
operator trusts, never one the file chooses; (3) the signature holds; (4) no scope, which would mean that it was signed
for something else; (5) the files signed and the files present are the same, and each has its digest.
"""

import contextlib
import hashlib
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

import orjson
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import (
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from joserfc import jws
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import ECKey, OKPKey, RSAKey

from policy_engine.domain.bundle import RefusedBundleError
from policy_engine.domain.bundle_digest import DEFAULT, digest_of
from shared_kernel.errors import InvalidInputError, UnprocessableError
from shared_kernel.strict_json import parse_strict

SIGNATURES_FILE = ".signatures.json"
KEY_ID = "default"
"""What `opa build --signing-key` and `--verification-key` call a key that nobody named."""
MIN_RSA_BITS = 2048
_OWN_PLUGIN = ("", "_default")
_CURVES = {"secp256r1": "ES256", "secp384r1": "ES384"}
_PublicKey = EllipticCurvePublicKey | RSAPublicKey | Ed25519PublicKey
_PrivateKey = EllipticCurvePrivateKey | RSAPrivateKey | Ed25519PrivateKey
_Jwk = ECKey | RSAKey | OKPKey


class UnusableKeyError(UnprocessableError):
    """A PEM file holds no key that bundles are signed or verified with."""

    def __init__(self, what: str, why: str) -> None:
        super().__init__(
            f"the {what} key is unusable ({why}): make one with `openssl genpkey -algorithm EC -pkeyopt "
            "ec_paramgen_curve:P-256 -out policy.key` and `openssl pkey -in policy.key -pubout -out policy.pub`")


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """A public key that the operator trusts, and the one algorithm it verifies."""

    algorithm: str
    fingerprint: str
    _jwk: _Jwk

    @classmethod
    def from_pem(cls, pem: bytes) -> Self:
        """Return the key of a PEM text (`BEGIN PUBLIC KEY`); raise UnusableKeyError."""
        if b"PRIVATE KEY" in pem:
            raise UnusableKeyError("verification", "it is a private key, which belongs to the signer alone")
        try:
            key = load_pem_public_key(pem)
        except (ValueError, UnsupportedAlgorithm) as cause:
            raise UnusableKeyError("verification", "it is no PEM public key") from cause
        encoded = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        text = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return cls(_algorithm(key, "verification"), hashlib.sha256(encoded).hexdigest(), _jwk(key, text))

    def payload(self, token: str) -> Any:  # noqa: ANN401 - JSON until it is looked at
        """Return what a compact JWS says, once it is proven to be this key's; raise RefusedBundleError."""
        try:
            with _in_opa_s_names():
                signed = jws.deserialize_compact(token, self._jwk, algorithms=[self.algorithm])
            return parse_strict(signed.payload)
        except (JoseError, ValueError, InvalidInputError) as cause:
            raise RefusedBundleError(
                f"its signature is not one of the key {self.fingerprint[:16]} ({self.algorithm}): sign it with the "
                "private key that belongs to GRIDWARDEN_POLICY_VERIFICATION_KEY") from cause


@dataclass(frozen=True, slots=True)
class SigningKey:
    """The author's private key, and the algorithm it signs with."""

    algorithm: str
    _jwk: _Jwk

    @classmethod
    def from_pem(cls, pem: bytes, password: bytes | None = None) -> Self:
        """Return the key of a PEM text; raise UnusableKeyError."""
        try:
            key = load_pem_private_key(pem, password)
        except (ValueError, TypeError, UnsupportedAlgorithm) as cause:
            raise UnusableKeyError("signing", "it is no PEM private key, or its password is another") from cause
        if not isinstance(key, _PrivateKey):
            raise UnusableKeyError("signing", "it is neither elliptic curve, RSA nor Ed25519")
        text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return cls(_algorithm(key.public_key(), "signing"), _jwk(key.public_key(), text))

    def sign(self, files: Mapping[str, bytes]) -> bytes:
        """Return the `.signatures.json` of these files, whatever signature they carried before."""
        listed = [{"name": name, "hash": digest_of(name, raw), "algorithm": DEFAULT}
                  for name, raw in sorted(files.items()) if name != SIGNATURES_FILE]
        header = {"alg": self.algorithm, "kid": KEY_ID}
        payload = orjson.dumps({"files": listed, "keyid": KEY_ID})
        with _in_opa_s_names():
            token = jws.serialize_compact(header, payload, self._jwk, algorithms=[self.algorithm])
        return orjson.dumps({"signatures": [token]})


def verify(files: Mapping[str, bytes], key: VerificationKey) -> None:
    """Raise RefusedBundleError unless all these files, and no others, are signed by `key`."""
    if SIGNATURES_FILE not in files:
        raise RefusedBundleError("it is not signed: run `gridwarden policy sign BUNDLE --key policy.key`")
    payload = key.payload(_token(files[SIGNATURES_FILE]))
    signed = _signed(payload)
    present = files.keys() - {SIGNATURES_FILE}
    for name in sorted(present ^ signed.keys()):
        why = "is not signed" if name in present else "is signed and missing"
        raise RefusedBundleError(f"{name} {why}: somebody changed the bundle after it was signed")
    for name, (digest, algorithm) in signed.items():
        if digest_of(name, files[name], algorithm) != digest:
            raise RefusedBundleError(f"{name} is not what was signed: somebody changed it afterwards")


@contextlib.contextmanager
def _in_opa_s_names() -> Iterator[None]:
    """OPA knows Ed25519 by its name of RFC 8037, EdDSA, which joserfc warns of since RFC 9864."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SecurityWarning)
        yield


def _token(raw: bytes) -> str:
    try:
        found = parse_strict(raw)
    except InvalidInputError as cause:
        raise RefusedBundleError(f"{SIGNATURES_FILE}: {cause}") from cause
    is_plain = isinstance(found, dict) and found.get("plugin", "") in _OWN_PLUGIN
    tokens = found.get("signatures") if is_plain else None
    if not isinstance(tokens, list) or len(tokens) != 1 or not isinstance(tokens[0], str):
        raise RefusedBundleError(f"{SIGNATURES_FILE} must hold exactly one signature, by no plugin")
    return tokens[0]


def _signed(payload: Any) -> dict[str, tuple[str, str]]:  # noqa: ANN401 - a JSON value of the signer's
    """Return (digest, algorithm) by name."""
    if not isinstance(payload, dict) or payload.get("scope"):
        raise RefusedBundleError("it was signed for a scope of its own: sign it without")
    rows = payload.get("files")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise RefusedBundleError("its signature lists no files")
    found = {str(row.get("name")): (str(row.get("hash")), str(row.get("algorithm"))) for row in rows}
    if len(found) != len(rows):
        raise RefusedBundleError("its signature lists a file twice")
    return found


def _algorithm(key: object, what: str) -> str:
    """Return the one algorithm for a key; raise UnusableKeyError for a weak or foreign one."""
    if isinstance(key, Ed25519PublicKey):
        return "EdDSA"
    if isinstance(key, EllipticCurvePublicKey) and key.curve.name in _CURVES:
        return _CURVES[key.curve.name]
    if isinstance(key, RSAPublicKey) and key.key_size >= MIN_RSA_BITS:
        return "RS256"
    raise UnusableKeyError(what, f"use P-256, P-384, Ed25519, or RSA of {MIN_RSA_BITS} bits and more")


def _jwk(public: object, pem: bytes) -> _Jwk:
    kind = ECKey if isinstance(public, EllipticCurvePublicKey) else OKPKey
    return RSAKey.import_key(pem) if isinstance(public, RSAPublicKey) else kind.import_key(pem)
