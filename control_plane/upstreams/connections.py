"""Connections to services that are used again only while nothing is odd about them.

aiohttp gives a connection back as soon as an answer's last byte is parsed, and looks at it no more before its next use:
what a service sends in between would be taken for the answer to somebody else's request. And a head that two readers
may read differently is found out when the connection may be back already. Both are closed here. And aiohttp keeps any
number of interim answers (1xx) until somebody reads them: here a few are borne.
"""

from functools import partial
from typing import Any, cast

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection

from control_plane.upstreams.fields import Head, UnusableHeadError, checked_head

_TRIES = 3
MAX_INTERIM = 32
"""How many answers such as 100, 102 and 103 may come before one that counts."""
_INTERIM = range(100, 200)
_SWITCHING_PROTOCOLS = 101


class _Carrier(ResponseHandler):
    """One connection."""

    _interim = 0

    def feed_data(self, data: Any, size: int = 0) -> None:  # noqa: ANN401 - aiohttp's own
        """Keep an answer's head; drop what follows too many interim ones, and the connection."""
        if self._interim > MAX_INTERIM:
            return
        code = data[0].code
        self._interim = self._interim + 1 if code in _INTERIM and code != _SWITCHING_PROTOCOLS else 0
        if self._interim <= MAX_INTERIM:
            super().feed_data(data, size)
        elif self.transport is not None:
            self.transport.close()
            self.set_exception(aiohttp.http.HttpProcessingError(code=502, message="too many interim answers"))


class CleanConnector(aiohttp.TCPConnector):
    """A pool that hands out only connections on which nothing waits to be read."""

    def __init__(self, **options: Any) -> None:  # noqa: ANN401 - aiohttp's own
        super().__init__(**options)
        self._factory = cast("Any", partial(_Carrier, loop=self._loop))

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
            if self.status == _SWITCHING_PROTOCOLS:
                self._refuse_unoffered()
        except UnusableHeadError:
            if carrier is not None:
                carrier.close()
            raise
        return found

    def _refuse_unoffered(self) -> None:
        """Raise UnusableHeadError for a websocket by another protocol than was asked for (RFC 6455 section 4.1)."""
        offered = [name.strip() for name in self.request_info.headers.get("Sec-WebSocket-Protocol", "").split(",")]
        chosen = self.headers.getall("Sec-WebSocket-Protocol", [])
        if len(chosen) > 1 or not set(chosen) <= set(offered) or "Sec-WebSocket-Extensions" in self.headers:
            raise UnusableHeadError("it speaks a subprotocol or an extension that nobody offered")
