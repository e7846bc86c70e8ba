"""The body cap: what arrives is counted, because Content-Length may lie and chunked bodies have none."""

from starlette.types import Message, Receive

from shared_kernel.errors import TooLargeError


class BodyTooLargeError(TooLargeError):
    """The body is longer than its route takes."""

    def __init__(self, cap: int) -> None:
        super().__init__(f"the body is longer than the {cap} bytes this route takes: send less at a time")


class CappedBody:
    """A request's receive channel that raises BodyTooLargeError once more than `cap` bytes came."""

    __slots__ = ("_cap", "_receive", "_taken")

    def __init__(self, receive: Receive, cap: int) -> None:
        self._receive, self._cap, self._taken = receive, cap, 0

    async def __call__(self) -> Message:
        """Receive the next message."""
        message = await self._receive()
        if message["type"] == "http.request":
            self._taken += len(message.get("body", b""))
            if self._taken > self._cap:
                raise BodyTooLargeError(self._cap)
        return message
