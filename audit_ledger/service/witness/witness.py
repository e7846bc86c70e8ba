"""The Witness: cosigns a log's checkpoints as long as each tree extends the one before (C2SP tlog-witness)."""

import asyncio
from collections.abc import Iterable

import structlog

from audit_ledger.adapters.witness_files import Memory, WitnessFolder
from audit_ledger.domain.c2sp.add_checkpoint import AddCheckpoint, Seen, TwoTreesError, refuse_unless_extending
from audit_ledger.domain.c2sp.checkpoint import Checkpoint, open_checkpoint, read_unverified
from audit_ledger.domain.c2sp.cosignature import Cosigner
from audit_ledger.domain.c2sp.note import VerifierKey
from audit_ledger.domain.errors import MalformedNoteError, UntrustedNoteError
from shared_kernel.clock import Clock
from shared_kernel.errors import ForbiddenError, NotFoundError, UnavailableError

log = structlog.get_logger()


class UnknownOriginError(NotFoundError):
    """The witness does not watch this log (404)."""

    def __init__(self, origin: str) -> None:
        super().__init__(f"this witness does not watch {origin[:200]}: its operator must add the log's verifier key")


class UnsignedCheckpointError(ForbiddenError):
    """No key that the witness knows of the log signed the checkpoint (403)."""


class DamagedMemoryError(UnavailableError):
    """The file of what was seen last is not a checkpoint of this log; the witness cosigns nothing until it is."""

    def __init__(self, origin: str) -> None:
        super().__init__(f"what this witness remembers of {origin} is damaged: restore its newest copy, no older one")


class Witness:
    """Watches the logs whose verifier keys it was given; a key's name is its log's origin."""

    def __init__(self, cosigner: Cosigner, logs: Iterable[VerifierKey], folder: WitnessFolder, clock: Clock) -> None:
        self._cosigner, self._folder, self._clock = cosigner, folder, clock
        self._logs: dict[str, list[VerifierKey]] = {}
        for key in logs:
            self._logs.setdefault(key.name, []).append(key)

    async def add_checkpoint(self, body: bytes) -> str:
        """Return the cosignature line for an add-checkpoint request; what it covers is on disk by then.

        Raises MalformedNoteError, UnknownOriginError, UnsignedCheckpointError, OutdatedSizeError, TwoTreesError,
        InconsistentTreeError, UnavailableError; then nothing was cosigned.
        """
        return await asyncio.to_thread(self._add, body)

    def _add(self, body: bytes) -> str:
        request = AddCheckpoint.parse(body)
        checkpoint = self._opened(request.note)
        with self._folder.remembered(checkpoint.origin) as memory:
            seen = _seen(memory, checkpoint.origin)
            try:
                refuse_unless_extending(seen, request, checkpoint)
            except TwoTreesError:
                _tell(memory, request)
                raise
            if checkpoint.size > seen.size:
                memory.keep(request.note)
            # Signed under the lock: at this time nothing larger was seen, which is what a cosignature says.
            return self._cosigner.cosign(checkpoint.to_text(), self._clock.now_us() // 1_000_000)

    def _opened(self, note: bytes) -> Checkpoint:
        origin = read_unverified(note).origin
        keys = self._logs.get(origin)
        if keys is None:
            raise UnknownOriginError(origin)
        try:
            return open_checkpoint(note, origin, *keys)
        except UntrustedNoteError as cause:
            raise UnsignedCheckpointError(cause.detail) from cause


def _seen(memory: Memory, origin: str) -> Seen:
    note = memory.note()
    if note is None:
        return Seen()
    try:
        last = read_unverified(note)
    except MalformedNoteError as cause:
        raise DamagedMemoryError(origin) from cause
    if last.origin != origin:
        raise DamagedMemoryError(origin)
    return Seen(last.size, last.root)


def _tell(memory: Memory, request: AddCheckpoint) -> None:
    """Log both notes: each is signed by the log, together they prove that it shows two trees."""
    log.error("log_shows_two_trees", seen=(memory.note() or b"").decode(errors="replace"),
              shown=request.note.decode(errors="replace"))
