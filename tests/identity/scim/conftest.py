"""A directory's client in front of a provider."""

from collections.abc import AsyncIterator

import httpx2 as httpx
import pytest

from tests.identity.scim.directory import ScimClient
from tests.identity.world import ISSUER, World


@pytest.fixture
async def scim(world: World) -> AsyncIterator[ScimClient]:
    """A client of SCIM that signed in as an administrator."""
    await world.provider.set_roles("alice", frozenset({"admin"}), by="test")
    token = (await world.tokens())["access_token"]
    async with httpx.AsyncClient(transport=httpx.ASGITransport(world.gateway), base_url=f"{ISSUER}/scim/v2/",
                                 headers={"Authorization": f"Bearer {token}"}) as http:
        yield ScimClient(http, world)
