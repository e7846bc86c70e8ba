"""A copy that says other than the ledger is an alarm and is never overwritten."""

from dataclasses import replace
from typing import Any

import pytest

from audit_ledger.domain.archive.copies import Divergence
from audit_ledger.service.copies.mirror import Mirror
from audit_ledger.service.copies.repair import repair
from audit_ledger.service.copies.status import State
from audit_ledger.service.ledger import readable
from tests.audit_ledger.copies import Fleet, caught_up, foreign_note, is_in, stream, until

pytestmark = pytest.mark.mongo


async def diverged(mirror: Mirror) -> Divergence:
    """Wait for the alarm; it is in the status and once in the ledger."""
    await until(lambda: is_in(mirror, State.DIVERGED))
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
