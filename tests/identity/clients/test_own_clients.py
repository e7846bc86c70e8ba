"""Clients that are part of the product stay: deleting the console's would lock out every administrator."""

import pytest

from shared_kernel.errors import UnprocessableError
from tests.identity.world import World


async def test_a_client_of_our_own_is_not_deleted(world: World) -> None:
    await world.provider.ensure_client("console", redirect_uris=["http://127.0.0.1:8080/cb"], first_party=True)

    with pytest.raises(UnprocessableError, match="part of Gridwarden"):
        await world.provider.client_administration.delete("console", by="admin")

    assert await world.provider.clients.get("console") is not None
