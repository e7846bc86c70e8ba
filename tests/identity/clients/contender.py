"""A second process that shows the same assertion or proof at the same moment: run by the race tests.

Arguments: the database's URL, the folder of keys, how often to try, the client's assertion and its DPoP proof.
It says `ready`, waits for a line, tries both that often at once, and says how often each was taken.
"""

import asyncio
import sys
from collections.abc import Awaitable
from pathlib import Path

from control_plane.database.pools import open_pool
from control_plane.database.roles import APP
from identity.adapters.key_files import KeyFiles
from identity.domain.oauth.errors import OAuthError
from identity.service import IdentityProvider
from identity.store.database import Database
from shared_kernel.credentials import Credentials
from tests.conftest import START_US
from tests.frozen_clock import FrozenClock
from tests.identity.client_kit import ASSERTION_TYPE, TOKEN_URL
from tests.identity.world import ISSUER, ListRecorder


async def taken(tries: list[Awaitable[object]]) -> int:
    """Return how many of these were not refused; whatever is not a refusal is a fault."""
    found = await asyncio.gather(*tries, return_exceptions=True)
    for each in found:
        if isinstance(each, BaseException) and not isinstance(each, OAuthError):
            raise each
    return sum(not isinstance(each, BaseException) for each in found)


async def contend(provider: IdentityProvider, times: int, assertion: str, proof: str) -> tuple[int, int]:
    """Try both; return how often each was taken."""
    fields = {"client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion}
    client = await provider.clients.get("c1")
    assert client is not None
    plain, proved = Credentials(None, "POST", TOKEN_URL), Credentials(None, "POST", TOKEN_URL, (proof,))
    return (await taken([provider.clients.authenticate(plain, fields) for _ in range(times)]),
            await taken([provider.sender.binding(proved, client) for _ in range(times)]))


async def main(url: str, keys: str, times: str, assertion: str, proof: str) -> None:
    """Contend once the other side says go."""
    pool = await open_pool(url, APP, size=8)
    provider = IdentityProvider(Database(pool), ListRecorder(), FrozenClock(START_US), issuer=ISSUER,
                                keys=KeyFiles(Path(keys)))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.readline)
    counts = await contend(provider, int(times), assertion, proof)
    sys.stdout.write(f"{counts[0]} {counts[1]}\n")
    provider.close()
    await pool.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
