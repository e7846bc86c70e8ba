"""Ed25519 (RFC 8032) that refuses what the library accepts: keys of small order and non-canonical encodings.

`cryptography` verifies arbitrary messages under the identity point; such a key signs everything, so it is no key.
"""

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from audit_ledger.domain.errors import MalformedNoteError

KEY_BYTES = 32
SIGNATURE_BYTES = 64
_P = 2**255 - 19
_Y_ORDER_8 = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7
_SMALL_ORDER_Y = frozenset({0, 1, _P - 1, _Y_ORDER_8, _P - _Y_ORDER_8})
"""The y coordinates of the eight points whose order divides 8."""


def public_key(raw: bytes) -> Ed25519PublicKey:
    """Return a verification key; raise MalformedNoteError for one that cannot identify anybody."""
    if len(raw) != KEY_BYTES:
        raise MalformedNoteError(f"an Ed25519 key has {KEY_BYTES} bytes, not {len(raw)}")
    y = int.from_bytes(raw, "little") & ((1 << 255) - 1)
    if y >= _P or y in _SMALL_ORDER_Y:
        raise MalformedNoteError("the Ed25519 key is a point of small order or not canonical: anybody could sign")
    return Ed25519PublicKey.from_public_bytes(raw)


def is_signed(key: Ed25519PublicKey, message: bytes, signature: bytes) -> bool:
    """Tell whether the signature is the key's over the message."""
    if len(signature) != SIGNATURE_BYTES:
        return False
    try:
        key.verify(signature, message)
    except InvalidSignature:
        return False
    return True


def private_key(seed: bytes) -> Ed25519PrivateKey:
    """Return a signing key from its 32 secret bytes."""
    if len(seed) != KEY_BYTES:
        raise MalformedNoteError(f"an Ed25519 seed has {KEY_BYTES} bytes, not {len(seed)}")
    return Ed25519PrivateKey.from_private_bytes(seed)
