"""Patience with a client that does not read: its answer may stand in our buffers for a while, then it is let go."""

import asyncio

from control_plane.gateway import metrics


class SlowReader:
    """One connection's deadline for reading; a client that reads anything in time gets the same time again."""

    __slots__ = ("_loop", "_seconds", "_timer", "_transport")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        self._transport, self._loop, self._seconds = transport, loop, seconds
        self._timer: asyncio.TimerHandle | None = None

    def wait(self) -> None:
        """Begin to wait: the buffers are full."""
        if self._timer is None:
            self._arm()

    def stop(self) -> None:
        """Wait no more: the client reads, or is gone."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        unread = self._transport.get_write_buffer_size()
        self._timer = self._loop.call_later(self._seconds, self._check, unread)

    def _check(self, unread_before: int) -> None:
        if self._transport.get_write_buffer_size() < unread_before:
            self._arm()
            return
        metrics.REFUSED.labels("slow-reader").inc()
        self._transport.abort()


class WaitingForReader(asyncio.Protocol):
    """A protocol, before uvicorn's in the order of its bases, that lets a client go which does not read."""

    _reader: SlowReader | None = None

    def pause_writing(self) -> None:
        """Give a client that does not read its time to begin."""
        super().pause_writing()
        if self._reader is not None:
            self._reader.wait()

    def resume_writing(self) -> None:
        """Go on: the client reads."""
        if self._reader is not None:
            self._reader.stop()
        super().resume_writing()
