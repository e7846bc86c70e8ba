"""Copies follow, fall behind, catch up, and are never overwritten; every change to one is found and repaired."""

import os
import shutil
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bson import Int64

from audit_ledger.adapters.mongo_mirror import MongoMirror
from audit_ledger.adapters.tile_folder import TileFolder
from audit_ledger.domain.checkpoint import Checkpoint
from audit_ledger.domain.copies import CopyDownError, Difference, Divergence, Divergences, GoneError
from audit_ledger.domain.entry import leaf_data_of
from audit_ledger.domain.head import Entry
from audit_ledger.domain.merkle import leaf_hash
from audit_ledger.domain.note import NoteSigner
from audit_ledger.domain.tiles import entries_in, hashes_in
from audit_ledger.service import Ledger
from audit_ledger.service.ledger import readable
from audit_ledger.service.mirror import Mirror
from audit_ledger.service.mirror_diff import diff
from audit_ledger.service.mirror_port import Copy
from audit_ledger.service.mirror_repair import ranges_of, repair
from audit_ledger.service.mirror_status import State
from shared_kernel.errors import UnavailableError
from tests.audit_ledger.copies import BIG, Fleet, caught_up, found, until
from tests.audit_ledger.rig import opened
from tests.frozen_clock import FrozenClock
from tests.servers.mongo import MongoServer, mongo_server

pytestmark = pytest.mark.mongo


@pytest.fixture(scope="module")
def mongo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MongoServer]:
    """One server for all tests; every test's log has a name, and a database, of its own."""
    with mongo_server(tmp_path_factory.mktemp("mongo") / "db") as server:
        yield server


@pytest.fixture
async def fleet(
    make_database: Callable[..., Any], tmp_path: Path, clock: FrozenClock, mongo: MongoServer,
) -> AsyncIterator[Fleet]:
    """A ledger and two empty copies."""
    async with opened(make_database, tmp_path, clock) as rig:
        mirror = MongoMirror.connect(host=mongo.host, port=mongo.port, database=rig.signer.name.replace("/", "-"),
                                     stream=rig.signer.name, patience_s=1.0)
        yield Fleet(rig, TileFolder(tmp_path / "tlog", rig.signer.name), mirror, tmp_path / "tlog")
        await mirror.close()


async def test_both_copies_follow_every_checkpoint_and_verify(fleet: Fleet) -> None:
    ledger = fleet.rig.ledger()
    await ledger.start()
    async with fleet.following(ledger) as mirrors:
        for count in (1, 3, 250, 256, 1, 513):
            await fleet.seal(ledger, count)
            await caught_up(*mirrors)
    await fleet.seal(ledger, 1, note=BIG)
    async with fleet.following(ledger) as mirrors:
        await caught_up(*mirrors)
        await ledger.stop()
        await caught_up(*mirrors)

    size = (await fleet.rig.reader.last_entry()).size
    for copy in fleet.copies:
        report = await fleet.verify(copy)
        assert (report.size, report.demanded, report.findings) == (size, size, ())


async def test_the_tiles_on_disk_are_those_of_the_standard_and_hold_the_ledgers_leaf_data(fleet: Fleet) -> None:
    await fleet.copied(600, fleet.tiles)
    entries = await fleet.rig.reader.entries(0, 1_000)
    leaf_data = leaf_data_of(fleet.rig.signer.name)

    files = {path.relative_to(fleet.folder).as_posix() for path in fleet.folder.rglob("*") if path.is_file()}

    assert files == {"checkpoint", "lock", "tile/0/000", "tile/0/001", "tile/0/002.p/88", "tile/1/000.p/2",
                     "tile/entries/000", "tile/entries/001", "tile/entries/002.p/88"}
    data = entries_in((fleet.folder / "tile/entries/002.p/88").read_bytes(), 88)
    assert data == [leaf_data(each.prev_hash, each.seq, each.recorded_at_us, each.payload) for each in entries[512:]]
    assert list(map(leaf_hash, data)) == hashes_in((fleet.folder / "tile/0/002.p/88").read_bytes(), 88)
    assert (fleet.folder / "checkpoint").read_bytes() == await fleet.rig.reader.checkpoint_before(2**62)


async def test_the_entries_are_readable_for_us_alone(fleet: Fleet) -> None:
    await fleet.copied(20, fleet.tiles)

    assert (fleet.folder / "tile" / "entries").stat().st_mode & 0o777 == 0o700


async def test_documents_hold_the_exact_bytes(fleet: Fleet) -> None:
    await fleet.copied(20, fleet.mongo)
    [entry] = await fleet.rig.reader.entries(7, 1)

    document = await fleet.mongo._entries.find_one({"_id": fleet.mongo._id("seq", 7)})

    assert document == {
        "_id": {"stream": fleet.rig.signer.name, "seq": 7}, "recorded_at_us": entry.recorded_at_us,
        "prev_hash": entry.prev_hash, "entry_hash": entry.entry_hash, "payload": entry.payload}
    assert type(document["_id"]["seq"]) is type(document["recorded_at_us"]) is Int64


async def test_a_follower_starts_again_where_it_was_and_adds_nothing_twice(fleet: Fleet) -> None:
    await fleet.copied(300)

    await fleet.copied(700)

    for copy in fleet.copies:
        assert await copy.end() == 700
        assert not (await fleet.verify(copy)).findings


async def test_a_mirror_that_is_down_holds_nobody_up_and_catches_up_by_itself(fleet: Fleet, tmp_path: Path) -> None:
    with mongo_server(tmp_path / "own") as own:
        if own.folder is None:
            pytest.skip("the MongoDB of MONGODB_HOST is not ours to stop")
        copy = MongoMirror.connect(host=own.host, port=own.port, database="test", stream=fleet.rig.signer.name,
                                   patience_s=0.5)
        ledger = fleet.rig.ledger()
        await ledger.start()
        async with fleet.following(ledger, copy, fleet.tiles) as mirrors:
            await fleet.seal(ledger, 10)
            await caught_up(*mirrors)
            own.stop()
            await fleet.seal(ledger, 500)
            await until(lambda: _is(mirrors[0], State.DOWN))
            down, other = [await mirror.status() for mirror in mirrors]
            own.start()
            await caught_up(*mirrors)
        await ledger.stop()

        assert (down.size, down.backlog, "cannot be reached" in (down.reason or "")) == (11, 500, True)
        assert other.state is State.FOLLOWING
        assert (await fleet.verify(copy)).findings == ()
        await copy.close()


async def _is(mirror: Any, state: State) -> bool:
    return (await mirror.status()).state is state


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


def stream(fleet: Fleet) -> str:
    return fleet.rig.signer.name


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


@asynccontextmanager
async def copied_and_leading(fleet: Fleet, copy: Copy, size: int) -> AsyncIterator[Ledger]:
    """So many entries are published and copied; the ledger goes on."""
    ledger = fleet.rig.ledger()
    await ledger.start()
    await fleet.seal(ledger, size - 1)
    async with fleet.following(ledger, copy) as mirrors:
        await caught_up(*mirrors)
    yield ledger
    await ledger.stop()


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


def flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


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


async def diverged(mirror: Mirror) -> Divergence:
    """Wait for the alarm; it is in the status and once in the ledger."""
    await until(lambda: _is(mirror, State.DIVERGED))
    status = await mirror.status()
    assert status.divergence is not None
    assert f"mirror repair --copy {mirror.copy.name}" in (status.reason or "")
    return status.divergence


async def alarms(fleet: Fleet) -> list[tuple[str, dict[str, Any]]]:
    entries = await fleet.rig.reader.find({"action": "copy_diverged"}, None, 100)
    told = [readable(each.payload)["grid"]["ledger"] for each in entries]
    return [(each["copy"], each["divergence"]) for each in told]


@pytest.mark.parametrize("name", ["tiles", "mongo"])
async def test_a_copy_of_a_ledger_that_was_cut_is_ahead_and_stays_as_it_is(fleet: Fleet, name: str) -> None:
    """The ledger lost its tail and every checkpoint of it: the copy is the better witness."""
    copy = fleet.copy(name)
    await fleet.copied(30, copy)
    await fleet.rig.filled(31)
    await fleet.rig.attack(
        "DROP TRIGGER only_grows ON audit_ledger.heads", "DROP TRIGGER only_archived ON audit_ledger.entries",
        "DELETE FROM audit_ledger.entries WHERE seq >= 10", "DELETE FROM audit_ledger.checkpoints",
        "UPDATE audit_ledger.heads SET size = 10, entry_hash = (SELECT entry_hash FROM audit_ledger.entries "
        "WHERE seq = 9)")
    for path in (fleet.folder.parent / "ledger" / "checkpoints").iterdir():
        path.unlink()
    ledger = fleet.rig.ledger()
    await ledger.start()

    for _ in range(2):
        async with fleet.following(ledger, copy) as [mirror]:
            divergence = await diverged(mirror)

    assert str(divergence) == "extra 11 to 29"
    assert await alarms(fleet) == [(name, {"kind": "extra", "seq": 11, "last_seq": 29})]
    assert await copy.end() == 30
    await ledger.stop()


@pytest.mark.parametrize("name", ["tiles", "mongo"])
async def test_an_entry_of_others_in_our_place_is_not_overwritten(fleet: Fleet, name: str) -> None:
    copy, ledger = fleet.copy(name), fleet.rig.ledger()
    await ledger.start()
    await fleet.seal(ledger, 19)
    source = fleet.mirror(copy, ledger).source
    _, checkpoint = await source.checkpoint()
    first, *others = await source.entries(0, 20, checkpoint)
    forged = replace(first, payload=b"{}")
    await copy.add([forged, *others])

    async with fleet.following(ledger, copy) as [mirror]:
        divergence = await diverged(mirror)
        pages = [page async for page in copy.read(0, 20)]
        outcome = await repair(mirror, ledger, fleet.rig.clock)
        await caught_up(mirror)

    assert divergence.seq == 0
    assert b"{}" in pages[0][0].leaf_data
    assert "different 0" in {str(each) for each in outcome.found}
    assert (await mirror.status()).divergence is None
    assert (await fleet.verify(copy)).findings == ()
    await ledger.stop()


def foreign_note(origin: str, size: int) -> bytes:
    return Checkpoint(origin, size, bytes(32)).signed_by(NoteSigner(origin, bytes(range(32))))


@pytest.mark.parametrize("origin", ["ours", "elsewhere"])
@pytest.mark.parametrize("name", ["tiles", "mongo"])
async def test_a_checkpoint_of_another_log_or_key_is_an_alarm(fleet: Fleet, name: str, origin: str) -> None:
    copy = fleet.copy(name)
    await fleet.copied(20, copy)
    note = foreign_note(stream(fleet) if origin == "ours" else "gridwarden/other", 20)
    if name == "tiles":
        (fleet.folder / "checkpoint").write_bytes(note)
    else:
        await fleet.mongo._checkpoints.update_one({"_id": fleet.mongo._id("size", 20)}, {"$set": {"note": note}})

    report = await fleet.verify(copy)
    ledger = fleet.rig.ledger()
    await ledger.start()
    async with fleet.following(ledger, copy) as [mirror]:
        await diverged(mirror)
        outcome = await repair(mirror, ledger, fleet.rig.clock)
        await caught_up(mirror)

    assert "its checkpoint is not the log's" in report.findings[0].detail
    assert outcome.seq is not None
    assert (await fleet.verify(copy)).findings == ()
    await ledger.stop()


async def test_tiles_rolled_back_to_an_old_backup_are_behind_and_catch_up(fleet: Fleet) -> None:
    await fleet.copied(300, fleet.tiles)
    shutil.copytree(fleet.folder, fleet.folder.with_name("backup"))
    await fleet.copied(700, fleet.tiles)
    shutil.rmtree(fleet.folder)
    fleet.folder.with_name("backup").rename(fleet.folder)

    report = await fleet.verify(fleet.tiles)
    await fleet.copied(701, fleet.tiles)

    assert (report.size, report.demanded, report.is_behind, report.findings) == (300, 700, True, ())
    assert (await fleet.verify(fleet.tiles)).size == 701


async def test_documents_rolled_back_to_an_old_backup_are_behind_and_catch_up(fleet: Fleet) -> None:
    await fleet.copied(300, fleet.mongo)
    await fleet.copied(700, fleet.mongo)
    await fleet.mongo._entries.delete_many(fleet.mongo._between("seq", 300, 1_000))
    await fleet.mongo._checkpoints.delete_many(fleet.mongo._between("size", 301, 1_000))

    report = await fleet.verify(fleet.mongo)
    await fleet.copied(701, fleet.mongo)

    assert (report.size, report.demanded, report.is_behind, report.findings) == (300, 700, True, ())
    assert (await fleet.verify(fleet.mongo)).size == 701


POSTGRES_ATTACKS = {
    "a payload edited": "UPDATE audit_ledger.entries SET payload = '{}' WHERE seq = 7",
    "an entry deleted": "DELETE FROM audit_ledger.entries WHERE seq = 7",
    "a tree node edited": "UPDATE audit_ledger.subtrees SET hash = sha256('x') WHERE level = 8 AND index = 0",
    "a tree node gone": "DELETE FROM audit_ledger.subtrees WHERE level = 8 AND index = 0",
    "the newest checkpoint replaced": "UPDATE audit_ledger.checkpoints SET note = 'x' WHERE size = 600",
}


@pytest.mark.parametrize("name", POSTGRES_ATTACKS)
async def test_a_repair_from_damaged_entries_is_refused_and_nothing_changes(fleet: Fleet, name: str) -> None:
    async with copied_and_leading(fleet, fleet.tiles, 600) as ledger:
        flip(fleet.folder / "tile/entries/000", 2)
        before = (fleet.folder / "tile/entries/000").read_bytes()
        size = ledger.head().size
        await fleet.rig.attack("ALTER TABLE audit_ledger.entries DISABLE TRIGGER ALL", POSTGRES_ATTACKS[name])

        with pytest.raises(UnavailableError, match="gridwarden ledger verify"):
            await repair(fleet.mirror(fleet.tiles, ledger), ledger, fleet.rig.clock)

        assert ledger.head().size == size
        assert (fleet.folder / "tile/entries/000").read_bytes() == before


async def test_a_follower_copies_nothing_that_is_not_under_the_signed_checkpoint(fleet: Fleet) -> None:
    ledger = fleet.rig.ledger()
    await ledger.start()
    await fleet.seal(ledger, 20)
    await fleet.rig.attack("UPDATE audit_ledger.entries SET payload = '{}' WHERE seq = 7")

    async with fleet.following(ledger) as mirrors:
        for mirror in mirrors:
            await until(lambda each=mirror: _is(each, State.STOPPED))  # type: ignore[misc]
            assert "are not those under the signed checkpoint" in ((await mirror.status()).reason or "")

    for copy in fleet.copies:
        assert await copy.end() == 0
    await ledger.stop()


async def test_a_copy_of_a_full_disk_waits(fleet: Fleet) -> None:
    ledger = fleet.rig.ledger()
    await ledger.start()
    fleet.folder.write_text("a file is where the folder should be")

    async with fleet.following(ledger, fleet.tiles) as [mirror]:
        await until(lambda: _is(mirror, State.DOWN))
        fleet.folder.unlink()
        await caught_up(mirror)

    await ledger.stop()


class FailingFolder(TileFolder):
    """Goes away in the middle of a repair, once."""

    is_down = True

    async def replace(self, entries: Sequence[Entry]) -> None:
        """Take half of the entries, and no more."""
        if self.is_down:
            self.is_down = False
            await super().replace(entries[:256])
            raise CopyDownError(self.name, "unplugged")
        await super().replace(entries)


async def test_a_repair_cut_short_was_sealed_before_and_is_done_again(fleet: Fleet) -> None:
    async with copied_and_leading(fleet, fleet.tiles, 600) as ledger:
        for index in ("000", "001"):
            (fleet.folder / "tile" / "0" / index).unlink()
        mirror = fleet.mirror(FailingFolder(fleet.folder, stream(fleet)), ledger)

        with pytest.raises(CopyDownError):
            await repair(mirror, ledger, fleet.rig.clock)
        sealed = await ledger.find(action="copy_repaired")
        outcome = await repair(mirror, ledger, fleet.rig.clock)

        assert len(sealed) == 1
        assert outcome.seq is not None
        assert (await fleet.verify(fleet.tiles)).findings == ()


async def test_old_entries_that_were_pruned_stay_in_a_copy_and_cannot_be_repaired_from_here(fleet: Fleet) -> None:
    async with copied_and_leading(fleet, fleet.tiles, 600) as ledger:
        await fleet.rig.attack("ALTER TABLE audit_ledger.entries DISABLE TRIGGER ALL",
                               "DELETE FROM audit_ledger.entries WHERE seq < 256")
        mirror = fleet.mirror(fleet.tiles, ledger)
        _, checkpoint = await mirror.source.checkpoint()

        unharmed = await diff(fleet.tiles, mirror.source, checkpoint)
        flip(fleet.folder / "tile/entries/000", 2)

        assert unharmed == ()
        with pytest.raises(GoneError, match="0 to 255"):
            await repair(mirror, ledger, fleet.rig.clock)


def test_ranges_are_whole_groups_without_overlap_and_end_with_the_unfinished_one() -> None:
    found = [Divergence(Difference.DIFFERENT, 300, 300), Divergence(Difference.MISSING, 5, 7),
             Divergence(Difference.EXTRA, 600, 700), Divergence(Difference.DIFFERENT, 256, 511)]

    assert ranges_of(found, 600, 256) == [(0, 600)]
    assert ranges_of(found[:1], 1_000, 256) == [(256, 512), (768, 1_000)]
    assert ranges_of(found, 600, 1) == [(5, 8), (256, 512)]


def test_divergences_are_bounded_in_number() -> None:
    many = Divergences()
    for seq in range(0, 10_000, 2):
        many.add(Difference.DIFFERENT, seq, seq)

    assert len(many.all()) == 1_000
    assert many.all()[-1].last_seq == 9_998
