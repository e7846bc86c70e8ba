"""The copy `mongo`: the entries and the checkpoints as documents, for whoever queries MongoDB.

ledger_entries       _id {stream, seq}: recorded_at_us, prev_hash, entry_hash, payload (the exact bytes)
ledger_checkpoints   _id {stream, size}: note

A document is inserted once, with majority and journal, and never updated; BSON compares embedded documents field by
field in their order, so a range of `_id` is a range of positions. Dates and subdocuments are not used: BSON would
round times to milliseconds.
"""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from bson import Int64, MaxKey, MinKey
from bson.errors import InvalidDocument
from pymongo import AsyncMongoClient, WriteConcern
from pymongo.errors import BulkWriteError, ConfigurationError, OperationFailure, PyMongoError

from audit_ledger.domain.archive.copies import (
    NOWHERE,
    PAST_ALL,
    CopiedEntry,
    CopyDivergedError,
    CopyDownError,
    Difference,
    Divergence,
    Divergences,
)
from audit_ledger.domain.c2sp.checkpoint import Checkpoint
from audit_ledger.domain.c2sp.tiles import TILE_WIDTH
from audit_ledger.domain.entry import leaf_data_of
from audit_ledger.domain.head import Entry
from audit_ledger.domain.merkle import Subtree

Document = Mapping[str, Any]
_DUPLICATE_KEY = 11_000
_FIELDS = {"_id", "recorded_at_us", "prev_hash", "entry_hash", "payload"}
_NO_TREE: tuple[tuple[Subtree, bytes], ...] = ()
_DURABLE = WriteConcern(w="majority", j=True)


class MongoMirror:
    """One log's documents."""

    name = "mongo"
    granule = 1

    def __init__(self, client: AsyncMongoClient[Document], database: str, stream: str) -> None:
        self._client, self._stream = client, stream
        self._leaf_data = leaf_data_of(stream)
        self._entries = client[database].get_collection("ledger_entries", write_concern=_DURABLE)
        self._checkpoints = client[database].get_collection("ledger_checkpoints", write_concern=_DURABLE)

    @classmethod
    def connect(  # noqa: PLR0913 - what a connection needs
        cls, *, host: str, port: int, database: str, stream: str, user: str | None = None, password: str | None = None,
        patience_s: float = 5.0,
    ) -> "MongoMirror":
        """Return a mirror that connects when it is first used."""
        client: AsyncMongoClient[Document] = AsyncMongoClient(
            host, port, username=user, password=password, appname="gridwarden",
            serverSelectionTimeoutMS=int(patience_s * 1000), connectTimeoutMS=int(patience_s * 1000),
            socketTimeoutMS=int(patience_s * 6000))
        return cls(client, database, stream)

    async def close(self) -> None:
        """End the connections."""
        await self._client.close()

    async def note(self) -> bytes | None:
        """Return the newest checkpoint it holds."""
        with self._faults():
            found = await self._checkpoints.find_one(self._between("size", MinKey(), MaxKey()), sort=[("_id", -1)])
        return None if found is None else _bytes(found.get("note"))

    async def end(self) -> int:
        """Return the position after the last document; past every position if that is none."""
        with self._faults():
            found = await self._entries.find_one(self._between("seq", 0, MaxKey()), {"_id": 1}, sort=[("_id", -1)])
        if found is None:
            return 0
        seq = _number_of(found, "seq")
        return PAST_ALL if seq == NOWHERE else seq + 1

    async def add(self, entries: Sequence[Entry]) -> None:
        """Insert entries; one that is there must be the same to the byte, and stays."""
        documents = [self._document(entry) for entry in entries]
        with self._faults():
            try:
                await self._entries.insert_many(documents, ordered=False)
            except BulkWriteError as cause:
                errors = (cause.details or {}).get("writeErrors", [])
                if not errors or {error["code"] for error in errors} != {_DUPLICATE_KEY}:
                    raise
                await self._refuse_others([documents[error["index"]] for error in errors])

    async def replace(self, entries: Sequence[Entry]) -> None:
        """Put consecutive entries in the place of whatever lies at their positions."""
        first = MinKey() if entries[0].seq == 0 else entries[0].seq
        with self._faults():
            await self._entries.delete_many(self._between("seq", first, entries[-1].seq + 1))
            await self._entries.insert_many([self._document(entry) for entry in entries])

    async def publish(self, note: bytes, checkpoint: Checkpoint) -> None:
        """Insert the checkpoint, after the entries it covers."""
        wanted = {"_id": self._id("size", checkpoint.size), "note": note}
        with self._faults():
            try:
                await self._checkpoints.insert_many([wanted], ordered=False)
            except BulkWriteError as cause:
                held = await self._checkpoints.find_one({"_id": wanted["_id"]})
                if held is None:
                    raise
                if held != wanted:
                    seq = max(checkpoint.size - 1, 0)
                    raise CopyDivergedError(self.name, Divergence(Difference.DIFFERENT, seq, seq),
                                            f"it holds another checkpoint of size {checkpoint.size}") from cause

    async def restore(self, note: bytes, checkpoint: Checkpoint) -> None:
        """Remove every document of the log that the checkpoint does not cover; it becomes the only checkpoint."""
        size = checkpoint.size
        with self._faults():
            for ends in ((size, MaxKey()), (MinKey(), 0)):
                await self._entries.delete_many(self._between("seq", *ends))
            await self._checkpoints.delete_many(self._between("size", MinKey(), MaxKey()))
            for collection, field in ((self._entries, "seq"), (self._checkpoints, "size")):
                await collection.delete_many(self._misplaced(field))
            await self._checkpoints.insert_many([{"_id": self._id("size", size), "note": note}])

    async def read(self, start: int, stop: int) -> AsyncIterator[Sequence[CopiedEntry]]:
        """Yield what lies at the positions from `start` up to `stop`, in pages."""
        ends = self._between("seq", MinKey() if start == 0 else start, stop)
        page: list[CopiedEntry] = []
        with self._faults():
            async for document in self._entries.find(ends, sort=[("_id", 1)], batch_size=TILE_WIDTH):
                page.append(self._copied(document))
                if len(page) == TILE_WIDTH:
                    yield page
                    page = []
        yield page

    async def nodes(self, _size: int) -> AsyncIterator[tuple[Subtree, bytes]]:
        """Yield nothing: the mirror has no tree."""
        for place in _NO_TREE:
            yield place

    async def notes(self) -> AsyncIterator[tuple[int, bytes]]:
        """Yield every checkpoint it holds, with the size under which it lies."""
        everything = self._between("size", MinKey(), MaxKey())
        with self._faults():
            async for document in self._checkpoints.find(everything, sort=[("_id", 1)]):
                yield _number_of(document, "size"), _bytes(document.get("note"))

    async def strays(self, _size: int) -> int:
        """Return how many documents name the log and lie outside its positions."""
        with self._faults():
            return await self._entries.count_documents(self._misplaced("seq"))

    def _id(self, field: str, number: Any) -> dict[str, Any]:  # noqa: ANN401 - MinKey and MaxKey too
        return {"stream": self._stream, field: Int64(number) if isinstance(number, int) else number}

    def _between(self, field: str, first: Any, stop: Any) -> dict[str, Any]:  # noqa: ANN401 - the same
        return {"_id": {"$gte": self._id(field, first), "$lt": self._id(field, stop)}}

    def _misplaced(self, field: str) -> dict[str, Any]:
        """Match what says the stream and is outside every range of positions: other fields, or another order."""
        return {"_id.stream": self._stream, "_id": {"$not": self._between(field, MinKey(), MaxKey())["_id"]}}

    def _document(self, entry: Entry) -> dict[str, Any]:
        return {"_id": self._id("seq", entry.seq), "recorded_at_us": Int64(entry.recorded_at_us),
                "prev_hash": entry.prev_hash, "entry_hash": entry.entry_hash,
                "payload": entry.payload}

    def _copied(self, document: Document) -> CopiedEntry:
        """Read a document; one with any other field, or a field of another type, is unreadable."""
        seq, at = _number_of(document, "seq"), document.get("recorded_at_us")
        previous, found, payload = (_bytes(document.get(name)) for name in ("prev_hash", "entry_hash", "payload"))
        if not isinstance(at, Int64) or set(document) != _FIELDS or seq == NOWHERE:
            return CopiedEntry(seq, b"", found)
        return CopiedEntry(seq, self._leaf_data(previous, seq, at, payload), found)

    async def _refuse_others(self, wanted: Sequence[dict[str, Any]]) -> None:
        """Compare documents whose `_id` was taken with those that took it."""
        seqs = [document["_id"]["seq"] for document in wanted]
        taken = self._entries.find(self._between("seq", min(seqs), max(seqs) + 1))
        held = {self._copied(found) async for found in taken}
        others = Divergences()
        for expected in map(self._copied, wanted):
            if expected not in held:
                others.add(Difference.DIFFERENT, expected.seq, expected.seq)
        for first in others.all()[:1]:
            raise CopyDivergedError(self.name, first, "other documents lie there")

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except (PyMongoError, InvalidDocument, OSError) as cause:
            raise CopyDownError(self.name, _reason(cause)) from cause


def _reason(cause: Exception) -> str:
    """Return what an operator can act on: the server's own word for it (`AuthenticationFailed`), or the driver's."""
    if isinstance(cause, OperationFailure):
        return str((cause.details or {}).get("codeName") or f"code {cause.code}")
    return str(cause)[:200] if isinstance(cause, ConfigurationError) else type(cause).__name__


def _number_of(document: Document, field: str) -> int:
    """Return the number that an `_id` names; NOWHERE unless it is {stream, field: a 64-bit integer}."""
    place = document["_id"]
    if not isinstance(place, Mapping) or list(place) != ["stream", field] or not isinstance(place[field], Int64):
        return NOWHERE
    return int(place[field]) if place[field] >= 0 else NOWHERE


def _bytes(value: Any) -> bytes:  # noqa: ANN401 - a document may hold anything
    return value if type(value) is bytes else b""  # a subtype of BSON's binary is another class
