"""A second process that brings the same request_uri at the same moment: run by the race test.

Arguments: the database's URL, the folder of keys, how often to try, the session's cookie and the request_uri.
It says `ready`, waits for a line, asks that often at once, and says how many codes it got.
"""

import asyncio
import sys
from pathlib import Path

from control_plane.database.pools import open_pool
from control_plane.database.roles import APP
from identity.adapters.key_files import KeyFiles
from identity.domain.oauth.responses import AuthorizationResponse
from identity.service import IdentityProvider
from identity.service.oauth.authorization import Visit
from identity.store.database import Database
from tests.conftest import START_US
from tests.frozen_clock import FrozenClock
from tests.identity.world import ISSUER, ListRecorder


async def codes(provider: IdentityProvider, times: int, cookie: str, request_uri: str) -> int:
    """Ask that often at once; return how many codes came."""
    pairs = [("client_id", "fapi"), ("request_uri", request_uri)]
    found = await asyncio.gather(*(provider.authorizations.answer(pairs, Visit(cookie)) for _ in range(times)))
    return sum(isinstance(each, AuthorizationResponse) and "code" in each.parameters for each in found)


async def main(url: str, keys: str, times: str, cookie: str, request_uri: str) -> None:
    """Contend once the other side says go."""
    pool = await open_pool(url, APP, size=8)
    provider = IdentityProvider(Database(pool), ListRecorder(), FrozenClock(START_US + 2_000_000), issuer=ISSUER,
                                keys=KeyFiles(Path(keys)))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.readline)
    sys.stdout.write(f"{await codes(provider, int(times), cookie, request_uri)}\n")
    provider.close()
    await pool.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
