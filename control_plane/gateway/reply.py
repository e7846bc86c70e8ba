"""The way out: every answer carries the security headers and the request id, whoever wrote it."""

from collections.abc import Sequence

from starlette.types import Message, Send

Headers = list[tuple[bytes, bytes]]

_ALWAYS: Headers = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
]
_UNLESS_SET: Headers = [
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cache-control", b"no-store"),
]
_HTTPS_ONLY = (b"strict-transport-security", b"max-age=63072000; includeSubDomains")
_OURS = frozenset({
    b"x-request-id", b"gridwarden-request-id", b"gridwarden-watermark", b"server", _HTTPS_ONLY[0],
    *(name for name, _ in _ALWAYS),
})
_STARTS = frozenset({"http.response.start", "websocket.accept", "websocket.http.response.start"})


class Reply:
    """A request's send channel; remembers with which status the answer began (0: not yet)."""

    __slots__ = ("_offered", "_own", "_send", "is_https", "status")

    def __init__(self, send: Send, *, request_id: str, is_https: bool) -> None:
        self._send = send
        self._own: Headers = [*_ALWAYS, (b"x-request-id", request_id.encode("ascii"))]
        self._offered: Headers = _UNLESS_SET
        self.is_https = is_https
        self.status = 0

    def repeat(self, request_id: bytes) -> None:
        """Let the answer carry the caller's name for its request, and our own under another name."""
        self._own = [(b"gridwarden-request-id" if name == b"x-request-id" else name, value)
                     for name, value in self._own] + [(b"x-request-id", request_id)]

    def own(self, name: bytes, value: str) -> None:
        """Let the answer carry a field of ours, whatever whoever answers sets."""
        self._own = [*self._own, (name, value.encode("ascii"))]

    def offer(self, name: bytes, value: str) -> None:
        """Let the answer carry a field, unless whoever answers sets it."""
        self._offered = [*self._offered, (name, value.encode("ascii"))]

    def offer_all(self, fields: Sequence[tuple[bytes, str]]) -> None:
        """Let the answer carry these fields, unless whoever answers sets them; a name offered again replaces."""
        if fields:
            names = {name for name, _ in fields}
            self._offered = [*(field for field in self._offered if field[0] not in names),
                             *((name, value.encode("ascii")) for name, value in fields)]

    async def __call__(self, message: Message) -> None:
        """Send one message, its headers completed when it begins the answer."""
        kind = message["type"]
        if kind in _STARTS:
            self.status = message.get("status", 101)
            message["headers"] = self._completed(message.get("headers", ()))
        await self._send(message)

    def _completed(self, given: Sequence[tuple[bytes, bytes]]) -> Headers:
        kept = [(name, value) for name, value in given if name.lower() not in _OURS]
        names = {name.lower() for name, _ in kept}
        found = [*kept, *self._own, *(header for header in self._offered if header[0] not in names)]
        if self.is_https:
            found.append(_HTTPS_ONLY)
        return found
