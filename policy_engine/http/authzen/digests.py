"""What stands for a JSON value whatever its size: SHA-256 over one spelling of it."""

import json
from hashlib import sha256


def digest_of(value: object) -> bytes:
    """Return the digest; members in order, ASCII, integers of any length (orjson knows 64 bits only)."""
    return sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode("ascii")).digest()
