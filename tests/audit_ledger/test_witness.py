"""A witness answers as C2SP tlog-witness says, and never cosigns what does not extend the tree it saw."""

import asyncio
import base64
import shutil
import tempfile
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2 as httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit_ledger.adapters.witness_files import WitnessFolder
from audit_ledger.domain.c2sp.add_checkpoint import AddCheckpoint
from audit_ledger.domain.c2sp.checkpoint import Checkpoint, read_unverified
from audit_ledger.domain.c2sp.cosignature import accepted_cosignature
from audit_ledger.domain.c2sp.note import NoteSigner
from audit_ledger.domain.errors import MalformedNoteError
from audit_ledger.http.witness import witness_app
from audit_ledger.service.witness.witness import Witness
from shared_kernel.errors import GridwardenError
from tests.audit_ledger.toy_log import ToyLog
from tests.frozen_clock import FrozenClock

LOG = ToyLog()
OTHER = ToyLog(NoteSigner("gridwarden/ffffffff", bytes(32)))
HASH = base64.b64encode(bytes(32)).decode()


def asking(folder: WitnessFolder, clock: FrozenClock, *logs: ToyLog) -> httpx.AsyncClient:
    """A client of a witness over this folder."""
    keys = [log.signer.verifier for log in logs or (LOG,)]
    app = witness_app(Witness(folder.cosigner(), keys, folder, clock))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://witness")


@pytest.fixture
def folder(tmp_path: Path) -> WitnessFolder:
    """A new witness's folder."""
    return WitnessFolder(tmp_path / "witness")


@pytest.fixture
async def client(folder: WitnessFolder, clock: FrozenClock) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a new witness that watches LOG."""
    async with asking(folder, clock) as made:
        yield made


async def add(client: httpx.AsyncClient, body: bytes) -> tuple[int, str]:
    """Submit a request; give status and body."""
    answer = await client.post("/add-checkpoint", content=body)
    return answer.status_code, answer.text


async def test_a_growing_log_is_cosigned_at_every_size(
    client: httpx.AsyncClient, folder: WitnessFolder, clock: FrozenClock,
) -> None:
    key = folder.cosigner().verifier

    for old, new in ((0, 1), (1, 7), (7, 8), (8, 8), (8, 50)):
        status, line = await add(client, LOG.request(old, new))
        found = accepted_cosignature(LOG.note(new), line.encode(), key)
        assert (status, found.time_s, found.line) == (200, clock.now_us() // 1_000_000, line)
        assert [read_unverified(note) for note in folder.notes()] == [LOG.checkpoint(new)]


async def test_another_old_size_is_answered_with_the_one_the_witness_saw(client: httpx.AsyncClient) -> None:
    unseen = await client.post("/add-checkpoint", content=LOG.request(3, 10))
    await add(client, LOG.request(0, 10))
    seen = await client.post("/add-checkpoint", content=LOG.request(3, 20))

    assert (unseen.status_code, unseen.text, seen.status_code, seen.text) == (409, "0\n", 409, "10\n")
    assert seen.headers["content-type"] == "text/x.tlog.size"


async def test_a_split_view_is_refused_at_the_same_size_and_at_a_larger_one(
    client: httpx.AsyncClient, folder: WitnessFolder,
) -> None:
    await add(client, LOG.request(0, 20))
    fork = LOG.forked_after(13)

    same = await client.post("/add-checkpoint", content=fork.request(20, 20))
    longer = await add(client, fork.request(20, 30))

    assert (same.status_code, same.headers["content-type"]) == (409, "text/plain; charset=utf-8")
    assert same.text == "gridwarden/0a1b2c3d has shown another tree of 20 entries before\n"
    assert longer[0] == 422
    assert [read_unverified(note) for note in folder.notes()] == [LOG.checkpoint(20)]


async def test_a_rollback_is_never_cosigned(client: httpx.AsyncClient) -> None:
    await add(client, LOG.request(0, 20))

    assert await add(client, LOG.request(10, 10)) == (409, "20\n")
    assert (await add(client, AddCheckpoint(20, (), LOG.note(10)).to_bytes()))[0] == 400
    assert await add(client, LOG.request(0, 10)) == (409, "20\n")


@pytest.mark.parametrize(("proof", "status"), [
    (LOG.consistency(7, 20), 200), (LOG.consistency(7, 20)[:-1], 422), ((*LOG.consistency(7, 20), bytes(32)), 422),
    (LOG.consistency(7, 20)[::-1], 422), (LOG.consistency(7, 19), 422), ((), 422), (tuple([bytes(32)] * 63), 422)])
async def test_only_the_one_right_proof_counts(
    client: httpx.AsyncClient, proof: tuple[bytes, ...], status: int,
) -> None:
    await add(client, LOG.request(0, 7))

    assert (await add(client, AddCheckpoint(7, proof, LOG.note(20)).to_bytes()))[0] == status


async def test_a_proof_where_none_is_due_is_refused(client: httpx.AsyncClient) -> None:
    assert (await add(client, AddCheckpoint(0, (bytes(32),), LOG.note(20)).to_bytes()))[0] == 422
    await add(client, LOG.request(0, 20))
    assert (await add(client, AddCheckpoint(20, (bytes(32),), LOG.note(20)).to_bytes()))[0] == 422


async def test_unknown_logs_and_unknown_keys_are_told_apart(client: httpx.AsyncClient, folder: WitnessFolder) -> None:
    thief = ToyLog(NoteSigner(LOG.signer.name, bytes(32)))
    foreign = OTHER.signer.sign(LOG.checkpoint(5).to_text()).encode()

    assert (await add(client, OTHER.request(0, 5)))[0] == 404
    assert (await add(client, thief.request(0, 5)))[0] == 403
    assert (await add(client, AddCheckpoint(0, (), foreign).to_bytes()))[0] == 403
    assert folder.notes() == []


async def test_a_second_signature_by_a_stranger_is_ignored(client: httpx.AsyncClient) -> None:
    stranger = OTHER.signer.sign(LOG.checkpoint(5).to_text()).rpartition("\n\n")[2].encode()

    assert (await add(client, LOG.request(0, 5) + stranger))[0] == 200


async def test_logs_are_remembered_apart(folder: WitnessFolder, clock: FrozenClock) -> None:
    async with asking(folder, clock, LOG, OTHER) as client:
        assert (await add(client, LOG.request(0, 20)))[0] == 200
        assert (await add(client, OTHER.request(0, 5)))[0] == 200
        assert await add(client, OTHER.request(4, 6)) == (409, "5\n")


async def test_the_empty_tree_has_one_root_only(client: httpx.AsyncClient) -> None:
    empty = LOG.request(0, 0)
    forged = AddCheckpoint(0, (), Checkpoint(LOG.signer.name, 0, bytes(32)).signed_by(LOG.signer)).to_bytes()

    assert (await add(client, forged))[0] == 422
    assert (await add(client, empty))[0] == 200
    assert (await add(client, LOG.request(0, 5)))[0] == 200


@pytest.mark.parametrize("body", [
    b"", b"old 0\n", b"old 0\n\n", b"old 0\n\nnote\n", b"\n\n" + LOG.note(5), LOG.note(5),
    *(f"old {size}\n\n".encode() + LOG.note(5) for size in (
        "+0", "00", "-0", "0x0", "1_0", " 0", "0 ", "", "\uff10", "\u0660", "9" * 19, "9" * 100_000, "0\r")),
    b"old 6\n\n" + LOG.note(5), b"Old 0\n\n" + LOG.note(5), b"old\t0\n\n" + LOG.note(5),
    f"old 0\n{HASH}".encode() + b"\n\n" + LOG.note(5)[:-1], b"old 0\nAAAA\n\n" + LOG.note(5),
    f"old 0\n{HASH[:-2]}B=\n\n".encode() + LOG.note(5), b"old 0\n" + f"{HASH}\n".encode() * 64 + b"\n" + LOG.note(5),
    b"old 0\n\n" + LOG.note(5) + b"trailing", b"old 0\n\n" + LOG.note(5) + b"\n", b"old 0\n\n\n" + LOG.note(5)])
async def test_malformed_requests_are_400_and_leave_nothing_behind(
    client: httpx.AsyncClient, folder: WitnessFolder, body: bytes,
) -> None:
    assert (await add(client, body))[0] == 400
    assert folder.notes() == []


@pytest.mark.parametrize("size", ["+5", "05", "1_000", "\uff15", "-1", "", str(2**63), "9" * 40])
async def test_number_games_in_the_signed_size_are_400(client: httpx.AsyncClient, size: str) -> None:
    text = f"{LOG.signer.name}\n{size}\n{HASH}\n"

    assert (await add(client, b"old 0\n\n" + LOG.signer.sign(text).encode()))[0] == 400


async def test_a_body_beyond_the_limit_is_413_and_other_methods_are_405(client: httpx.AsyncClient) -> None:
    assert (await add(client, b"x" * 131_073))[0] == 413
    assert (await client.get("/add-checkpoint")).status_code == 405


async def test_answers_are_counted(client: httpx.AsyncClient) -> None:
    await add(client, LOG.request(0, 5))

    assert 'witness_answers_total{status="200"}' in (await client.get("/metrics")).text


async def test_a_witness_with_damaged_memory_cosigns_nothing(
    client: httpx.AsyncClient, tmp_path: Path, clock: FrozenClock,
) -> None:
    await add(client, LOG.request(0, 20))
    [path] = [path for path in (tmp_path / "witness" / "logs").iterdir() if not path.suffix]

    for damage in (b"", path.read_bytes()[:30], OTHER.note(3)):
        path.write_bytes(damage)
        async with asking(WitnessFolder(tmp_path / "witness"), clock) as again:
            status, text = await add(again, LOG.request(0, 30))
            assert (status, "is damaged: restore its newest copy" in text) == (503, True)


async def test_the_memory_outlives_the_process(
    client: httpx.AsyncClient, tmp_path: Path, clock: FrozenClock,
) -> None:
    await add(client, LOG.request(0, 20))

    async with asking(WitnessFolder(tmp_path / "witness"), clock) as again:
        assert await add(again, LOG.request(0, 20)) == (409, "20\n")
        assert (await add(again, LOG.request(20, 50)))[0] == 200


async def test_a_witness_restored_from_an_old_backup_says_the_old_size_and_only_then_cosigns_the_other_branch(
    client: httpx.AsyncClient, tmp_path: Path, clock: FrozenClock,
) -> None:
    """What a lone witness cannot notice: why a policy asks for several, and why the log keeps what each has said."""
    await add(client, LOG.request(0, 10))
    shutil.copytree(tmp_path / "witness", tmp_path / "backup")
    await add(client, LOG.request(10, 20))
    fork = LOG.forked_after(10)

    async with asking(WitnessFolder(tmp_path / "backup"), clock) as restored:
        assert await add(restored, LOG.request(20, 30)) == (409, "10\n")
        assert (await add(restored, fork.request(10, 20)))[0] == 200


async def test_an_unwritable_folder_is_503_and_nothing_is_cosigned(
    client: httpx.AsyncClient, tmp_path: Path,
) -> None:
    await add(client, LOG.request(0, 5))
    [path] = [path for path in (tmp_path / "witness" / "logs").iterdir() if not path.suffix]
    path.with_name(f"{path.name}.new").mkdir()

    status, text = await add(client, LOG.request(5, 9))

    assert (status, "nothing was changed" in text) == (503, True)
    assert read_unverified(path.read_bytes()) == LOG.checkpoint(5)


async def test_of_many_at_once_one_history_wins(client: httpx.AsyncClient, folder: WitnessFolder) -> None:
    forks = [LOG.forked_after(size) for size in range(10, 30)]

    answers = await asyncio.gather(*(add(client, fork.request(0, 40)) for fork in forks))

    assert sorted(status for status, _ in answers) == [200] + [409] * 19
    winner = forks[[status for status, _ in answers].index(200)]
    assert [read_unverified(note) for note in folder.notes()] == [winner.checkpoint(40)]


def test_the_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    folder = WitnessFolder(tmp_path)
    cosigner = folder.cosigner("witness.example/w1")

    assert WitnessFolder(tmp_path).cosigner() == cosigner
    assert (tmp_path / "witness.key").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "witness.vkey").read_text() == f"{cosigner.verifier}\n"
    assert str(cosigner.verifier).startswith("witness.example/w1+")
    assert cosigner.verifier.algorithm == 4
    with pytest.raises(MalformedNoteError, match=r"is called witness\.example/w1"):
        folder.cosigner("witness.example/w2")
    for name in ("two words", "plus+plus", "nbsp\u00a0"):
        with pytest.raises(MalformedNoteError, match="neither spaces nor plus"):
            WitnessFolder(tmp_path / "other").cosigner(name)
    assert not (tmp_path / "other" / "witness.key").exists()


def test_an_origin_never_becomes_a_path(tmp_path: Path, clock: FrozenClock) -> None:
    log = ToyLog(NoteSigner("../../../etc/cron.d/x", bytes(32)))
    folder = WitnessFolder(tmp_path / "witness")

    asyncio.run(Witness(folder.cosigner(), [log.signer.verifier], folder, clock).add_checkpoint(log.request(0, 5)))

    assert {path.name for path in tmp_path.iterdir()} == {"witness"}
    assert len(list((tmp_path / "witness" / "logs").iterdir())) == 2


@given(st.integers(0, 2**63 - 1), st.lists(st.binary(min_size=32, max_size=32), max_size=63), st.binary())
def test_a_request_is_read_back_as_written(old: int, proof: list[bytes], note: bytes) -> None:
    request = AddCheckpoint(old, tuple(proof), note)

    assert AddCheckpoint.parse(request.to_bytes()) == request


@given(st.lists(st.tuples(st.sampled_from([0, 5, 11, 23]), st.integers(0, 30), st.integers(0, 30)), max_size=25))
def test_whatever_is_asked_all_that_is_cosigned_is_one_growing_history(questions: list[tuple[int, int, int]]) -> None:
    """The forks share their first entries, so some questions may rightly be answered across them."""
    with tempfile.TemporaryDirectory() as home:
        folder = WitnessFolder(Path(home))
        witness = Witness(folder.cosigner(), [LOG.signer.verifier], folder, FrozenClock(0))
        history: list[bytes] = []
        for fork, old, new in questions:
            log = LOG.forked_after(fork) if fork else LOG
            request = AddCheckpoint(old, log.consistency(old, new) if old <= new else (), log.note(new)).to_bytes()
            try:
                asyncio.run(witness.add_checkpoint(request))
            except GridwardenError:
                continue
            assert log.leaves[:len(history)] == history
            assert len(history) == old
            history = log.leaves[:new]


def test_a_key_asked_for_by_many_at_once_is_one_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        keys = list(pool.map(lambda _: str(WitnessFolder(tmp_path).cosigner().verifier), range(16)))

    assert len(set(keys)) == 1
