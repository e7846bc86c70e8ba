"""A repair takes nothing from damaged entries, survives being cut short, and says what it cannot give back."""

from collections.abc import Sequence

import pytest

from audit_ledger.adapters.tile_folder import TileFolder
from audit_ledger.domain.archive.copies import CopyDownError, Difference, Divergence, Divergences, GoneError
from audit_ledger.domain.head import Entry
from audit_ledger.service.copies.diff import diff
from audit_ledger.service.copies.repair import ranges_of, repair
from shared_kernel.errors import UnavailableError
from tests.audit_ledger.copies import Fleet, copied_and_leading, flip, stream

pytestmark = pytest.mark.mongo
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
