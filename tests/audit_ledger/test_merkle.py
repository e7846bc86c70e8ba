"""The tree against public vectors and against a naive one."""

import base64
import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit_ledger.domain.merkle import (
    EMPTY_ROOT,
    Frontier,
    Span,
    Subtree,
    consistency_spans,
    folded,
    inclusion_spans,
    leaf_hash,
    node_hash,
    root_of,
    subtrees_of,
)
from audit_ledger.domain.proofs import proves_consistency, proves_inclusion


def naive_root(leaves: list[bytes]) -> bytes:
    """RFC 6962 section 2.1, word for word."""
    if len(leaves) < 2:
        return leaves[0] if leaves else EMPTY_ROOT
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return node_hash(naive_root(leaves[:split]), naive_root(leaves[split:]))


def leaves_of(count: int) -> list[bytes]:
    return [leaf_hash(str(number).encode()) for number in range(count)]


def path_of(spans: list[Span], leaves: list[bytes]) -> list[bytes]:
    return [naive_root(leaves[span.start:span.end]) for span in spans]


def decoded(values: list[str] | None) -> list[bytes]:
    return [base64.b64decode(value) for value in values or []]


def loaded(folder: Path, name: str) -> Any:
    return json.loads((folder / name).read_text())


def test_the_roots_of_the_rfc_s_tree_come_out(shared_vectors: Path) -> None:
    vectors = loaded(shared_vectors, "merkle/rfc6962_tree.json")
    leaves = [leaf_hash(bytes.fromhex(text)) for text in vectors["leaf_inputs_hex"]]

    assert [leaf.hex() for leaf in leaves] == vectors["leaf_hashes_hex"]
    assert [root_of(leaves[:size]).hex() for size in range(9)] == vectors["root_hashes_hex"]


def test_every_published_inclusion_case_is_judged_alike(shared_vectors: Path) -> None:
    cases = loaded(shared_vectors, "merkle/inclusion.json")

    wrong = [case["case"] for case in cases if case["wantErr"] == proves_inclusion(
        base64.b64decode(case["leafHash"]), case["leafIdx"], case["treeSize"], decoded(case["proof"]),
        base64.b64decode(case["root"]))]

    assert (len(cases), wrong) == (65, [])


def test_every_published_consistency_case_is_judged_alike(shared_vectors: Path) -> None:
    cases = loaded(shared_vectors, "merkle/consistency.json")

    wrong = [case["case"] for case in cases if case["wantErr"] == proves_consistency(
        case["size1"], case["size2"], decoded(case["proof"]),
        base64.b64decode(case["root1"]), base64.b64decode(case["root2"]))]

    assert (len(cases), wrong) == (65, [])


def test_the_reference_implementation_s_300_roots_and_276_proofs_come_out(shared_vectors: Path) -> None:
    vectors = loaded(shared_vectors, "notes/tree.json")
    leaves = [leaf_hash(bytes.fromhex(text)) for text in vectors["leaves_hex"]]
    roots = {int(size): bytes.fromhex(text) for size, text in vectors["roots"].items()}

    assert [root_of(leaves[:size]) for size in range(1, 301)] == [roots[size] for size in range(1, 301)]
    for proof in vectors["proofs"]:
        expected, size = [bytes.fromhex(text) for text in proof["proof"]], proof["size"]
        if proof["kind"] == "inclusion":
            index = proof.get("index", 0)
            assert path_of(inclusion_spans(index, size), leaves) == expected
            assert proves_inclusion(leaves[index], index, size, expected, roots[size])
        else:
            assert path_of(consistency_spans(proof["from"], size), leaves) == expected
            assert proves_consistency(proof["from"], size, expected, roots[proof["from"]], roots[size])
    assert len(vectors["proofs"]) == 276


def test_completed_subtrees_are_the_reference_s_tiles(shared_vectors: Path) -> None:
    tiles = loaded(shared_vectors, "notes/tiles.json")["tiles_hex"]
    vectors = loaded(shared_vectors, "notes/tree.json")
    leaves = [leaf_hash(bytes.fromhex(text)) for text in vectors["leaves_hex"]]

    done = Frontier().extend(leaves)

    assert b"".join(leaves[:256]).hex() == tiles["tile/8/0/000"]
    assert done == [(Subtree(8, 0), bytes.fromhex(tiles["tile/8/1/000.p/1"]))]


@given(st.lists(st.integers(0, 700), min_size=1, max_size=4))
def test_growing_in_steps_gives_the_naive_root(steps: list[int]) -> None:
    leaves, tree, done = leaves_of(sum(steps)), Frontier(), []
    for step in steps:
        done += tree.extend(leaves[tree.size:tree.size + step])

    assert tree.root == naive_root(leaves)
    assert all(found == naive_root(leaves[place.index << place.level:(place.index + 1) << place.level])
               for place, found in done)
    assert len(done) == len(leaves) // 256


@given(st.integers(1, 200), st.data())
def test_inclusion_proofs_are_complete_and_sound(size: int, data: st.DataObject) -> None:
    seq = data.draw(st.integers(0, size - 1))
    leaves = leaves_of(size)
    path, root = path_of(inclusion_spans(seq, size), leaves), naive_root(leaves)

    assert proves_inclusion(leaves[seq], seq, size, path, root)
    other = data.draw(st.integers(0, size - 1))
    assert proves_inclusion(leaves[seq], other, size, path, root) == (other == seq)
    assert not proves_inclusion(leaves[seq], seq, size, [*path, root], root)
    if path:
        place = data.draw(st.integers(0, len(path) - 1))
        assert not proves_inclusion(leaves[seq], seq, size, path[:place] + path[place + 1:], root)
        damaged = bytes([path[place][0] ^ 1]) + path[place][1:]
        assert not proves_inclusion(leaves[seq], seq, size, [*path[:place], damaged, *path[place + 1:]], root)


@given(st.integers(1, 200), st.data())
def test_consistency_proofs_are_complete_and_sound(new: int, data: st.DataObject) -> None:
    old = data.draw(st.integers(1, new))
    leaves = leaves_of(new)
    path, roots = path_of(consistency_spans(old, new), leaves), (naive_root(leaves[:old]), naive_root(leaves))

    assert proves_consistency(old, new, path, *roots)
    assert not proves_consistency(old, new, [*path, roots[1]], *roots)
    assert not proves_consistency(old, new, path, leaf_hash(b"another"), roots[1])
    if path:
        assert not proves_consistency(old, new, path[:-1], *roots)


@given(st.integers(0, 5_000))
def test_a_row_of_perfect_subtrees_covers_exactly_its_span(size: int) -> None:
    places = subtrees_of(Span(0, size))

    covered = [(place.index << place.level, (place.index + 1) << place.level) for place in places]
    assert sum(end - start for start, end in covered) == size
    assert all(one[1] == other[0] for one, other in itertools.pairwise(covered))


def test_a_leaf_is_never_a_node() -> None:
    left, right = leaf_hash(b"l"), leaf_hash(b"r")

    assert leaf_hash(left + right) != node_hash(left, right)
    assert folded([]) == EMPTY_ROOT


@pytest.mark.parametrize(("seq", "size"), [(-1, 1), (1, 1), (0, 0)])
def test_a_position_outside_the_tree_is_never_proven(seq: int, size: int) -> None:
    assert not proves_inclusion(EMPTY_ROOT, seq, size, [], EMPTY_ROOT)
