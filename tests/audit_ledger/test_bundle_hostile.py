"""Bundles that are no honest zip any more: doubled names, bombs, cuts, flipped bits; none hurts, none is good."""

import zipfile
import zlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.audit_ledger.bundle_edits import ENTRIES, NOTE, on_entries, zipped
from tests.audit_ledger.bundles import Judge, exported, offline, policy_of, rewritten
from tests.audit_ledger.rig import Rig, filled


@pytest.mark.filterwarnings("ignore:Duplicate name")
async def test_two_members_of_one_name_are_told(rig: Rig, tmp_path: Path) -> None:
    await filled(rig)
    bundle = await exported(rig, tmp_path / "all.zip")
    with zipfile.ZipFile(bundle) as archive:
        members = [(name, archive.read(name)) for name in archive.namelist()]
    edited = [(name, content.replace(b"meter_readings", b"meter_writings")) for name, content in members
              if name == ENTRIES]

    assert Judge(rig, policy_of(rig, tmp_path))(zipped(tmp_path / "bad.zip", *edited, *members))[0] == 4


async def test_bombs_cost_nothing(rig: Rig, tmp_path: Path) -> None:
    await filled(rig)
    bundle, judge = await exported(rig, tmp_path / "all.zip"), Judge(rig, policy_of(rig, tmp_path))
    bomb = bytes(50_000_000)
    manifest = zipped(tmp_path / "manifest.zip", ("manifest.json", bomb))
    entries = rewritten(bundle, "entries.zip", lambda members: members.update({ENTRIES: bomb}))
    note = rewritten(bundle, "note.zip", lambda members: members.update({NOTE: bomb}))
    readme = rewritten(bundle, "readme.zip", lambda members: members.update({"README.txt": bomb}))

    assert [judge(bad)[0] for bad in (manifest, entries, note, readme)] == [5, 4, 4, 0]


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
async def test_only_plain_compression_is_read(rig: Rig, tmp_path: Path, method: int) -> None:
    await filled(rig)
    with zipfile.ZipFile(await exported(rig, tmp_path / "all.zip")) as archive:
        members = [(name, archive.read(name)) for name in archive.namelist()]

    assert Judge(rig, policy_of(rig, tmp_path))(zipped(tmp_path / "bad.zip", *members, method=method)) == (5, [])


@pytest.mark.parametrize("content", [b"", b"PK", b"PK\5\6" + bytes(18), b"not a zip" * 100])
async def test_what_is_no_bundle_cannot_be_checked(rig: Rig, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "none.zip").write_bytes(content)

    assert Judge(rig, policy_of(rig, tmp_path))(tmp_path / "none.zip") == (5, [])
    assert offline(tmp_path / "none.zip", policy_of(rig, tmp_path))[0] == 5


async def test_a_file_that_is_not_there_cannot_be_checked(rig: Rig, tmp_path: Path) -> None:
    assert Judge(rig, policy_of(rig, tmp_path))(tmp_path / "none.zip") == (5, [])


async def test_a_bundle_cut_anywhere_is_never_good(rig: Rig, tmp_path: Path) -> None:
    await filled(rig)
    whole = (await exported(rig, tmp_path / "all.zip")).read_bytes()
    judge = Judge(rig, policy_of(rig, tmp_path))
    bad = tmp_path / "bad.zip"
    for end in range(0, len(whole), 397):
        bad.write_bytes(whole[:end])
        assert judge(bad)[0] in {4, 5}


async def test_a_flipped_bit_anywhere_gives_one_verdict_of_two_verifiers(rig: Rig, tmp_path: Path) -> None:
    await filled(rig)
    whole = (await exported(rig, tmp_path / "all.zip", since=3, until=18, singles=(1,))).read_bytes()
    judge, bad = Judge(rig, policy_of(rig, tmp_path)), tmp_path / "bad.zip"
    verdicts = []
    for place in range(0, len(whole), max(1, len(whole) // 400)):
        bad.write_bytes(whole[:place] + bytes((whole[place] ^ 1 << place % 8,)) + whole[place + 1:])
        verdicts.append(judge(bad)[0])

    assert len(verdicts) >= 400
    assert {4, 5} <= set(verdicts) <= {0, 4, 5}


async def test_a_flipped_bit_in_what_is_evidence_is_never_good(rig: Rig, tmp_path: Path) -> None:
    await filled(rig)
    bundle = await exported(rig, tmp_path / "all.zip", since=3, until=18, singles=(1,))
    judge = Judge(rig, policy_of(rig, tmp_path))
    good = []
    with zipfile.ZipFile(bundle) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    for name in set(members) - {"README.txt", "verify.py"}:
        for place in range(0, len(members[name]), max(1, len(members[name]) // 25)):
            content = bytearray(members[name])
            content[place] ^= 1 << place % 8
            bad = zipped(tmp_path / "bad.zip", *(members | {name: bytes(content)}).items(), method=zipfile.ZIP_STORED)
            if judge(bad)[0] not in {4, 5}:
                good.append((name, place))

    assert good == []


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_mutated_entries_give_one_verdict_of_two_verifiers(rig: Rig, tmp_path: Path, data: st.DataObject) -> None:
    bundle = tmp_path / "all.zip"
    if not bundle.exists():
        await filled(rig)
        await exported(rig, bundle)
    place, other = (data.draw(st.integers(0, 19)) for _ in range(2))

    def at_random(leaves: list[bytes]) -> None:
        action = data.draw(st.sampled_from(("flip", "drop", "copy", "swap", "move")))
        if action == "flip":
            at = data.draw(st.integers(0, len(leaves[place]) - 1))
            leaf = bytearray(leaves[place])
            leaf[at] ^= 1 << data.draw(st.integers(0, 7))
            leaves[place] = bytes(leaf)
        elif action == "drop":
            del leaves[min(place, other):max(place, other)]
        elif action == "copy":
            leaves[place] = leaves[other]
        elif action == "swap":
            leaves[place], leaves[other] = leaves[other], leaves[place]
        else:
            leaves.insert(other, leaves.pop(place))

    bad = rewritten(bundle, "bad.zip", on_entries(at_random))
    found = Judge(rig, policy_of(rig, tmp_path))(bad)[0]

    assert found == (0 if _same(bundle, bad) else 4)


def _same(one: Path, two: Path) -> bool:
    with zipfile.ZipFile(one) as first, zipfile.ZipFile(two) as second:
        return zlib.crc32(first.read(ENTRIES)) == zlib.crc32(second.read(ENTRIES))
