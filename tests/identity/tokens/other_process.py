"""A second process of the same provider, for races and for deaths: it says `ready`, waits for a line, then acts.

    python -m tests.identity.tokens.other_process URL KEYS NOW_US TIMES PARAMETERS [hang]

With `hang` it never comes back from sealing: after the claim, before the commit.
"""

import asyncio
import json
import sys
from pathlib import Path

from control_plane.database.pools import open_pool
from control_plane.database.roles import APP
from identity.adapters.key_files import KeyFiles
from identity.domain.oauth.errors import OAuthError
from identity.service import IdentityProvider
from identity.store.database import Database
from shared_kernel.context import RequestContext
from shared_kernel.events import Event, Receipt
from tests.frozen_clock import FrozenClock
from tests.identity.world import ISSUER, ListRecorder


class HangingRecorder(ListRecorder):
    """A ledger that never answers."""

    async def record(self, event: Event) -> Receipt:
        """Say that it has come this far, and stay."""
        say("sealing")
        await asyncio.sleep(3_600)
        return await super().record(event)


def say(line: str) -> None:
    """Tell the parent."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def main(url: str, keys: str, now_us: str, times: str, parameters: str, *rest: str) -> None:
    """Ask the token endpoint as often as told, all at once; tell how each went."""
    pool = await open_pool(url, APP, size=8)
    recorder = HangingRecorder() if rest else ListRecorder()
    provider = IdentityProvider(Database(pool), recorder, FrozenClock(int(now_us)), issuer=ISSUER,
                                keys=KeyFiles(Path(keys)))
    pairs = list(json.loads(parameters).items())

    async def ask() -> str:
        try:
            await provider.token(pairs, RequestContext("other"))
        except OAuthError as error:
            return error.code
        return "ok"

    say("ready")
    await asyncio.to_thread(sys.stdin.readline)
    say(json.dumps(await asyncio.gather(*(ask() for _ in range(int(times))))))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
