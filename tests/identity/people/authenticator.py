"""A software authenticator that can also lie: ES256 passkeys as WebAuthn 3 section 6 writes them."""

import hashlib
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

ORIGIN = "https://id.grid.test"
RP_ID = "id.grid.test"
UP, UV, BE, BS, AT = 0x01, 0x04, 0x08, 0x10, 0x40


def text(raw: bytes) -> str:
    """Return base64url without padding."""
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


@dataclass
class Authenticator:
    """One passkey; every field can be set wrong."""

    credential_id: bytes = b"credential-0001"
    origin: str = ORIGIN
    rp_id: str = RP_ID
    sign_count: int = 1
    flags: int = UP | UV
    client_data: dict[str, Any] = field(default_factory=dict)
    user_handle: bytes | None = None
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def create(self, options: str) -> str:
        """Return the answer to navigator.credentials.create()."""
        asked = json.loads(options)
        self.user_handle = urlsafe_b64decode(asked["user"]["id"] + "==")
        numbers = self.key.public_key().public_numbers()
        cose = cbor2.dumps({1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32), -3: numbers.y.to_bytes(32)})
        attested = bytes(16) + len(self.credential_id).to_bytes(2) + self.credential_id + cose
        data = self._head(AT) + attested
        return self._answer({
            "clientDataJSON": text(self._client_data("webauthn.create", asked["challenge"])),
            "attestationObject": text(cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})),
            "transports": ["internal", "nonsense"]})

    def get(self, options: str) -> str:
        """Return the answer to navigator.credentials.get()."""
        client_data = self._client_data("webauthn.get", json.loads(options)["challenge"])
        data = self._head()
        signature = self.key.sign(data + hashlib.sha256(client_data).digest(), ec.ECDSA(SHA256()))
        response = {"clientDataJSON": text(client_data), "authenticatorData": text(data), "signature": text(signature)}
        if self.user_handle is not None:
            response["userHandle"] = text(self.user_handle)
        return self._answer(response)

    def _head(self, more: int = 0) -> bytes:
        return (hashlib.sha256(self.rp_id.encode()).digest() + bytes([self.flags | more])
                + self.sign_count.to_bytes(4))

    def _client_data(self, kind: str, challenge: str) -> bytes:
        return json.dumps({"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": False}
                          | self.client_data).encode()

    def _answer(self, response: dict[str, Any]) -> str:
        return json.dumps({"id": text(self.credential_id), "rawId": text(self.credential_id), "type": "public-key",
                           "response": response, "clientExtensionResults": {}})
