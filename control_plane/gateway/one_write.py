"""A transport that sends what is written in one turn of the event loop at once.

The server writes an answer's head and body apart, and each write is a system call that wakes the other side: half of a
short answer's CPU time. Held together they leave in one.
"""

import asyncio
from typing import Any

HOLD_BYTES = 65_536
"""More than this is not copied together: it leaves at once, behind what is held."""


class OneWriteTransport:
    """Wraps a connection's transport; whatever it does not do itself, the transport does."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop = transport, loop
        self._held: list[bytes] = []
        self._held_bytes = 0

    def write(self, data: bytes) -> None:
        """Hold bytes until this turn of the loop ends, or until enough are together."""
        if not self._held:
            self._loop.call_soon(self.flush)
        self._held.append(data)
        self._held_bytes += len(data)
        if self._held_bytes > HOLD_BYTES:
            self.flush()

    def flush(self) -> None:
        """Send what is held, if anybody is still there."""
        held, self._held, self._held_bytes = self._held, [], 0
        if held and not self._transport.is_closing():
            self._transport.write(b"".join(held))

    def close(self) -> None:
        """Send what is held, then close."""
        self.flush()
        self._transport.close()

    def get_write_buffer_size(self) -> int:
        """Return how many bytes are not sent yet."""
        return self._held_bytes + self._transport.get_write_buffer_size()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Send what is held and hand the connection over, as for a websocket."""
        self.flush()
        self._transport.set_protocol(protocol)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - the transport's own
        return getattr(self._transport, name)
