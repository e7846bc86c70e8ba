"""How rings are written down, in a file or in Vault: by algorithm, each generation as private JWK with its age."""

from collections.abc import Mapping
from typing import Any

from identity.domain.jose.key_ring import KeyRing, KeyRings, SigningKey
from shared_kernel.errors import InvalidInputError


def to_document(rings: KeyRings) -> dict[str, Any]:
    """Return the rings with their private keys, for a place nobody else may read."""
    return {name: _generations(ring) for name, ring in rings.rings.items()}


def from_document(document: Mapping[str, Any]) -> KeyRings:
    """Read what `to_document` wrote; raise InvalidInputError when it is damaged."""
    try:
        return KeyRings({name: _ring(generations, name) for name, generations in document.items()})
    except (KeyError, TypeError, ValueError, AttributeError) as cause:
        raise InvalidInputError("the key rings are damaged") from cause


def _generations(ring: KeyRing) -> dict[str, Any]:
    generations = {"next": ring.next, "current": ring.current, "previous": ring.previous}
    return {name: key and key.to_jwk() for name, key in generations.items()}


def _ring(generations: Mapping[str, Any], algorithm: str) -> KeyRing:
    previous = generations.get("previous")
    return KeyRing(
        next=SigningKey.from_jwk(generations["next"], algorithm),
        current=SigningKey.from_jwk(generations["current"], algorithm),
        previous=SigningKey.from_jwk(previous, algorithm) if previous else None)
