"""A person of whom everything is known, as a row and as a value."""

from typing import Any

import orjson

from identity.domain.records import User
from tests.identity.world import World

PROFILE: dict[str, Any] = {
    "given_name": "Alice", "family_name": "Doe", "middle_name": "M", "nickname": "Al",
    "profile": "https://alice.example", "picture": "https://alice.example/me.png", "website": "https://alice.example/w",
    "gender": "female", "birthdate": "1980-01-02", "zoneinfo": "Europe/Tirane", "locale": "sq-AL",
    "address": {"formatted": "Rruga e Dritës 1\nTiranë", "street_address": "Rruga e Dritës 1", "locality": "Tiranë",
                "country": "AL", "unknown": "not told"},
    "phone_number": "+355 4 222 3333", "phone_number_verified": True,
    "shoe_size": "38",
}
UPDATED_AT_US = 1_700_000_000_123_456
ALICE = User("u-1", "alice", None, "active", frozenset({"grid_viewer"}), 1_600_000_000_000_000,
             email="alice@example.com", is_email_verified=True, profile=PROFILE, updated_at_us=UPDATED_AT_US)


async def known_well(world: World) -> None:
    """Let alice have told everything about herself."""
    await world.pool.execute(
        """UPDATE identity.users SET email = 'alice@example.com', is_email_verified = true, profile = $1,
        updated_at_us = $2 WHERE name = 'alice'""", orjson.dumps(PROFILE).decode(), UPDATED_AT_US)
    await world.pool.execute(
        """UPDATE identity.clients SET scopes = '{openid,profile,email,address,phone,api,offline_access}'""")
