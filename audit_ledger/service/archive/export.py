"""Exports: what a bundle holds is read here, page by page.

1. the checkpoints it stands on     3. single entries with their proofs
2. the entries, in chunks           4. the nodes beside the entries, and proofs between the checkpoints

What the database gives is written as it is: a damaged ledger makes a bundle whose verification names the damage.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from audit_ledger.adapters.bundle_file import BundleWriter, scratch_file
from audit_ledger.domain.archive.bundle import CHUNK, Manifest, Record
from audit_ledger.domain.archive.retention import refuse_pruned
from audit_ledger.domain.c2sp.checkpoint import MAX_SIZE, Checkpoint, open_checkpoint
from audit_ledger.domain.c2sp.note import VerifierKey
from audit_ledger.domain.entry import GENESIS, leaf_data_of
from audit_ledger.domain.errors import UncheckableError
from audit_ledger.domain.head import Entry
from audit_ledger.domain.merkle import Span
from audit_ledger.service.prover import Prover
from audit_ledger.store.cosignatures import Cosignatures
from audit_ledger.store.pruner import Prunes
from audit_ledger.store.reader import LedgerReader
from shared_kernel.errors import InvalidInputError, NotFoundError, TooLargeError

Progress = Callable[[int, int], None]
"""Called with (entries written, entries in all)."""

_PAGE_ROWS = 512
_PACKED_ENTRIES, _PACKED_SINGLES, _PACKED_BYTES = 50_000, 1_000, 64 * 1024 * 1024
_COSIGNED = 100
"""The newest cosigned checkpoints looked at."""


@dataclass(frozen=True, slots=True)
class Request:
    """Which entries: from `since` to before `until`, and single ones.

    Not given is the first that is here, and all under the newest checkpoint; with single ones alone there is no range.
    """

    since: int | None = None
    until: int | None = None
    singles: tuple[int, ...] = ()


class Exporter:
    """Writes bundles with a reader's rights; the key is the ledger's, so that nothing unsigned gets into one."""

    def __init__(self, reader: LedgerReader, cosignatures: Cosignatures, prunes: Prunes, key: VerifierKey) -> None:
        self._reader, self._cosignatures, self._prunes, self._key = reader, cosignatures, prunes, key
        self._prover = Prover(reader)
        self._leaf_data = leaf_data_of(reader.stream)

    async def export(self, path: Path, request: Request, progress: Progress | None = None) -> Manifest:
        """Write a bundle to a new file; NotFoundError when it asks for what is pruned or under no checkpoint yet."""
        newest = await self._newest()
        span, singles = await self._span(request, newest), tuple(sorted({*request.singles}))
        notes = await self._notes(span, newest)
        with BundleWriter(path) as bundle:
            for size, note in notes.items():
                await asyncio.to_thread(bundle.add_note, size, note)
            head = await self._write_entries(bundle, span, progress or _unseen)
            for seq in singles:
                await self._write_single(bundle, seq, max(notes))
            manifest = await self._manifest(span, head, singles, tuple(notes))
            await asyncio.to_thread(bundle.add_manifest, manifest)
        return manifest

    async def packed(self, request: Request) -> bytes:
        """Return a bundle as bytes; TooLargeError beyond 50,000 entries or 64 MiB, which are for the command line."""
        span = await self._span(request, await self._newest())
        if span.end - span.start > _PACKED_ENTRIES or len(request.singles) > _PACKED_SINGLES:
            raise TooLargeError(f"a bundle over HTTP has at most {_PACKED_ENTRIES} entries: name a range, or use "
                                "`gridwarden ledger export`")
        with scratch_file() as path:
            await self.export(path, request)
            if path.stat().st_size > _PACKED_BYTES:
                raise TooLargeError(f"a bundle over HTTP has at most {_PACKED_BYTES // 1_048_576} MiB: name a smaller "
                                    "range, or use `gridwarden ledger export`")
            return await asyncio.to_thread(path.read_bytes)

    async def _newest(self) -> int:
        note = await self._reader.checkpoint_before(MAX_SIZE)
        size = self._signed(note).size if note else 0
        if not size:
            raise NotFoundError("no checkpoint over any entry is published yet: nothing could be proven")
        return size

    async def _span(self, request: Request, newest: int) -> Span:
        marks = await self._prunes.marks()
        begin = max((mark.size for mark in marks), default=0)
        since = begin if request.since is None else request.since
        until = newest if request.until is None else request.until
        if request.singles and request.since is None and request.until is None:
            since = until = 0
        for seq in (*request.singles, *range(since, until)[:1]):
            refuse_pruned(seq, marks)
        if max([until, *(seq + 1 for seq in request.singles)]) > newest:
            raise NotFoundError(f"the newest checkpoint covers {newest} entries: ask for what lies below it")
        if not 0 <= since <= until or min(request.singles, default=0) < 0 or not (since < until or request.singles):
            raise InvalidInputError(f"there are no entries from {since} to before {until}")
        return Span(since, until)

    async def _notes(self, span: Span, newest: int) -> dict[int, bytes]:
        """Return by size: the newest checkpoint, the best cosigned one, and the one at or before the range."""
        begin = max((mark.size for mark in await self._prunes.marks()), default=0)
        cosigned = [(self._signed(note).size, note) for note in await self._cosignatures.notes(_COSIGNED)]
        before = await self._reader.checkpoint_before(span.start) if span.start else None
        last = await self._reader.checkpoint_before(newest)
        found = [(self._signed(note).size, note) for note in (before, last) if note]
        found += sorted(cosigned, key=lambda each: (each[0] >= span.end, each[1].count(b"\n"), each[0]))[-1:]
        found += [each for each in cosigned if each[0] == newest]
        return dict(sorted((size, note) for size, note in found if size > 0 and begin <= size <= newest))

    async def _write_entries(self, bundle: BundleWriter, span: Span, progress: Progress) -> bytes:
        """Write the range in chunks and return the hash of its last entry."""
        head, total = GENESIS, span.end - span.start
        for first in range(span.start, span.end, CHUNK):
            with bundle.chunk(first) as chunk:
                at, stop = first, min(first + CHUNK, span.end)
                while at < stop:
                    page = await self._reader.entries(at, min(_PAGE_ROWS, stop - at))
                    if not page or page[0].seq != at or page[-1].seq != at + len(page) - 1:
                        raise UncheckableError(f"entries from {at} on are not in the database: run "
                                               "`gridwarden ledger verify`")
                    await asyncio.to_thread(chunk.write, b"".join(self._record(entry).to_bytes() for entry in page))
                    at, head = page[-1].seq + 1, page[-1].entry_hash
                    progress(at - span.start, total)
        return head

    async def _write_single(self, bundle: BundleWriter, seq: int, size: int) -> None:
        entries = await self._reader.entries(seq, 1)
        if not entries or entries[0].seq != seq:
            raise NotFoundError(f"the ledger has no entry {seq}")
        proof = await self._prover.inclusion(seq, size)
        await asyncio.to_thread(bundle.add_single, seq, self._record(entries[0]), proof.path)

    async def _manifest(
        self, span: Span, head: bytes, singles: tuple[int, ...], checkpoints: tuple[int, ...],
    ) -> Manifest:
        proofs = [tuple(await self._prover.consistency(old, new)) for old, new in pairwise(checkpoints)]
        return Manifest(
            self._reader.stream, span.start, span.end, head,
            left=tuple(await self._prover.nodes(Span(0, span.start))),
            right=tuple(await self._prover.nodes(Span(span.end, checkpoints[-1]))),
            singles=singles, checkpoints=checkpoints, consistency=tuple(proofs),
        )

    def _record(self, entry: Entry) -> Record:
        return Record(self._leaf_data(entry.prev_hash, entry.seq, entry.recorded_at_us, entry.payload), entry.payload)

    def _signed(self, note: bytes) -> Checkpoint:
        return open_checkpoint(note, self._reader.stream, self._key)


def _unseen(_done: int, _total: int) -> None:
    """Nobody watches."""
