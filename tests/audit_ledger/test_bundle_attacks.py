"""Bundles that somebody unfair has made: both verifiers find the same, and none of it is ever good."""

import struct
from base64 import b64decode, b64encode
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from audit_ledger.adapters.offline_verifier import told, verified
from audit_ledger.domain.c2sp.checkpoint import Checkpoint
from audit_ledger.domain.c2sp.cosignature import Cosigner
from audit_ledger.domain.c2sp.note import NoteSigner
from audit_ledger.domain.entry import leaf_data_of
from audit_ledger.domain.merkle import Frontier
from tests.audit_ledger.bundle_edits import ENTRIES, NOTE, edit, joined, on_entries, on_manifest, split
from tests.audit_ledger.bundles import Judge, Members, exported, offline, policy_of, rewritten
from tests.audit_ledger.rig import Rig, filled

OTHER = NoteSigner("gridwarden/00000000", bytes(32))


def swap(leaves: list[bytes]) -> None:
    leaves[5], leaves[6] = leaves[6], leaves[5]


def other_form(leaves: list[bytes]) -> None:
    leaves[5] = leaves[5].replace(b'{"@timestamp"', b'{ "@timestamp"')


def rechain(leaves: list[bytes], stream: str, start: int, change: Callable[[bytes], bytes]) -> None:
    """Edit one entry and recompute everything after it, as an insider would."""
    make, at = leaf_data_of(stream), 34 + len(stream)
    leaves[start] = _with(make, stream, leaves[start], leaves[start][:32], change(leaves[start][at + 20:]))
    for place in range(start + 1, len(leaves)):
        previous = sha256(b"\0" + leaves[place - 1]).digest()
        leaves[place] = _with(make, stream, leaves[place], previous, leaves[place][at + 20:])


def _with(make: Any, stream: str, leaf: bytes, previous: bytes, payload: bytes) -> bytes:
    seq, at_us, _ = struct.unpack_from(">qqI", leaf, 34 + len(stream))
    result: bytes = make(previous, seq, at_us, payload)
    return result


ATTACKS: dict[str, tuple[Callable[[Members], Any], int, list[str]]] = {
    "an edited payload": (on_entries(edit(7)), 4, ["edited"]),
    "the last entry edited": (on_entries(edit(19)), 4, ["edited"]),
    "the first entry edited": (on_entries(edit(1)), 4, ["edited"]),
    "an entry removed": (on_entries(lambda leaves: leaves.pop(9)), 4, ["missing"]),
    "the last entry removed": (on_entries(lambda leaves: leaves.pop()), 4, ["missing"]),
    "an entry twice": (on_entries(lambda leaves: leaves.insert(6, leaves[5])), 4, ["duplicate"]),
    "two entries swapped": (on_entries(swap), 4, ["duplicate", "missing"]),
    "the same JSON in other bytes": (on_entries(other_form), 4, ["edited"]),
    "all entries removed": (on_entries(list.clear), 4, ["missing"]),
    "the chunk removed": (lambda members: members.pop(ENTRIES), 4, ["missing"]),
    "the chunk cut short": (lambda members: members.update({ENTRIES: members[ENTRIES][:2_000]}), 4, []),
    "bytes after the last entry": (lambda members: members.update({ENTRIES: members[ENTRIES] + b"\0"}), 4, []),
    "the checkpoint removed": (lambda members: members.pop(NOTE), 4, ["checkpoint_signature"]),
    "the signature removed": (
        lambda members: members.update({NOTE: members[NOTE].split(b"\xe2\x80\x94")[0]}), 4, ["checkpoint_signature"]),
    "a member that does not belong": (lambda members: members.update({"../../etc/passwd": b"x"}), 4, ["extra"]),
    "an absolute path": (lambda members: members.update({"/tmp/x": b"x"}), 4, ["extra"]),  # noqa: S108 - a name in a zip
    "an earlier checkpoint passed off as the last": (on_manifest(checkpoints=[10]), 5, []),
    "a right node that is not there": (on_manifest(right=["00" * 32]), 5, []),
    "a wrong head": (on_manifest(head="00" * 32), 4, ["checkpoint_mismatch", "edited"]),
    "a size beyond the checkpoint": (on_manifest(checkpoints=[21]), 5, []),
    "another stream": (on_manifest(stream="gridwarden/00000000"), 4, []),
    "another format": (on_manifest(format="gridwarden-ledger-bundle/2"), 5, []),
    "an unknown part": (on_manifest(more=lambda _: 1), 5, []),
    "true for one": (on_manifest(**{"from": False}), 5, []),
    "a manifest in another form": (
        lambda members: members.update({"manifest.json": members["manifest.json"] + b" "}), 5, []),
    "no manifest": (lambda members: members.pop("manifest.json"), 5, []),
}


async def test_no_change_passes(rig: Rig, tmp_path: Path, subtests: pytest.Subtests) -> None:
    await filled(rig)
    bundle, judge = await exported(rig, tmp_path / "all.zip"), Judge(rig, policy_of(rig, tmp_path))
    for name, (change, code, kinds) in ATTACKS.items():
        with subtests.test(name):
            found, named = judge(rewritten(bundle, "bad.zip", change))

            assert found == code
            assert named == kinds or not kinds


async def test_a_finding_names_its_place_and_what_still_holds(rig: Rig, tmp_path: Path) -> None:
    await filled(rig)
    bad = rewritten(await exported(rig, tmp_path / "all.zip"), "bad.zip", on_entries(edit(7)))

    code, report = offline(bad, policy_of(rig, tmp_path), "--entry", "7")
    other = offline(bad, policy_of(rig, tmp_path), "--entry", "8")[1]

    assert (code, report["others_hold"]) == (4, True)
    assert (report["entry"]["proven"], other["entry"]["proven"]) == (False, True)
    assert [(found["kind"], found["seq"], found["last_seq"]) for found in report["findings"]] == [("edited", 7, 7)]


async def test_an_entry_cannot_write_on_the_auditors_screen(rig: Rig, tmp_path: Path) -> None:
    await filled(rig)

    def attack(leaves: list[bytes]) -> None:
        leaves[7] = leaves[7].replace(b"meter_readings", b"\x1b[2J\xc2\x9b1mgood\r\n\xe2\x80\xae")

    bad = rewritten(await exported(rig, tmp_path / "all.zip"), "bad.zip", on_entries(attack))
    report = verified(str(bad), str(policy_of(rig, tmp_path)), 7)

    assert report["entry"]["proven"] is False
    assert all(line.isprintable() for line in told(report).split("\n"))
    assert len(told(report).split("\n")) == 5


async def test_an_insider_who_recomputes_the_chain_meets_the_signed_root(rig: Rig, tmp_path: Path) -> None:
    await filled(rig)

    def attack(members: Members) -> None:
        leaves = split(members[ENTRIES])
        rechain(leaves, rig.signer.name, 7, lambda payload: payload.replace(b"user-", b"luser-"))
        members[ENTRIES] = joined(leaves)
        on_manifest(head=sha256(b"\0" + leaves[-1]).hexdigest())(members)

    assert Judge(rig, policy_of(rig, tmp_path))(
        rewritten(await exported(rig, tmp_path / "all.zip"), "bad.zip", attack)) == (4, ["checkpoint_mismatch"])


async def test_a_rewrite_under_the_attackers_own_key_is_not_signed(rig: Rig, tmp_path: Path) -> None:
    await filled(rig)
    own = NoteSigner(rig.signer.name, bytes(range(32)))

    def attack(members: Members) -> None:
        leaves = split(members[ENTRIES])
        rechain(leaves, rig.signer.name, 7, lambda payload: payload.replace(b"user-", b"luser-"))
        members[ENTRIES] = joined(leaves)
        tree = Frontier()
        tree.extend([sha256(b"\0" + leaf).digest() for leaf in leaves])
        members[NOTE] = Checkpoint(rig.signer.name, 20, tree.root).signed_by(own)
        on_manifest(head=sha256(b"\0" + leaves[-1]).hexdigest())(members)

    assert Judge(rig, policy_of(rig, tmp_path))(
        rewritten(await exported(rig, tmp_path / "all.zip"), "bad.zip", attack)) == (4, ["checkpoint_signature"])


async def test_a_checkpoint_of_another_origin_counts_for_nothing_even_if_its_log_is_known(
    rig: Rig, tmp_path: Path,
) -> None:
    await filled(rig)

    def attack(members: Members) -> None:
        root = members[NOTE].split(b"\n")[2]
        members[NOTE] = OTHER.sign(f"{OTHER.name}\n20\n{root.decode()}\n").encode()

    policy = policy_of(rig, tmp_path, f"log {OTHER.verifier}")

    assert Judge(rig, policy)(rewritten(await exported(rig, tmp_path / "all.zip"), "bad.zip", attack)) == (
        4, ["checkpoint_signature"])


async def test_a_forged_cosignature_is_tampering_not_absence(rig: Rig, tmp_path: Path) -> None:
    await filled(rig)
    witness, thief = (Cosigner(NoteSigner("witness.example", bytes((seed,)) * 32)) for seed in (1, 2))

    def attack(members: Members) -> None:
        text = members[NOTE].decode().rpartition("\n\n")[0] + "\n"
        raw = b64decode(thief.cosign(text, 1_795_000_000).split()[2])
        forged = b64encode(witness.verifier.key_id + raw[4:]).decode()
        members[NOTE] += f"\u2014 witness.example {forged}\n".encode()

    policy = policy_of(rig, tmp_path, f"witness w {witness.verifier}", quorum="w")

    assert Judge(rig, policy)(rewritten(await exported(rig, tmp_path / "all.zip"), "bad.zip", attack)) == (
        4, ["checkpoint_signature"])


async def test_keys_in_the_bundle_are_not_asked(rig: Rig, tmp_path: Path) -> None:
    await filled(rig)
    bundle = await exported(rig, tmp_path / "all.zip")
    policy = tmp_path / "policy"
    policy.write_text(f"log {OTHER.verifier}\nquorum none\n")

    found = Judge(rig, policy)(rewritten(bundle, "bad.zip", lambda members: members.update(
        {"policy": f"log {rig.signer.verifier}\nquorum none\n".encode()})))

    assert found == (4, ["checkpoint_signature", "extra"])


OTHER_PATHS: tuple[Callable[[bytes], bytes], ...] = (
    lambda path: path[:-32], lambda path: path + bytes(32), lambda path: path[32:64] + path[:32] + path[64:],
    lambda path: path[:-1], lambda _path: b"", lambda path: bytes(32) + path[32:],
)


async def test_no_other_inclusion_proof_serves(rig: Rig, tmp_path: Path) -> None:
    await filled(rig)
    bundle, judge = await exported(rig, tmp_path / "one.zip", singles=(7,)), Judge(rig, policy_of(rig, tmp_path))
    name = f"single/{7:019}.path"

    def judged(change: Callable[[bytes], bytes]) -> tuple[int, list[str]]:
        return judge(rewritten(bundle, "bad.zip", lambda members: members.update({name: change(members[name])})))

    found = [judged(change) for change in OTHER_PATHS]

    assert found == [(4, ["tree_mismatch"])] * len(OTHER_PATHS)


async def test_a_single_entry_edited_or_of_another_place_is_not_proven(rig: Rig, tmp_path: Path) -> None:
    await filled(rig)
    bundle, judge = await exported(rig, tmp_path / "two.zip", singles=(7, 8)), Judge(rig, policy_of(rig, tmp_path))
    seven, eight = (f"single/{seq:019}.bin" for seq in (7, 8))

    edited = rewritten(bundle, "edited.zip", lambda members: members.update(
        {seven: members[seven].replace(b"user-", b"yser-")}))
    swapped = rewritten(bundle, "swapped.zip", lambda members: members.update(
        {seven: members[eight], eight: members[seven]}))

    assert [judge(bad) for bad in (edited, swapped)] == [(4, ["tree_mismatch"])] * 2


@pytest.mark.parametrize("part", ["left", "right", "consistency"])
async def test_every_node_beside_the_entries_matters(rig: Rig, tmp_path: Path, part: str) -> None:
    await filled(rig)
    bundle = await exported(rig, tmp_path / "part.zip", since=11, until=15)
    flip = (lambda held: ["00" * 32, *held[1:]]) if part != "consistency" else (
        lambda held: [["00" * 32, *held[0][1:]]])

    bad = rewritten(bundle, "bad.zip", on_manifest(**{part: flip}))

    assert Judge(rig, policy_of(rig, tmp_path))(bad) == (4, ["checkpoint_mismatch"])
