"""Connections to services that are used again only while nothing is odd about them.

aiohttp gives a connection back as soon as an answer's last byte is parsed, and looks at it no more before its next use:
what a service sends in between would be taken for the answer to somebody else's request. And a head that two readers
may read differently is found out when the connection may be back already. Both are closed here.
"""

from typing import Any

import aiohttp
from aiohttp.connector import Connection

from control_plane.upstreams.fields import Head, UnusableHeadError, checked_head

_TRIES = 3


class CleanConnector(aiohttp.TCPConnector):
    """A pool that hands out only connections on which nothing waits to be read."""

    async def connect(self, *args: Any, **options: Any) -> Connection:  # noqa: ANN401 - aiohttp's own
        """Return such a connection; raise ServerDisconnectedError for a service that always speaks first."""
        for _ in range(_TRIES):
            connection = await super().connect(*args, **options)
            protocol = connection.protocol
            if protocol is not None and not protocol.should_close:
                return connection
            connection.close()
        raise aiohttp.ServerDisconnectedError("it speaks before it is asked")


class CheckedResponse(aiohttp.ClientResponse):
    """A response whose head was checked before its connection can be used again."""

    head: Head

    async def start(self, connection: Connection) -> aiohttp.ClientResponse:
        """Read the head; raise UnusableHeadError and close the connection when it cannot be believed."""
        carrier = connection.protocol
        found = await super().start(connection)
        try:
            self.head = checked_head(self.status, list(self.raw_headers))
        except UnusableHeadError:
            if carrier is not None:
                carrier.close()
            raise
        return found
