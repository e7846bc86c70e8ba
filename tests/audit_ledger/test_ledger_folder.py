"""The files outside the database: whole notes only, never backwards, whoever writes and whenever it is killed."""

import fcntl
from collections.abc import Callable
from pathlib import Path

import pytest

from audit_ledger.adapters.ledger_folder import LedgerFolder, NotKeptError
from audit_ledger.domain.c2sp.checkpoint import Checkpoint
from audit_ledger.domain.c2sp.note import NoteSigner
from tests.audit_ledger.rig import folder_of

SIGNER = NoteSigner("gridwarden/test", bytes(range(32)))


def note_of(size: int) -> bytes:
    """Return a signed checkpoint."""
    return Checkpoint(SIGNER.name, size, bytes(32)).signed_by(SIGNER)


@pytest.fixture
def history(tmp_path: Path) -> Path:
    """Where the notes are."""
    return tmp_path / "ledger" / "checkpoints" / "history"


def same(folder: LedgerFolder, _home: Path) -> LedgerFolder:
    """Return the folder of the process that wrote before."""
    return folder


def other(_folder: LedgerFolder, home: Path) -> LedgerFolder:
    """Return the folder as another process has it."""
    return folder_of(home)


@pytest.mark.parametrize("writer", [same, other])
@pytest.mark.parametrize("torn", [1, 20, len(note_of(3)) - 1])
def test_a_note_that_somebody_left_torn_is_cut_before_the_next(
    tmp_path: Path, history: Path, torn: int, writer: Callable[[LedgerFolder, Path], LedgerFolder],
) -> None:
    folder = folder_of(tmp_path)
    folder.keep(note_of(1))
    folder.keep(note_of(2))
    with history.open("ab") as file:
        file.write(note_of(3)[:torn])

    writer(folder, tmp_path).keep(note_of(4))

    assert folder.checkpoints() == [note_of(1), note_of(2), note_of(4)]
    assert folder.latest() == note_of(4)


def test_an_older_note_does_not_replace_a_newer_one(tmp_path: Path) -> None:
    first, second = folder_of(tmp_path), folder_of(tmp_path)
    first.keep(note_of(1))
    second.keep(note_of(7))

    first.keep(note_of(5))

    assert first.latest() == note_of(7)
    assert first.checkpoints() == [note_of(1), note_of(7)]


def test_two_processes_append_in_turn(tmp_path: Path) -> None:
    folders = [folder_of(tmp_path), folder_of(tmp_path)]

    for size in range(1, 21):
        folders[size % 2].keep(note_of(size))

    assert folders[0].checkpoints() == [note_of(size) for size in range(1, 21)]


def test_a_process_paused_while_it_writes_holds_nobody_up_for_long(tmp_path: Path, history: Path) -> None:
    folder = folder_of(tmp_path)
    folder.keep(note_of(1))

    with history.open("ab") as paused:
        fcntl.flock(paused, fcntl.LOCK_EX)
        with pytest.raises(NotKeptError, match="another process, which may be paused, is writing it"):
            folder.keep(note_of(2))
    folder.keep(note_of(2))

    assert folder.checkpoints() == [note_of(1), note_of(2)]


def test_a_latest_that_is_no_note_is_replaced(tmp_path: Path, history: Path) -> None:
    folder = folder_of(tmp_path)
    folder.keep(note_of(1))
    history.with_name("latest").write_bytes(b"")

    folder.keep(note_of(2))

    assert folder.latest() == note_of(2)
