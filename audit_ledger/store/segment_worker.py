"""Walks stretches of a ledger on a connection of its own; also as a process that is asked by its standard input.

A process says only "whole", or nothing: what is damaged, or what it could not read, whoever asked walks himself.
"""

import asyncio
import os
import pickle
import sys
from contextlib import aclosing
from dataclasses import astuple, dataclass
from struct import Struct
from typing import Any, BinaryIO

import asyncpg

from audit_ledger.domain.audit.segment import SegmentWalk
from audit_ledger.domain.audit.walk import Segment
from audit_ledger.store.faults import DRIVER_ERRORS
from audit_ledger.store.snapshot import Snapshot

LENGTH = Struct(">I")
ENDS = Struct(">qq")


@dataclass(frozen=True, slots=True)
class Source:
    """Where and as whom a stretch is read: a database, a role, an exported snapshot, a stream."""

    url: str
    role: str
    snapshot: str
    stream: str
    page_rows: int


class SegmentWorker:
    """Sees the same unchanging view as whoever exported it."""

    def __init__(self, source: Source, connection: Any) -> None:  # noqa: ANN401 - asyncpg is untyped
        self._source, self._connection = source, connection
        self._snapshot = Snapshot(connection, source.stream)

    @classmethod
    async def opened(cls, source: Source) -> "SegmentWorker":
        """Connect; raise one of DRIVER_ERRORS when that cannot be."""
        connection = await asyncpg.connect(source.url, timeout=10, server_settings={"role": source.role})
        try:
            await connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            quoted = source.snapshot.replace("'", "''")
            await connection.execute(f"SET TRANSACTION SNAPSHOT '{quoted}'")
        except BaseException:
            connection.terminate()
            raise
        return cls(source, connection)

    async def walk(self, start: int, stop: int) -> Segment | None:
        """Walk one stretch; None unless it is whole."""
        found = SegmentWalk(self._source.stream, start)
        try:
            async with aclosing(self._snapshot.pages(start, self._source.page_rows, stop)) as pages:
                async for page in pages:
                    if not found.feed(page):
                        return None
        except DRIVER_ERRORS:
            return None
        return found.finish(stop)

    def close(self) -> None:
        """Drop the connection."""
        self._connection.terminate()


def command() -> list[str]:
    """Return the command that runs `serve` in a process with our own modules."""
    return [sys.executable, "-c", f"import sys; sys.path[:] = {sys.path!r}; from {__name__} import serve; serve()"]


def asked(source: Source) -> bytes:
    """Return the first message to a process."""
    message = pickle.dumps(astuple(source))
    return LENGTH.pack(len(message)) + message


def answered(message: bytes) -> Segment | None:
    """Read an answer of a process that we started."""
    fields = pickle.loads(message)  # noqa: S301 - written by our own child
    return Segment(*fields) if fields else None


def serve() -> None:
    """Take a source, then answer stretches in order until the input ends."""
    questions, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    [length] = LENGTH.unpack(questions.read(LENGTH.size))
    source = Source(*pickle.loads(questions.read(length)))  # noqa: S301 - written by our parent
    asyncio.run(_serve(source, questions, answers))


async def _serve(source: Source, questions: BinaryIO, answers: BinaryIO) -> None:
    worker = await SegmentWorker.opened(source)
    while question := questions.read(ENDS.size):
        found = await worker.walk(*ENDS.unpack(question))
        message = pickle.dumps(astuple(found) if found else None)
        answers.write(LENGTH.pack(len(message)) + message)
        answers.flush()
