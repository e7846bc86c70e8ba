"""Copies follow, fall behind, catch up by themselves, and take only what a signed checkpoint covers."""

import shutil
from pathlib import Path

import pytest
from bson import Int64

from audit_ledger.adapters.mongo_mirror import MongoMirror
from audit_ledger.domain.c2sp.tiles import entries_in, hashes_in
from audit_ledger.domain.entry import leaf_data_of
from audit_ledger.domain.merkle import leaf_hash
from audit_ledger.service.copies.status import State
from tests.audit_ledger.copies import BIG, Fleet, caught_up, is_in, until
from tests.servers.mongo import mongo_server

pytestmark = pytest.mark.mongo


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
            await until(lambda: is_in(mirrors[0], State.DOWN))
            down, other = [await mirror.status() for mirror in mirrors]
            own.start()
            await caught_up(*mirrors)
        await ledger.stop()

        assert (down.size, down.backlog, "cannot be reached" in (down.reason or "")) == (11, 500, True)
        assert other.state is State.FOLLOWING
        assert (await fleet.verify(copy)).findings == ()
        await copy.close()


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


async def test_a_follower_copies_nothing_that_is_not_under_the_signed_checkpoint(fleet: Fleet) -> None:
    ledger = fleet.rig.ledger()
    await ledger.start()
    await fleet.seal(ledger, 20)
    await fleet.rig.attack("UPDATE audit_ledger.entries SET payload = '{}' WHERE seq = 7")

    async with fleet.following(ledger) as mirrors:
        for mirror in mirrors:
            await until(lambda each=mirror: is_in(each, State.STOPPED))  # type: ignore[misc]
            assert "are not those under the signed checkpoint" in ((await mirror.status()).reason or "")

    for copy in fleet.copies:
        assert await copy.end() == 0
    await ledger.stop()


async def test_a_copy_of_a_full_disk_waits(fleet: Fleet) -> None:
    ledger = fleet.rig.ledger()
    await ledger.start()
    fleet.folder.write_text("a file is where the folder should be")

    async with fleet.following(ledger, fleet.tiles) as [mirror]:
        await until(lambda: is_in(mirror, State.DOWN))
        fleet.folder.unlink()
        await caught_up(mirror)

    await ledger.stop()
