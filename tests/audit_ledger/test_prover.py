"""Proofs out of stored tiles: right at every place and size, refused where a node is gone, and only there."""

import pytest

from audit_ledger.domain.errors import ForkedLedgerError
from audit_ledger.domain.merkle import root_of
from audit_ledger.domain.proofs import proves_consistency, proves_inclusion
from audit_ledger.service.prover import Prover
from tests.audit_ledger.rig import Rig

SIZE = 600


async def test_a_proof_at_the_edges_of_tiles_holds_at_every_size(rig: Rig) -> None:
    await rig.filled(SIZE)
    prover, hashes = Prover(rig.reader), [entry.entry_hash for entry in await rig.reader.entries(0, SIZE)]

    for size in (1, 2, 255, 256, 257, 511, 512, 513, SIZE):
        root = root_of(hashes[:size])
        for seq in {0, size // 2, max(size - 257, 0), size - 1}:
            proof = await prover.inclusion(seq, size)
            assert proof.root == root
            assert proves_inclusion(hashes[seq], seq, size, proof.path, root)
        path = await prover.consistency(size, SIZE)
        assert proves_consistency(size, SIZE, path, root, root_of(hashes))


@pytest.mark.parametrize(("statement", "served", "refused"), [
    ("DELETE FROM audit_ledger.entries WHERE seq = 300", (7, SIZE), (301, SIZE)),
    ("DELETE FROM audit_ledger.subtrees WHERE index = 1", (7, 256), (7, SIZE)),
])
async def test_a_proof_is_refused_where_a_node_is_gone_and_served_elsewhere(
    rig: Rig, statement: str, served: tuple[int, int], refused: tuple[int, int],
) -> None:
    await rig.filled(SIZE)
    await rig.attack(statement)
    prover = Prover(rig.reader)

    assert (await prover.inclusion(*served)).path
    with pytest.raises(ForkedLedgerError, match="gone"):
        await prover.inclusion(*refused)


async def test_the_edge_before_a_gap_is_known(rig: Rig) -> None:
    await rig.filled(SIZE)
    before = await Prover(rig.reader).frontier_at(300)
    await rig.attack("DELETE FROM audit_ledger.entries WHERE seq = 300")

    assert await Prover(rig.reader).frontier_at(300) == before
    with pytest.raises(ForkedLedgerError, match="gone"):
        await Prover(rig.reader).frontier_at(302)
