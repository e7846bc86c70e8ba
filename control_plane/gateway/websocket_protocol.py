"""A websocket as the gateway takes it: uvicorn's protocol on `websockets`, with bounds where that has none.

`websockets` itself refuses what RFC 6455 forbids (unmasked, oversized or fragmented control frames, reserved bits, bad
close codes, invalid UTF-8, messages over the size). Added here: how many fragments a message may have, pongs that are
not piled up for a client that does not read, and an end for such a client. Compression is not offered at all.
"""

import asyncio
from typing import Any, cast

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame

from control_plane.gateway.connections import Seat
from control_plane.gateway.slow_reader import SlowReader, WaitingForReader

MAX_FRAGMENTS = 64
_MESSAGE_TOO_BIG = 1009


class StrictWebSocket(WaitingForReader, WebSocketsSansIOProtocol):
    """One websocket, on the seat of the connection it was upgraded from."""

    def __init__(
        self, *args: Any, seat: Seat | None, write_timeout_s: float, **options: Any,  # noqa: ANN401 - uvicorn's own
    ) -> None:
        super().__init__(*args, **options)
        self._seat, self._write_timeout_s = seat, write_timeout_s

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take over the connection."""
        super().connection_made(transport)
        self._reader = SlowReader(cast("asyncio.Transport", transport), self.loop, self._write_timeout_s)

    def connection_lost(self, exc: Exception | None) -> None:
        """Give the seat back."""
        if self._reader is not None:
            self._reader.stop()
        if self._seat is not None:
            self._seat.leave()
        super().connection_lost(exc)

    async def send(self, message: Any) -> None:  # noqa: ANN401 - ASGI's own
        """Send; uvicorn would report a handshake that was refused and answered as a fault of ours."""
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and self.close_sent:
            self.handshake_complete = True

    def shutdown(self) -> None:
        """Say farewell, unless the handshake was refused: that answer closes the connection by itself."""
        if self.initial_response is None:
            super().shutdown()

    def handle_ping(self) -> None:
        """Answer, unless earlier answers are still unread."""
        if self.writable.is_set():
            super().handle_ping()
        else:
            self.conn.data_to_send()

    def handle_cont(self, event: Frame) -> None:
        """Take a fragment; a message in many pieces, all empty perhaps, is closed as too big."""
        if len(self.frames) >= MAX_FRAGMENTS:
            self.conn.fail(_MESSAGE_TOO_BIG, f"more than {MAX_FRAGMENTS} fragments")
            self.handle_parser_exception()
            return
        super().handle_cont(event)
