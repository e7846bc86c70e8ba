"""A TCP proxy before PostgreSQL's Unix socket that loses answers, falls silent, or hangs up."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import parse_qs, urlsplit

ROOM_BYTES = 65_536
"""So little is on the way that a large batch meets the end of a silent network."""


class PostgresProxy:
    """Forwards bytes until told otherwise."""

    def __init__(self, socket: str) -> None:
        self._socket = socket
        self._lost: list[bytes] = []
        self._last_question = b""
        self._asks, self._answers = asyncio.Event(), asyncio.Event()
        self._writers: list[asyncio.StreamWriter] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self.cuts = 0
        self.speak()

    def lose_answer(self, marker: bytes) -> None:
        """Drop the next answer that holds the marker, and both connections with it."""
        self._lost.append(marker)

    def fall_silent(self) -> None:
        """Take everything and forward nothing, like a network that eats packets."""
        self._asks.clear()
        self._answers.clear()

    def take_no_more_after(self, question: bytes) -> None:
        """Forward the question that holds these bytes, and its answer, and nothing that follows."""
        self._last_question = question

    def speak(self) -> None:
        """Forward again, also what was held back."""
        self._last_question = b""
        self._asks.set()
        self._answers.set()

    async def serve(self, client_reader: asyncio.StreamReader, client_writer: asyncio.StreamWriter) -> None:
        """Join one client with a connection of its own."""
        await self._asks.wait()
        server_reader, server_writer = await asyncio.open_unix_connection(self._socket)
        ends = (client_writer, server_writer)
        self._writers += ends
        for reader, writer, is_answer in ((client_reader, server_writer, False), (server_reader, client_writer, True)):
            task = asyncio.create_task(self._forward(reader, writer, ends, is_answer=is_answer))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def hang_up(self) -> None:
        """End every connection."""
        for writer in self._writers:
            writer.transport.abort()
        for task in self._tasks:
            task.cancel()

    async def _forward(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, ends: tuple[asyncio.StreamWriter, ...], *,
        is_answer: bool,
    ) -> None:
        flows = self._answers if is_answer else self._asks
        try:
            while data := await reader.read(65_536):
                await flows.wait()
                if is_answer and self._lost and self._lost[0] in data:
                    self._lost.pop(0)
                    self.cuts += 1
                    break
                writer.write(data)
                await writer.drain()
                if not is_answer and self._last_question and self._last_question in data:
                    flows.clear()
        except OSError:
            pass
        for end in ends:
            end.transport.abort()


@asynccontextmanager
async def proxied(url: str) -> AsyncIterator[tuple[PostgresProxy, str]]:
    """Give a proxy and the URL of the same database behind it."""
    parts = urlsplit(url)
    proxy = PostgresProxy(f"{parse_qs(parts.query)['host'][0]}/.s.PGSQL.5432")
    door = socket.socket()
    door.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, ROOM_BYTES)
    door.bind(("127.0.0.1", 0))
    server = await asyncio.start_server(proxy.serve, sock=door)
    port = door.getsockname()[1]
    try:
        yield proxy, f"{parts.scheme}://{parts.username}@127.0.0.1:{port}{parts.path}"
    finally:
        server.close()
        proxy.speak()
        proxy.hang_up()
