"""Tiles against the public vectors, a naive tree, and paths that are none."""

import json
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit_ledger.domain.c2sp.checkpoint import open_checkpoint
from audit_ledger.domain.c2sp.note import VerifierKey
from audit_ledger.domain.c2sp.tiles import (
    ENTRIES,
    TILE_WIDTH,
    MalformedTileError,
    Tile,
    bundle_of,
    edge_of,
    edge_root,
    entries_in,
    hashes_in,
    index_path,
    narrowed,
    split_entries,
    tiles_of,
)
from audit_ledger.domain.merkle import leaf_hash, perfect_root, root_of


def tiles_over(leaves: list[bytes]) -> dict[str, bytes]:
    """Return every tile of a tree by its path, computed by the definition."""
    rows = [leaves]
    while len(rows[-1]) >= TILE_WIDTH:
        row = rows[-1]
        rows.append([perfect_root(row[at:at + TILE_WIDTH]) for at in range(0, len(row) - TILE_WIDTH + 1, TILE_WIDTH)])
    return {tile.path: b"".join(rows[tile.level][tile.index * TILE_WIDTH:][:tile.width])
            for tile in tiles_of(len(leaves))}


def test_the_sizes_of_the_standard_have_its_tiles(shared_vectors: Path) -> None:
    cases = json.loads((shared_vectors / "tlog_tiles" / "geometry.json").read_text())

    assert (len(cases["sizes"]), len(cases["index_paths"])) == (2, 1)
    for case in cases["sizes"]:
        tiles = list(tiles_of(case["size"]))
        for level, form, number in case["tiles"]:
            row = [tile for tile in tiles if tile.level == level]
            full = [tile for tile in row if tile.is_full]
            assert number == (len(full) if form == "full" else row[-1].width)
        assert {tile.level for tile in tiles} == {level for level, _, _ in case["tiles"]}
    for case in cases["index_paths"]:
        assert index_path(case["index"]) == case["path"]


def test_a_mirrored_log_of_300_is_computed_to_the_byte(shared_vectors: Path) -> None:
    folder = shared_vectors / "tlog_tiles" / "mirror_300"
    told = json.loads((folder / "log.json").read_text())
    leaves = [leaf_hash(f"record {number}".encode()) for number in range(300)]

    shown = {path.relative_to(folder).as_posix(): path.read_bytes()
             for path in (folder / "tile").rglob("*") if path.is_file()}
    checkpoint = open_checkpoint((folder / "checkpoint").read_bytes(), told["origin"],
                                 VerifierKey.parse(told["mirror_vkey"]))

    assert len(shown) == 3
    assert tiles_over(leaves) == shown
    edge = {tile: hashes_in(shown[tile.path], tile.width) for tile in edge_of(300)}
    assert edge_root(300, edge) == checkpoint.root == root_of(leaves)


def test_the_tiles_of_the_go_implementation_are_computed_to_the_byte(shared_vectors: Path) -> None:
    made = json.loads((shared_vectors / "notes" / "tiles.json").read_text())
    tree = json.loads((shared_vectors / "notes" / "tree.json").read_text())
    leaves = [leaf_hash(bytes.fromhex(leaf)) for leaf in tree["leaves_hex"]]

    shown = {path.replace("tile/8/", "tile/"): bytes.fromhex(content) for path, content in made["tiles_hex"].items()}

    assert (len(leaves), len(shown), len(tree["roots"])) == (300, 3, 300)
    assert tiles_over(leaves) == shown
    for size, root in tree["roots"].items():
        tiles = tiles_over(leaves[:int(size)])
        edge = {tile: hashes_in(tiles[tile.path], tile.width) for tile in edge_of(int(size))}
        assert edge_root(int(size), edge).hex() == root


@given(st.integers(-1, 63), st.integers(0, 2**55), st.integers(1, 256))
def test_a_path_is_read_as_it_was_written(level: int, index: int, width: int) -> None:
    tile = Tile(level, index, width)

    assert Tile.parse(tile.path) == tile


@pytest.mark.parametrize("path", [
    "", "tile", "tile/", "/tile/0/001", "tile/0/1", "tile/0/0001", "tile/0/x000/001", "tile/0/001/002", "tile/00/001",
    "tile/64/001", "tile/99/001", "tile/-1/001", "tile/+1/001", "tile/0/001.p/256", "tile/0/001.p/0", "tile/0/001.p/01",
    "tile/0/001.p/", "tile/0/001.p", "tile/0/001.P/3", "tile/0/X001/234", "tile/0/../001", "tile/0/x001/../001",
    "tile/0/001\n", "tile/0/001.p/4\n", "tile/0/\u0660\u0660\u0661", "tile/\u0661/001", "tile/8/0/000",
    "tile/0/001.p/1_0", "tile/Entries/000", "tile/data/000", "tile/0/%2e%2e/001", "tile/0/x001/x234/067/",
    "tile//000", "tile/0/ 01",
    "tile/0/x999/x999/x999/x999/x999/x999/999", "tile/0/x001/x001/x001/x001/x001/x001/x001/001",
])
def test_a_path_in_any_other_form_is_refused(path: str) -> None:
    with pytest.raises(MalformedTileError):
        Tile.parse(path)


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=256))
def test_a_bundle_gives_back_its_entries_and_no_cut_of_it_does(entries: list[bytes]) -> None:
    bundle = bundle_of(entries)

    assert entries_in(bundle, len(entries)) == entries
    assert narrowed(bundle, Tile(ENTRIES, 0, 1)) == bundle_of(entries[:1])
    for damaged in (bundle[:-1], bundle + b"\0", bundle + b"\0\0"):
        with pytest.raises(MalformedTileError):
            entries_in(damaged, len(entries))
        found, end = split_entries(damaged)
        assert (found, end) == (entries[:len(found)], len(bundle_of(found))) or damaged.endswith(b"\0\0")


def test_the_largest_entry_fits_into_a_bundle() -> None:
    assert entries_in(bundle_of([bytes(65_535)]), 1) == [bytes(65_535)]


@given(st.integers(1, 255))
def test_a_tile_of_any_other_length_is_refused(width: int) -> None:
    for length in (width * 32 - 1, width * 32 + 1, width * 32 + 32, 0):
        with pytest.raises(MalformedTileError):
            hashes_in(bytes(length), width)


@given(st.integers(1, 200_000))
def test_the_edge_is_what_the_size_says_in_base_256(size: int) -> None:
    edge = edge_of(size)

    assert sum(tile.width << (8 * tile.level) for tile in edge) == size
    assert all(higher.level > lower.level for higher, lower in pairwise(edge))
    assert {tile for tile in tiles_of(size) if not tile.is_full} == set(edge)
