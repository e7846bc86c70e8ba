"""Walking in segments finds exactly what walking in one piece finds, whatever the damage and wherever the joints."""
# ruff: noqa: S608 - planted attacks are SQL text, by design

from typing import Any

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit_ledger.domain.audit.finding import Finding, Findings
from audit_ledger.domain.audit.segment import SegmentWalk
from audit_ledger.domain.audit.tree_check import Anchor, TreeCheck
from audit_ledger.domain.audit.walk import Segment, Walk
from audit_ledger.domain.entry import GENESIS
from audit_ledger.domain.merkle import Frontier, Subtree
from audit_ledger.service.audit.walking import Team
from audit_ledger.store.reader import LedgerReader
from tests.audit_ledger.attacks import ATTACKS, ENTRIES, Attack
from tests.audit_ledger.rig import Rig, kinds
from tests.audit_ledger.test_walk import LEDGERS, STREAM, anchors_of, packed, rows_of

Rows = list[tuple[Any, ...]]
Outcome = tuple[tuple[Finding, ...], bytes, int, dict[Subtree, bytes]]
TWO = Team(processes=2, from_entries=1, segment_rows=3)


def walked(rows: Rows, anchors: list[Anchor], segment_rows: int | None) -> Outcome:
    """Walk in one piece, or in segments each of which is first tried on its own."""
    findings = Findings([])
    tree = TreeCheck(Frontier(), anchors, findings)
    walk = Walk(STREAM, since=0, previous=GENESIS, tree=tree, findings=findings)
    step = segment_rows or 1 << 62
    for start in range(0, rows[-1][0] + 1, step):
        own = [row for row in rows if start <= row[0] < start + step]
        stop = min(start + step, rows[-1][0] + 1)
        segment = tried(own, start, stop) if segment_rows else None
        if segment is None or not walk.join(segment):
            walk.feed(own)
    walk.finish()
    return findings.ordered(), tree.root, tree.size, tree.subtrees


def tried(rows: Rows, start: int, stop: int) -> Segment | None:
    """Walk one segment on its own, as another process does."""
    alone = SegmentWalk(STREAM, start)
    pages = [rows[at:at + 2] for at in range(0, len(rows), 2)]
    if all(alone.feed(packed(page) or page) for page in pages):
        return alone.finish(stop)
    return None


def damaged(rows: Rows, data: st.DataObject) -> Rows:
    """Damage one field of up to three rows, or take rows away."""
    kept = list(rows)
    for _ in range(data.draw(st.integers(0, 3))):
        place, field = data.draw(st.integers(0, len(kept) - 1)), data.draw(st.integers(0, 5))
        row = list(kept[place])
        if field == 0 and len(kept) > 1:
            del kept[place]
            continue
        row[field or 1] = data.draw(st.sampled_from([kept[0], kept[-1]]))[field or 1]
        kept[place] = tuple(row)
    return kept


@given(LEDGERS, st.data(), st.integers(1, 5))
def test_segments_change_no_finding(events: list[dict[str, Any]], data: st.DataObject, step: int) -> None:
    rows = rows_of(events)
    found, anchors = damaged(rows, data), data.draw(st.sampled_from([[], anchors_of(rows)]))

    assert walked(found, anchors, step) == walked(found, anchors, None)


@pytest.mark.parametrize("step", [256, 300, 512, 700, 1_024])
def test_tiles_computed_elsewhere_make_the_same_tree(step: int) -> None:
    rows = rows_of([{"n": number} for number in range(1_500)])
    anchors = [anchor for anchor in anchors_of(rows[:40]) if anchor.size % 13 == 0]

    assert walked(rows, anchors, step) == walked(rows, anchors, None)


def test_a_stretch_without_entries_is_not_whole() -> None:
    assert SegmentWalk(STREAM, 0).finish(0) is None


def with_url(rig: Rig) -> LedgerReader:
    """Return a reader that may use other processes."""
    return LedgerReader(rig.reader_pool, rig.signer.name, rig.url)


CHOSEN = ("one bit of a payload flipped", "three entries deleted", "a query column", "the tail cut",
          "an entry put in with a time of long ago")


@pytest.mark.parametrize("attack", [each for each in ATTACKS if each.name in CHOSEN], ids=lambda each: each.name)
async def test_two_processes_name_an_attack_like_one(rig: Rig, attack: Attack) -> None:
    await rig.filled(20, checkpoint_at=(10,))
    await attack.plant(rig)

    assert kinds(await rig.verify(team=TWO, reader=with_url(rig))) == list(attack.anchored)


def test_the_chosen_attacks_are_in_the_table() -> None:
    assert {each.name for each in ATTACKS} >= set(CHOSEN)


async def test_two_processes_find_an_honest_ledger_good_and_say_how_far_they_are(rig: Rig) -> None:
    await rig.filled(300, checkpoint_at=(10, 270))

    one = await rig.verify()
    two = await rig.verify(team=Team(processes=2, from_entries=1, segment_rows=128), reader=with_url(rig))

    assert (two.root, two.findings, two.anchored_size) == (one.root, (), 300)


async def test_other_processes_that_cannot_read_leave_the_work_to_the_first(rig: Rig) -> None:
    await rig.filled(20)
    nowhere = LedgerReader(rig.reader_pool, rig.signer.name, "postgresql://nobody@127.0.0.1:1/nothing")
    await rig.attack(f"UPDATE {ENTRIES} SET payload = '{{}}' WHERE seq = 7")

    assert kinds(await rig.verify(team=TWO, reader=nowhere)) == [("edited", 7, 7)]


async def test_a_head_that_promises_endless_entries_does_not_keep_the_auditor_busy(rig: Rig) -> None:
    await rig.filled(20)
    await rig.attack("UPDATE audit_ledger.heads SET size = 4611686018427387904",
                     f"UPDATE {ENTRIES} SET seq = 4611686018427387903 WHERE seq = 19")

    report = await rig.verify(team=TWO, reader=with_url(rig))

    assert ("missing", 19, 4611686018427387902) in kinds(report)


async def test_a_process_that_is_killed_changes_no_finding(rig: Rig) -> None:
    await rig.filled(600)
    await rig.attack(f"UPDATE {ENTRIES} SET payload = '{{}}' WHERE seq = 550")
    killed = []

    def kill(_done: int, _total: int) -> None:
        for child in psutil.Process().children():
            if "segment_worker" in " ".join(child.cmdline()):
                child.kill()
                killed.append(child.pid)

    auditor = rig.verifier(team=Team(processes=2, from_entries=1, segment_rows=5), reader=with_url(rig))
    report = await auditor.verify(kill)

    assert killed
    assert kinds(report) == [("edited", 550, 550)]
