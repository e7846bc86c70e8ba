"""A verification interrupted anywhere and resumed reports what an uninterrupted one reports."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit_ledger.domain.audit.finding import Findings
from audit_ledger.domain.audit.tree_check import Anchor, TreeCheck
from audit_ledger.domain.audit.walk import Walk
from audit_ledger.domain.audit.walk_state import WalkState
from audit_ledger.domain.entry import GENESIS
from audit_ledger.domain.errors import UncheckableError
from audit_ledger.domain.merkle import Frontier
from tests.audit_ledger.test_segment import Outcome, Rows, damaged
from tests.audit_ledger.test_walk import LEDGERS, STREAM, anchors_of, packed, rows_of


def begun(anchors: list[Anchor], rows: Rows = (), since: int = 0) -> WalkState:  # type: ignore[assignment]
    """Begin a verification, at the start or after the first rows."""
    findings, frontier = Findings([]), Frontier()
    frontier.extend([row[3] for row in rows[:since]])
    tree = TreeCheck(frontier, anchors, findings)
    previous = rows[since - 1][3] if since else GENESIS
    return WalkState(Walk(STREAM, since=since, previous=previous, tree=tree, findings=findings), tree, findings)


def finished(state: WalkState) -> tuple[Outcome, list[Anchor], list[Anchor]]:
    """Return all that a report says of the walk."""
    state.walk.finish()
    tree = state.tree
    return (state.findings.ordered(), tree.root, tree.size, tree.subtrees), tree.good, tree.unmet()


def walked(state: WalkState, anchors: list[Anchor], pages: list[Rows], interruptions: set[int]) -> WalkState:
    """Feed the pages; after those with the numbers given, write everything down and forget it."""
    for number, page in enumerate(pages):
        state.walk.feed(packed(page) or page)
        if number in interruptions:
            state = WalkState.from_json(state.to_json(STREAM), STREAM, anchors)
    return state


@given(LEDGERS, st.data(), st.sets(st.integers(0, 7)), st.integers(1, 3))
def test_interruptions_change_nothing(
    events: list[dict[str, Any]], data: st.DataObject, interruptions: set[int], step: int,
) -> None:
    rows = rows_of(events)
    anchors = data.draw(st.sampled_from([[], anchors_of(rows)]))
    found = damaged(rows, data)
    pages = [found[at:at + step] for at in range(0, len(found), step)]

    resumed = finished(walked(begun(anchors), anchors, pages, interruptions))

    assert resumed == finished(walked(begun(anchors), anchors, pages, set()))


@pytest.mark.parametrize("since", [0, 1, 255, 256, 300])
def test_interruptions_within_tiles_and_after_a_checkpoint_change_nothing(since: int) -> None:
    rows = rows_of([{"n": number} for number in range(900)])
    anchors = [anchor for anchor in anchors_of(rows[:310]) if anchor.size >= since and anchor.size % 5 == 0]
    pages = [rows[at:at + 70] for at in range(since, len(rows), 70)]

    resumed = finished(walked(begun(anchors, rows, since), anchors, pages, set(range(20))))

    assert resumed == finished(walked(begun(anchors, rows, since), anchors, pages, set()))


def test_what_was_saved_before_the_first_page_is_a_beginning() -> None:
    rows = rows_of([{"n": number} for number in range(20)])
    anchors = anchors_of(rows)
    state = WalkState.from_json(begun(anchors).to_json(STREAM), STREAM, anchors)

    assert finished(walked(state, anchors, [rows], set())) == finished(walked(begun(anchors), anchors, [rows], set()))


@pytest.mark.parametrize(("old", "new"), [
    (b"}", b""), (b"verification 1", b"verification 2"), (b'"last"', b'"lost"'), (b'"peaks":[]', b'"peaks":["zz"]'),
    (STREAM.encode(), b"gridwarden/another"), (b'"walk":{', b'"walk":[],"w":{'),
])
def test_what_is_not_a_saved_verification_of_this_ledger_is_refused(old: bytes, new: bytes) -> None:
    saved = begun([]).to_json(STREAM)
    assert old in saved

    with pytest.raises(UncheckableError, match="begin anew"):
        WalkState.from_json(saved.replace(old, new), STREAM, [])


@pytest.mark.parametrize("saved", [b"", b"[]", b"{}", b"null", b"\xff"])
def test_other_bytes_are_refused(saved: bytes) -> None:
    with pytest.raises(UncheckableError, match="begin anew"):
        WalkState.from_json(saved, STREAM, [])
