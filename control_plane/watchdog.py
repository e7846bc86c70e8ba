"""The embedded database is ours to keep: when its server is gone, it is started again."""

import asyncio

import structlog

from control_plane.database.embedded import EmbeddedPostgres

POLL_S = 2.0
_log = structlog.get_logger()


async def keep_running(server: EmbeddedPostgres) -> None:
    """Look every two seconds; a server that died is started, and recovers what was committed."""
    while True:
        await asyncio.sleep(POLL_S)
        if not await asyncio.to_thread(server.is_running):
            _log.error("embedded_postgres_gone", remedy="started again")
            await asyncio.to_thread(server.start)
