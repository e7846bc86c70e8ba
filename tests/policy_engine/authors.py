"""Authors of bundles: keys, and archives they signed."""

from dataclasses import dataclass
from functools import cached_property

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from policy_engine.adapters.bundle_archive import packed
from policy_engine.adapters.bundle_building import built, signed
from policy_engine.domain.bundle import Bundle
from policy_engine.domain.bundle_signature import SigningKey, VerificationKey
from tests.policy_engine.house import bundle_of

Private = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


def private_key(algorithm: str = "ES256") -> Private:
    """Return a new key for a JOSE algorithm."""
    if algorithm == "RS256":
        return rsa.generate_private_key(65_537, 2048)
    if algorithm == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    return ec.generate_private_key(ec.SECP256R1() if algorithm == "ES256" else ec.SECP384R1())


@dataclass(frozen=True)
class Author:
    """Somebody with a key."""

    private: Private

    @cached_property
    def private_pem(self) -> bytes:
        """What the author signs with."""
        return self.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    @cached_property
    def public_pem(self) -> bytes:
        """What operators trust."""
        return self.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    @cached_property
    def verification(self) -> VerificationKey:
        """The same, read."""
        return VerificationKey.from_pem(self.public_pem)

    def files(self, bundle: Bundle, sequence: int) -> dict[str, bytes]:
        """Return the files of a bundle, signed; the sequence is its time, too."""
        unsigned = built(bundle, built_at_us=sequence, name=f"build {sequence}", sequence=sequence)
        return signed(unsigned, SigningKey.from_pem(self.private_pem))

    def archive(self, bundle: Bundle, sequence: int) -> bytes:
        """Return them as one file."""
        return packed(self.files(bundle, sequence))


def rules(number: int) -> Bundle:
    """Return a bundle that lets everybody do `documents.read`, and says by which rules."""
    return bundle_of(f"""
default decision := {{"allow": false, "reasons": ["no"], "obligations": {{}}, "ttl_s": 0}}
decision := {{"allow": true, "reasons": ["rules {number}"], "obligations": {{}}, "ttl_s": 5}} if {{
    input.action == "documents.read"
}}
""")
