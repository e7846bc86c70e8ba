"""Identifiers: time-ordered UUIDs (RFC 9562, version 7) and unguessable secrets."""

import os
import secrets
import time

_VERSION_AND_VARIANT = (0x7 << 76) | (0b10 << 62)


def uuid7() -> str:
    """Return a UUID version 7 (RFC 9562 section 5.7): 48 bits of milliseconds, 74 random bits."""
    random_bits = int.from_bytes(os.urandom(10), "big")
    rand_a = (random_bits >> 62) & 0xFFF
    rand_b = random_bits & ((1 << 62) - 1)
    millis = time.time_ns() // 1_000_000
    text = f"{(millis << 80) | _VERSION_AND_VARIANT | (rand_a << 64) | rand_b:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def secret() -> str:
    """Return 256 random bits as 43 URL-safe characters."""
    return secrets.token_urlsafe(32)
