"""The steps of sealing and publishing as places where fate can strike: the real parts, each announcing its steps."""

import os
import signal
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from io import FileIO
from typing import Any

from audit_ledger.adapters.ledger_folder import LedgerFolder
from audit_ledger.domain.head import Head
from audit_ledger.store.writer import LedgerWriter, Sealed

SEALING = ("asked", "copying", "drained", "moved", "committed")
"""Before the statement, in mid-COPY, after COPY, before COMMIT with the head moved, after it before the receipt."""
PUBLISHING = ("signed", "stored", "torn", "kept")
"""Before the database's checkpoint, between it and the outside one, in the midst of the outside one, after it."""
ROWS_IN_FLIGHT, PADDING = 400, "x" * 1_700
"""So many rows of this size are more than what the driver holds back: the server has seen some."""


@dataclass(slots=True)
class Fate:
    """Strikes when a step is reached for the nth time."""

    step: str
    nth: int
    strike: Callable[[], None]

    def reach(self, step: str) -> None:
        """Say that a step is reached."""
        if step == self.step:
            self.nth -= 1
            if self.nth == 0:
                self.strike()


def die() -> None:
    """End like a machine that loses its power."""
    os.kill(os.getpid(), signal.SIGKILL)


def freeze() -> None:
    """Stop like a machine that is suspended, until somebody says SIGCONT."""
    os.kill(os.getpid(), signal.SIGSTOP)


class StagedWriter(LedgerWriter):
    """The writer, step by step."""

    fate: Fate

    async def append(
        self, expected: Head, rows: Iterable[tuple[Any, ...]], sealed: Callable[[], Sealed], origins: Any = (),
    ) -> Sealed:
        """Append as the writer does."""
        def drained() -> Sealed:
            self.fate.reach("drained")
            return sealed()

        self.fate.reach("asked")
        stored = await super().append(expected, self._copied(rows), drained, origins)
        self.fate.reach("committed")
        return stored

    async def store_checkpoint(self, size: int, at_us: int, note: bytes) -> None:
        """Store as the writer does."""
        self.fate.reach("signed")
        await super().store_checkpoint(size, at_us, note)

    async def _move_head(self, connection: Any, expected: Head, head: Head) -> None:
        await super()._move_head(connection, expected, head)
        self.fate.reach("moved")

    def _copied(self, rows: Iterable[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
        for number, row in enumerate(rows):
            if number == ROWS_IN_FLIGHT:
                self.fate.reach("copying")
            yield row


class StagedFolder(LedgerFolder):
    """The folder, step by step."""

    fate: Fate

    def keep(self, note: bytes) -> None:
        """Keep as the folder does."""
        self.fate.reach("stored")
        super().keep(note)
        self.fate.reach("kept")

    def _append(self, file: FileIO, note: bytes) -> None:
        if self.fate.step == "torn" and self.fate.nth == 1:
            file.write(note[:len(note) // 2])
        self.fate.reach("torn")
        super()._append(file, note)
