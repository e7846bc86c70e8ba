"""A folder of tiles grows to the very files of the standard, in whatever steps and however often it is cut short."""

import random
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit_ledger.adapters.tile_files import TileFiles
from audit_ledger.adapters.tile_folder import TileFolder
from audit_ledger.domain.archive.copies import CopyDivergedError, CopyDownError
from audit_ledger.domain.c2sp.checkpoint import Checkpoint, read_unverified
from audit_ledger.domain.c2sp.note import NoteSigner
from audit_ledger.domain.c2sp.tiles import ENTRIES, TILE_WIDTH, Tile, bundle_of, tiles_of
from audit_ledger.domain.columns import columns_of
from audit_ledger.domain.entry import GENESIS, hasher, leaf_data_of
from audit_ledger.domain.head import Entry
from audit_ledger.domain.merkle import root_of
from tests.audit_ledger.test_tiles import tiles_over

STREAM = "gridwarden/tiles"
SIGNER = NoteSigner(STREAM, bytes(range(32)))
NOTHING = columns_of({})


def chain(count: int) -> list[Entry]:
    """Return so many entries, linked."""
    entry_hash, previous, made = hasher(STREAM), GENESIS, []
    for seq in range(count):
        payload = b"%d" % seq
        found = entry_hash(previous, seq, 1, payload)
        made.append(Entry(seq, 1, previous, found, payload, NOTHING))
        previous = found
    return made


ENTRIES_1100 = chain(1_100)


async def grow(folder: TileFolder, entries: Sequence[Entry], sizes: Iterable[int], since: int = 0) -> bytes:
    """Add and publish up to each size, as a follower does; return the last note."""
    note = b""
    for size in sizes:
        checkpoint = Checkpoint(STREAM, size, root_of(each.entry_hash for each in entries[:size]))
        note = checkpoint.signed_by(SIGNER)
        start = since - since % TILE_WIDTH
        await folder.add(entries[start:size])
        await folder.publish(note, checkpoint)
        since = size
    return note


def files(root: Path) -> dict[str, bytes]:
    """Return every file but the lock and leftovers."""
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*")
            if path.is_file() and path.name != "lock" and path.suffix != ".new"}


def expected(entries: Sequence[Entry], size: int, note: bytes) -> dict[str, bytes]:
    """Return the files of the standard, by its definition."""
    leaf_data = leaf_data_of(STREAM)
    data = [leaf_data(each.prev_hash, each.seq, each.recorded_at_us, each.payload) for each in entries[:size]]
    bundles = {Tile(ENTRIES, tile.index, tile.width).path:
               bundle_of(data[tile.index * TILE_WIDTH:tile.index * TILE_WIDTH + tile.width])
               for tile in tiles_of(size) if tile.level == 0}
    return tiles_over([each.entry_hash for each in entries[:size]]) | bundles | {"checkpoint": note}


@given(st.sets(st.integers(1, 1_100), min_size=1, max_size=6))
@settings(max_examples=25, deadline=None)
async def test_any_way_of_growing_gives_the_tiles_of_the_last_size(
    tmp_path_factory: pytest.TempPathFactory, sizes: set[int],
) -> None:
    root = tmp_path_factory.mktemp("tlog")

    note = await grow(TileFolder(root, STREAM), ENTRIES_1100, sorted(sizes))

    wanted, found = expected(ENTRIES_1100, max(sizes), note), files(root)
    assert {path: found.get(path) for path in wanted} == wanted
    for path in set(found) - set(wanted):
        tile = Tile.parse(path)
        assert not tile.is_full, "only narrower tiles of unfinished ones stay"
        assert any(Tile.parse(other).index == tile.index for other in wanted if other != "checkpoint")


async def test_a_log_of_70000_has_three_levels(tmp_path: Path) -> None:
    entries, chance = chain(70_000), random.Random(1)  # noqa: S311 - sizes are no secret
    sizes = sorted({65_535, 65_536, 65_537, 70_000, *(chance.randrange(1, 70_000) for _ in range(20))})

    note = await grow(TileFolder(tmp_path, STREAM), entries, sizes)

    wanted, found = expected(entries, 70_000, note), files(tmp_path)
    assert {path: found.get(path) for path in wanted} == wanted
    assert await TileFolder(tmp_path, STREAM).strays(70_000) == 0
    assert {"tile/1/000", "tile/1/001.p/17", "tile/2/000.p/1"} <= set(found)


class DyingFiles(TileFiles):
    """Dies before its n-th change of the disk, and leaves the half-written file that a crash leaves."""

    def __init__(self, root: Path, lives: int) -> None:
        super().__init__(root)
        self.lives = lives

    def _write(self, path: Path, content: bytes) -> None:
        self._live()
        if self.lives == 0:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.with_name(f"{path.name}.new").write_bytes(content[:10])
        super()._write(path, content)

    def drop_partial(self, level: int, index: int) -> None:
        self._live()
        super().drop_partial(level, index)

    def _settle(self) -> None:
        self._live()
        super()._settle()

    def _live(self) -> None:
        self.lives -= 1
        if self.lives < 0:
            raise OSError(5, "the machine stopped")


async def test_a_crash_at_any_step_is_resumed_to_the_same_files(tmp_path: Path) -> None:
    sizes, steps = (300, 520, 600), 0
    note = await grow(TileFolder(tmp_path / "whole", STREAM), ENTRIES_1100, sizes)
    wanted = files(tmp_path / "whole")

    while True:
        root = tmp_path / str(steps)
        await grow(TileFolder(root, STREAM), ENTRIES_1100, sizes[:1])
        dying = TileFolder(root, STREAM)
        dying._files = DyingFiles(root, steps)
        try:
            await grow(dying, ENTRIES_1100, sizes[1:], since=300)
        except CopyDownError:
            shown = await TileFolder(root, STREAM).note()
            claimed = read_unverified(shown or b"").size
            left = [size for size in sizes if size > claimed]
            await grow(TileFolder(root, STREAM), ENTRIES_1100, left, since=claimed)
            assert files(root) == wanted, f"after a crash at step {steps}"
            assert await TileFolder(root, STREAM).strays(600) == 0
            steps += 1
        else:
            break

    assert (steps > 15, wanted["checkpoint"]) == (True, note)


async def mend(folder: TileFolder, note: bytes) -> None:
    """Write everything again, as a repair does."""
    await folder.replace(ENTRIES_1100[:600])
    await folder.restore(note, read_unverified(note))


async def test_a_repair_that_crashes_at_any_step_is_done_again(tmp_path: Path) -> None:
    note = await grow(TileFolder(tmp_path / "whole", STREAM), ENTRIES_1100, (600,))
    wanted, steps = files(tmp_path / "whole"), 0

    while True:
        root = tmp_path / str(steps)
        await grow(TileFolder(root, STREAM), ENTRIES_1100, (600,))
        for path in ("tile/0/000", "tile/entries/001", "tile/1/000.p/2", "tile/0/002.p/89", "tile/0/002.p/88"):
            (root / path).write_bytes(bytes(32))
        dying = TileFolder(root, STREAM)
        dying._files = DyingFiles(root, steps)
        try:
            await mend(dying, note)
        except CopyDownError:
            await mend(TileFolder(root, STREAM), note)
            assert files(root) == wanted, f"after a crash at step {steps}"
            steps += 1
        else:
            break

    assert steps > 10


async def test_growth_on_an_edge_that_was_changed_is_refused(tmp_path: Path) -> None:
    folder = TileFolder(tmp_path, STREAM)
    await grow(folder, ENTRIES_1100, (600,))
    edge = tmp_path / "tile" / "1" / "000.p" / "2"
    edge.write_bytes(bytes(64))
    before = files(tmp_path)

    with pytest.raises(CopyDivergedError, match="do not carry the root"):
        await grow(folder, ENTRIES_1100, (1_000,), since=600)

    assert files(tmp_path)["checkpoint"] == before["checkpoint"]
    assert edge.read_bytes() == bytes(64)


async def test_a_checkpoint_whose_root_the_tiles_do_not_carry_is_never_shown(tmp_path: Path) -> None:
    folder = TileFolder(tmp_path, STREAM)
    note = await grow(folder, ENTRIES_1100, (300,))
    await folder.add(ENTRIES_1100[256:600])
    lie = Checkpoint(STREAM, 600, bytes(32))

    with pytest.raises(CopyDivergedError, match="do not carry the root"):
        await folder.publish(lie.signed_by(SIGNER), lie)

    assert await folder.note() == note


async def test_an_older_checkpoint_never_replaces_a_newer_one(tmp_path: Path) -> None:
    folder = TileFolder(tmp_path, STREAM)
    await grow(folder, ENTRIES_1100, (300,))
    newest = await grow(folder, ENTRIES_1100, (600,), since=300)

    await grow(folder, ENTRIES_1100, (300,))

    assert await folder.note() == newest


async def test_two_processes_never_change_the_folder_at_once(tmp_path: Path) -> None:
    folder = TileFolder(tmp_path, STREAM)

    with TileFiles(tmp_path).alone(), pytest.raises(CopyDownError):
        await folder.add(ENTRIES_1100[:10])
