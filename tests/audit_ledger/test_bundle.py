"""A bundle: made from a ledger, the same bytes each time, good under two verifiers that share no code."""

import asyncio
import contextlib
import os
import shutil
import zipfile
from pathlib import Path

import pytest

from audit_ledger.adapters.bundle_file import BundleWriter
from audit_ledger.domain.c2sp.cosignature import Cosigner
from audit_ledger.domain.c2sp.note import NoteSigner
from audit_ledger.domain.errors import UncheckableError
from audit_ledger.service.archive.export import Request
from audit_ledger.store.cosignatures import Cosignatures
from shared_kernel.errors import ConflictError, InvalidInputError, NotFoundError, UnavailableError
from tests.audit_ledger.bundles import Judge, exported, exporter_of, members_of, offline, policy_of
from tests.audit_ledger.rig import Rig, filled


async def test_a_whole_ledger_is_good_under_both_verifiers(rig: Rig, tmp_path: Path) -> None:
    await filled(rig)
    bundle, policy = await exported(rig, tmp_path / "all.zip"), policy_of(rig, tmp_path)

    code, report = offline(bundle, policy)

    assert (code, report["findings"], report["mode"], report["holds_to"]) == (0, [], "anchored", 20)
    assert (report["from"], report["until"], report["others_hold"]) == (0, 20, True)
    assert Judge(rig, policy)(bundle) == (0, [])


@pytest.mark.parametrize(("since", "until"), [(0, 1), (0, 7), (3, 4), (5, 20), (10, 17), (19, 20), (0, 20), (8, 16)])
async def test_any_range_hangs_on_the_signed_root(rig: Rig, tmp_path: Path, since: int, until: int) -> None:
    await filled(rig)
    bundle = await exported(rig, tmp_path / "part.zip", since=since, until=until)

    assert Judge(rig, policy_of(rig, tmp_path))(bundle) == (0, [])


async def test_single_entries_come_with_their_proofs_and_are_shown(rig: Rig, tmp_path: Path) -> None:
    await filled(rig)
    bundle, policy = await exported(rig, tmp_path / "some.zip", singles=(3, 12)), policy_of(rig, tmp_path)

    code, report = offline(bundle, policy, "--entry", "12")

    assert (code, report["from"], report["until"]) == (0, 0, 0)
    assert (report["entry"]["seq"], report["entry"]["proven"]) == (12, True)
    assert report["entry"]["recorded_at"] == "2026-11-18T11:06:40.000000Z"
    assert '"id":"request-12"' in report["entry"]["payload"]
    assert offline(bundle, policy, "--entry", "4")[0] == 5
    assert Judge(rig, policy)(bundle) == (0, [])


async def test_more_than_one_chunk_and_large_payloads(rig: Rig, tmp_path: Path) -> None:
    ledger = rig.ledger()
    await ledger.start()
    for number in range(8):
        await ledger.record(rig.event(number, padding={"text": "x" * (64_700 + 60 * number)}))
    await asyncio.gather(*(ledger.record(rig.event(number)) for number in range(4_200)))
    await ledger.stop()
    bundle, policy = await exported(rig, tmp_path / "long.zip"), policy_of(rig, tmp_path)

    assert sum(name.startswith("entries/") for name in members_of(bundle)) == 2
    assert offline(bundle, policy)[0] == 0
    assert Judge(rig, policy)(bundle) == (0, [])


async def test_the_same_ledger_gives_the_same_bytes(rig: Rig, tmp_path: Path) -> None:
    await filled(rig)

    first, second = [(await exported(rig, tmp_path / name)).read_bytes() for name in ("one.zip", "two.zip")]

    assert first == second


async def test_the_verifier_in_the_bundle_is_the_one_we_test(rig: Rig, tmp_path: Path) -> None:
    await filled(rig)
    bundle, policy = await exported(rig, tmp_path / "all.zip"), policy_of(rig, tmp_path)
    offline(bundle, policy)

    assert members_of(bundle)["verify.py"].decode() == (tmp_path / "verify.py").read_text()


async def test_every_entry_is_there_in_its_exact_bytes(rig: Rig, tmp_path: Path) -> None:
    await filled(rig)
    bundle = await exported(rig, tmp_path / "all.zip")
    [chunk] = [content for name, content in members_of(bundle).items() if name.startswith("entries/")]

    assert all(entry.payload in chunk for entry in await rig.reader.entries(0, 20))


async def test_a_quorum_of_witnesses_makes_it_witnessed_and_its_absence_3(rig: Rig, tmp_path: Path) -> None:
    await filled(rig)
    witness = Cosigner(NoteSigner("witness.example", bytes(range(32))))
    asked = policy_of(rig, tmp_path, f"witness w {witness.verifier}", quorum="w")
    without = await exported(rig, tmp_path / "without.zip")
    await cosign(rig, witness, 10)
    stale = await exported(rig, tmp_path / "stale.zip")
    await cosign(rig, witness, 20)
    full = await exported(rig, tmp_path / "full.zip")

    judge = Judge(rig, asked)

    assert [judge(bundle)[0] for bundle in (without, stale, full)] == [3, 3, 0]
    assert offline(full, asked)[1]["mode"] == "witnessed"
    assert offline(full, asked)[1]["cosigned"]["20"] == {"w": rig.clock.now_us() // 1_000_000}


async def cosign(rig: Rig, witness: Cosigner, size: int) -> None:
    """Put a cosignature beside the checkpoint of a size."""
    note = await rig.reader.checkpoint_before(size)
    assert note is not None
    at = rig.clock.now_us() // 1_000_000
    text = note.decode().rpartition("\n\n")[0] + "\n"
    await Cosignatures(rig.writer_pool, rig.reader_pool, rig.signer.name).keep(
        size, f"{witness.verifier.name}+{witness.verifier.key_id.hex()}", at, witness.cosign(text, at))


async def test_a_policy_that_names_no_log_cannot_check(rig: Rig, tmp_path: Path) -> None:
    await filled(rig)
    bundle, policy = await exported(rig, tmp_path / "all.zip"), tmp_path / "policy"
    policy.write_text("quorum none\n")

    code, report = offline(bundle, policy)

    assert (code, "names no log" in report["detail"]) == (5, True)


@pytest.mark.parametrize("request_", [
    {"since": 0, "until": 21}, {"singles": (20,)}, {"since": 5, "until": 5}, {"since": 9, "until": 3},
    {"singles": (-1,)},
])
async def test_what_no_checkpoint_covers_is_not_exported(rig: Rig, tmp_path: Path, request_: dict[str, int]) -> None:
    await filled(rig)

    with pytest.raises((NotFoundError, InvalidInputError)):
        await exported(rig, tmp_path / "none.zip", **request_)

    assert list(tmp_path.glob("*none.zip*")) == []


async def test_an_empty_ledger_makes_no_bundle(rig: Rig, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no checkpoint"):
        await exported(rig, tmp_path / "none.zip")


async def test_a_file_that_is_there_is_never_overwritten(rig: Rig, tmp_path: Path) -> None:
    await filled(rig)
    (tmp_path / "mine.zip").write_text("mine")

    with pytest.raises(ConflictError):
        await exported(rig, tmp_path / "mine.zip")

    assert (tmp_path / "mine.zip").read_text() == "mine"


async def test_a_full_disk_leaves_nothing_and_says_so(rig: Rig, tmp_path: Path) -> None:
    await filled(rig)
    small = tmp_path / "small"
    small.mkdir()
    if os.system(f"mount -t tmpfs -o size=8k tmpfs {small} 2>/dev/null"):  # noqa: S605 - a test's own folder
        pytest.skip("only root can mount a small disk")
    try:
        with pytest.raises(UnavailableError, match="No space left"):
            await exported(rig, small / "all.zip")
        assert list(small.iterdir()) == []
    finally:
        os.system(f"umount {small}")  # noqa: S605 - as above


async def test_progress_is_told_to_the_end(rig: Rig, tmp_path: Path) -> None:
    await filled(rig)
    seen: list[tuple[int, int]] = []

    await exporter_of(rig).export(tmp_path / "all.zip", Request(), lambda done, total: seen.append((done, total)))

    assert seen[-1] == (20, 20)


def test_a_torn_write_leaves_no_file(tmp_path: Path) -> None:
    with contextlib.suppress(KeyError), BundleWriter(tmp_path / "torn.zip") as bundle:
        bundle.add("x", b"y")
        raise KeyError

    assert list(tmp_path.iterdir()) == []


async def test_any_unzip_reads_it(rig: Rig, tmp_path: Path) -> None:
    await filled(rig)
    with zipfile.ZipFile(await exported(rig, tmp_path / "all.zip")) as archive:
        assert archive.testzip() is None
    shutil.unpack_archive(tmp_path / "all.zip", tmp_path / "out")

    assert (tmp_path / "out" / "README.txt").read_text().startswith("An export of an audit ledger")


async def test_a_damaged_ledger_makes_a_bundle_that_says_so(rig: Rig, tmp_path: Path) -> None:
    await filled(rig)
    await rig.attack("UPDATE audit_ledger.entries SET payload = '{}' WHERE seq = 7")

    bundle = await exported(rig, tmp_path / "all.zip")

    assert Judge(rig, policy_of(rig, tmp_path))(bundle) == (4, ["edited"])


async def test_entries_that_are_gone_are_not_exported_over(rig: Rig, tmp_path: Path) -> None:
    await filled(rig)
    await rig.attack("DELETE FROM audit_ledger.entries WHERE seq = 7")

    with pytest.raises(UncheckableError, match="gridwarden ledger verify"):
        await exported(rig, tmp_path / "all.zip")

    assert list(tmp_path.glob("*all.zip*")) == []


PYTHONS = sorted((Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions").glob("3.*/bin/python"))
"""Other Pythons on this machine, if there are any."""


@pytest.mark.parametrize("python", [path for path in PYTHONS if int(path.parts[-3].split(".")[1]) >= 9] or [None])
async def test_every_python_from_3_9_on_verifies(rig: Rig, tmp_path: Path, python: Path | None) -> None:
    if python is None:
        pytest.skip("no other Python here; vermin has looked at the file")
    await filled(rig)
    bundle, policy = await exported(rig, tmp_path / "all.zip"), policy_of(rig, tmp_path)

    assert offline(bundle, policy, python=str(python))[0] == 0
