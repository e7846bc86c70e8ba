"""Makes client tokens of any shape, correctly signed."""

import json
from base64 import urlsafe_b64encode
from typing import Any

from joserfc.jws import JWSRegistry

from identity.domain.jose.algorithms import ALGORITHMS, Key

KEYS: dict[str, Key] = {name: algorithm.generate() for name, algorithm in ALGORITHMS.items()}
"""One key pair an algorithm."""


def b64(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def jwk(algorithm: str, **changes: object) -> dict[str, Any]:
    """Return the public JWK; a value None leaves the member out."""
    key = KEYS[algorithm]
    members = {**key.as_dict(private=False), "kid": key.thumbprint(), "use": "sig", "alg": algorithm} | changes
    return {name: value for name, value in members.items() if value is not None}


def key_set(*keys: dict[str, Any]) -> dict[str, Any]:
    return {"keys": list(keys)}


def forged(header: dict[str, Any] | bytes, payload: bytes | dict[str, Any], *, key: Key, algorithm: str) -> str:
    """Return a token with any header and payload, signed by that key."""
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    signed = f"{b64(raw)}.{b64(body)}"
    return f"{signed}.{b64(JWSRegistry.algorithms[algorithm].sign(signed.encode(), key))}"


def token(algorithm: str = "ES256", payload: bytes | dict[str, Any] = b'{"sub":"c"}', **header: object) -> str:
    """Return a good token, or one whose header is changed; a value None leaves the parameter out."""
    members = {"alg": algorithm, "typ": "JWT", "kid": KEYS[algorithm].thumbprint()} | header
    return forged({name: value for name, value in members.items() if value is not None}, payload,
                  key=KEYS[algorithm], algorithm=algorithm)
