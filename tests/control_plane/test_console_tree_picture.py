"""The pictures say what the tree is: widths, order, sides."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit_ledger.domain.merkle import Span, inclusion_spans, subtrees_of
from control_plane.console.tree_picture import WIDTH, proof_picture, tree_picture


def tree_of(size: int) -> dict[str, object]:
    peaks = [{"level": each.level, "index": each.index, "hash": "00", "first": each.index << each.level,
              "last": ((each.index + 1) << each.level) - 1} for each in subtrees_of(Span(0, size))]
    return {"size": size, "root": "aa", "peaks": peaks}


@given(st.integers(1, 2**40), st.integers(0, 2**40))
def test_triangles_stand_in_order_inside_the_picture_and_signed_ones_come_first(size: int, signed: int) -> None:
    picture = tree_picture(tree_of(size), signed)

    assert picture is not None
    edges = [edge for peak in picture.peaks for edge in (peak.left, peak.right)]
    assert edges == sorted(edges)
    assert edges[0] >= 0
    assert edges[-1] <= WIDTH
    marks = [peak.is_signed for peak in picture.peaks]
    assert marks == sorted(marks, reverse=True)
    assert all(0 <= value <= WIDTH for fold in picture.folds for value in fold)


def test_an_empty_tree_has_no_picture() -> None:
    assert tree_picture({"size": 0, "root": "", "peaks": []}, 0) is None


@given(st.integers(1, 5_000), st.data())
def test_siblings_stand_on_the_side_of_the_leaves_they_cover(size: int, data: st.DataObject) -> None:
    seq = data.draw(st.integers(0, size - 1))
    spans = inclusion_spans(seq, size)

    picture = proof_picture(seq, size, ["00"] * len(spans))

    assert [rung.is_left for rung in picture.rungs] == [span.end <= seq for span in spans]


@pytest.mark.parametrize("size", [1, 2, 3, 255, 256, 257])
def test_every_rung_is_above_the_one_before(size: int) -> None:
    picture = proof_picture(0, size, ["00"] * len(inclusion_spans(0, size)))

    heights = [rung.y for rung in picture.rungs]
    assert heights == sorted(heights, reverse=True)
    assert all(0 < height < picture.height for height in heights)
