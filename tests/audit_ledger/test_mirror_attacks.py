"""Every change to a copy is found, named by its range, and repaired; the repair is an entry."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bson import Int64

from audit_ledger.domain.entry import leaf_data_of
from audit_ledger.domain.merkle import leaf_hash
from audit_ledger.service import Ledger
from audit_ledger.service.copies.port import Copy
from audit_ledger.service.copies.repair import repair
from tests.audit_ledger.copies import (
    Fleet,
    copied_and_leading,
    flip,
    foreign_note,
    found,
    stream,
)

pytestmark = pytest.mark.mongo


async def edit_mongo(fleet: Fleet, seq: int, **fields: Any) -> None:
    await fleet.mongo._entries.update_one({"_id": fleet.mongo._id("seq", seq)}, {"$set": fields})


async def lose_mongo(fleet: Fleet, first: int, last: int) -> None:
    await fleet.mongo._entries.delete_many(fleet.mongo._between("seq", first, last + 1))


async def rehashed_mongo(fleet: Fleet, seq: int) -> None:
    [entry] = await fleet.rig.reader.entries(seq, 1)
    data = leaf_data_of(fleet.rig.signer.name)(entry.prev_hash, seq, entry.recorded_at_us, b"{}")
    await edit_mongo(fleet, seq, payload=b"{}", entry_hash=leaf_hash(data))


async def insert_mongo(fleet: Fleet, *ids: Any) -> None:
    await fleet.mongo._entries.insert_many([{"_id": each, "payload": b"{}"} for each in ids])


async def swap_mongo(fleet: Fleet, one: int, other: int) -> None:
    here, there = [await fleet.mongo._entries.find_one({"_id": fleet.mongo._id("seq", seq)}) for seq in (one, other)]
    for seq, document in ((one, there), (other, here)):
        await edit_mongo(fleet, seq, **{name: held for name, held in (document or {}).items() if name != "_id"})


async def edit_checkpoint(fleet: Fleet, size: int) -> None:
    await fleet.mongo._checkpoints.insert_one(
        {"_id": fleet.mongo._id("size", size), "note": foreign_note(stream(fleet), size)})


async def move_checkpoint(fleet: Fleet, size: int, other: int) -> None:
    held = await fleet.mongo._checkpoints.find_one({"_id": fleet.mongo._id("size", size)}) or {}
    await fleet.mongo._checkpoints.insert_one({"_id": fleet.mongo._id("size", other), "note": held["note"]})


MONGO_ATTACKS: dict[str, tuple[Callable[[Fleet], Any], list[tuple[int, int]], set[str]]] = {
    "a payload edited": (lambda f: edit_mongo(f, 7, payload=b"{}"), [(7, 7)], {"different"}),
    "a payload edited and rehashed": (lambda f: rehashed_mongo(f, 7), [(7, 7)], {"different"}),
    "the last payload edited and rehashed": (lambda f: rehashed_mongo(f, 299), [(0, 299)], {"different"}),
    "a hash edited": (lambda f: edit_mongo(f, 0, entry_hash=bytes(32)), [(0, 0)], {"different"}),
    "a time edited": (lambda f: edit_mongo(f, 270, recorded_at_us=Int64(1)), [(270, 270)], {"different"}),
    "a time cut to another type": (lambda f: edit_mongo(f, 270, recorded_at_us=1.5), [(270, 270)], {"different"}),
    "a field added": (lambda f: edit_mongo(f, 270, note="x"), [(270, 270)], {"different"}),
    "a document lost": (lambda f: lose_mongo(f, 256, 256), [(256, 256)], {"missing"}),
    "the first lost": (lambda f: lose_mongo(f, 0, 0), [(0, 0)], {"missing"}),
    "many lost": (lambda f: lose_mongo(f, 200, 280), [(200, 280)], {"missing"}),
    "the tail lost": (lambda f: lose_mongo(f, 290, 299), [(290, 299)], {"missing"}),
    "all lost": (lambda f: lose_mongo(f, 0, 299), [(0, 299)], {"missing"}),
    "two swapped": (lambda f: swap_mongo(f, 7, 260), [(7, 7), (260, 260)], {"different"}),
    "an old checkpoint edited": (lambda f: edit_checkpoint(f, 100), [(99, 99)], {"different"}),
    "a checkpoint under another size": (lambda f: move_checkpoint(f, 300, 50), [(49, 49)], {"different"}),
    "one more at the end": (lambda f: insert_mongo(f, f.mongo._id("seq", 300)), [(300, 300)], {"extra"}),
    "one more far beyond": (lambda f: insert_mongo(f, f.mongo._id("seq", 9_000)), [(300, 9_000)], {"extra"}),
    "one more at the very last position": (
        lambda f: insert_mongo(f, f.mongo._id("seq", 2**63 - 1)), [(300, 2**53 - 2)], {"extra"}),
    "one more between": (lambda f: insert_mongo(f, {"stream": stream(f), "seq": 7.5}), [(8, 8)], {"extra"}),
    "one more with another field": (
        lambda f: insert_mongo(f, {"stream": stream(f), "seq": Int64(7), "x": 1}), [(8, 8)], {"extra"}),
    "one more before the first": (
        lambda f: insert_mongo(f, {"stream": stream(f), "seq": Int64(-1)}), [(0, 0)], {"extra"}),
    "one more with the fields turned round": (
        lambda f: insert_mongo(f, {"seq": Int64(7), "stream": stream(f)}), [(300, 300)], {"extra"}),
}


@pytest.mark.slow
async def test_every_attack_on_the_documents_is_found_and_repaired(fleet: Fleet, subtests: pytest.Subtests) -> None:
    async with copied_and_leading(fleet, fleet.mongo, 300) as ledger:
        for name, (attack, ranges, kinds) in MONGO_ATTACKS.items():
            with subtests.test(name):
                await attack(fleet)

                await found_and_repaired(fleet, ledger, fleet.mongo, ranges, kinds)


async def found_and_repaired(
    fleet: Fleet, ledger: Ledger, copy: Copy, ranges: list[tuple[int, int]], kinds: set[str],
) -> None:
    """The auditor names the ranges, the diff the kinds; the repair is an entry, and afterwards all is well."""
    mirror, size = fleet.mirror(copy, ledger), ledger.head().size
    report = await fleet.verify(copy)

    outcome = await repair(mirror, ledger, fleet.rig.clock)
    again = await repair(mirror, ledger, fleet.rig.clock)

    assert found(report) == ranges
    assert {each.kind for each in report.findings} == {"copy_mismatch"}
    assert {str(each.kind) for each in outcome.found} == kinds
    assert (outcome.seq, again.found, again.seq) == (size, (), None)
    [told] = await ledger.find(action="copy_repaired", limit=1)
    assert (told.seq, told.event["grid"]["ledger"]["copy"]) == (size, copy.name)
    after = await fleet.verify(copy)
    assert (after.findings, after.is_behind) == ((), False)


def swap(one: Path, other: Path) -> None:
    content = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(content)


def cut(path: Path, count: int) -> None:
    path.write_bytes(path.read_bytes()[:-count])


def add(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes((path.read_bytes() if path.exists() else b"") + content)


def link(path: Path, target: Path) -> None:
    path.unlink()
    path.symlink_to(target)


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def make_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def in_both(folder: Path, change: Callable[[Path], None]) -> None:
    for row in ("0", "entries"):
        change(folder / "tile" / row)


TILE_ATTACKS: dict[str, tuple[Callable[[Path], Any], list[tuple[int, int]], set[str]]] = {
    "a bit of a bundle": (lambda f: flip(f / "tile/entries/000", 2), [(0, 0)], {"different"}),
    "a bit of a leaf tile": (lambda f: flip(f / "tile/0/001", 32 * 44), [(300, 300)], {"different"}),
    "a bit of the edge": (lambda f: flip(f / "tile/0/002.p/88", 32 * 87), [(599, 599)], {"different"}),
    "a bit of a higher tile": (lambda f: flip(f / "tile/1/000.p/2", 33), [(256, 511)], {"different"}),
    "a leaf tile cut": (lambda f: cut(f / "tile/0/001", 1), [(511, 511)], {"different"}),
    "a bundle cut": (lambda f: cut(f / "tile/entries/001", 1), [(511, 511)], {"different"}),
    "a bundle lengthened": (lambda f: add(f / "tile/entries/001", b"\0\1x"), [(511, 511)], {"different"}),
    "a higher tile cut": (lambda f: cut(f / "tile/1/000.p/2", 32), [(256, 511)], {"missing"}),
    "two bundles swapped": (lambda f: swap(f / "tile/entries/000", f / "tile/entries/001"), [(0, 511)], {"different"}),
    "two leaf tiles swapped": (lambda f: swap(f / "tile/0/000", f / "tile/0/001"), [(0, 511)], {"different"}),
    "both of them swapped": (
        lambda f: in_both(f, lambda row: swap(row / "000", row / "001")),
        [(0, 511)], {"different"}),
    "a tile and its bundle gone": (
        lambda f: in_both(f, lambda row: (row / "001").unlink()), [(256, 511)], {"missing"}),
    "a tile beyond the end": (
        lambda f: in_both(f, lambda row: add(row / "003.p/1", bytes(32))),
        [(600, 768)], {"extra"}),
    "a wider tile at the end": (lambda f: add(f / "tile/0/002.p/89", bytes(32 * 89)), [(512, 600)],
                                {"different", "extra"}),
    "a narrower tile that says other": (lambda f: add(f / "tile/0/002.p/3", bytes(96)), [(600, 600)], {"extra"}),
    "a link to another file": (lambda f: link(f / "tile/0/001", f / "checkpoint"), [(256, 511)], {"different"}),
    "a pipe": (lambda f: pipe(f / "tile/entries/001"), [(256, 511)], {"different"}),
    "a folder": (lambda f: in_both(f, lambda row: make_folder(row / "001")), [(256, 511)], {"missing"}),
    "a file far too large": (lambda f: os.truncate(f / "tile/0/001", 10**10), [(511, 511)], {"different"}),
    "a file that is no tile": (lambda f: add(f / "tile/0/x000/001", bytes(32)), [(600, 600)], {"extra"}),
}


async def test_every_attack_on_the_tiles_is_found_and_repaired(fleet: Fleet, subtests: pytest.Subtests) -> None:
    async with copied_and_leading(fleet, fleet.tiles, 600) as ledger:
        for name, (attack, ranges, kinds) in TILE_ATTACKS.items():
            with subtests.test(name):
                attack(fleet.folder)

                await found_and_repaired(fleet, ledger, fleet.tiles, ranges, kinds)
