"""RFC 3161 timestamps of a real authority: what counts, what is refused, and how often it is asked."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit_ledger.adapters.der_set import with_sorted_certificates
from audit_ledger.adapters.timestamping import (
    NoRootsError,
    RefusedTimestampError,
    TimestampAuthority,
    TimestampAuthorityDownError,
    trusted_roots,
    verified_timestamp,
)
from audit_ledger.service.witness.timestamping import Timestamping
from audit_ledger.store.timestamps import Timestamps
from shared_kernel.clock import SystemClock
from tests.audit_ledger.rig import Rig, kinds
from tests.audit_ledger.waiting import until
from tests.servers.timestamp_authority import Authority, timestamp_authority

NOTE = b"gridwarden/test\n1\nAAAA\n\n\xe2\x80\x94 gridwarden/test AAAA\n"
NOW_US = SystemClock().now_us
MINUTE_US = 60_000_000


@pytest.fixture
def authority(tmp_path: Path) -> Iterator[Authority]:
    """An honest authority."""
    with timestamp_authority(tmp_path / "authority") as running:
        yield running


def client_of(authority: Authority, roots: bytes | None = None) -> TimestampAuthority:
    """Return our side of an authority."""
    return TimestampAuthority(authority.url, trusted_roots(roots or authority.roots), deadline_s=5)


async def test_a_stamp_verifies_here_and_with_openssl(authority: Authority, tmp_path: Path) -> None:
    stamp = await client_of(authority).stamp(NOTE, NOW_US())

    (tmp_path / "note").write_bytes(NOTE)
    (tmp_path / "note.tsr").write_bytes(stamp.answer)
    assert authority.verdict(tmp_path / "note", tmp_path / "note.tsr") == "Verification: OK"
    assert abs(stamp.at_us - NOW_US()) < MINUTE_US
    assert verified_timestamp(stamp.answer, NOTE, trusted_roots(authority.roots)) == stamp


async def test_a_flipped_bit_is_refused_or_proves_the_same(authority: Authority) -> None:
    """What CMS does not sign may change: the version, the algorithm's name, the root, which we have ourselves."""
    stamp, roots = await client_of(authority).stamp(NOTE, NOW_US()), trusted_roots(authority.roots)

    accepted = []
    for place in range(len(stamp.answer)):
        changed = bytearray(stamp.answer)
        changed[place] ^= 1 << place % 8
        try:
            accepted.append(verified_timestamp(bytes(changed), NOTE, roots).at_us)
        except RefusedTimestampError:
            continue

    assert set(accepted) <= {stamp.at_us}
    assert len(accepted) < len(stamp.answer) / 2


async def test_a_certificate_of_a_version_that_does_not_exist_is_refused(authority: Authority) -> None:
    stamp, roots = await client_of(authority).stamp(NOTE, NOW_US()), trusted_roots(authority.roots)
    version = bytes.fromhex("a003020102")

    assert version in stamp.answer
    with pytest.raises(RefusedTimestampError):
        verified_timestamp(stamp.answer.replace(version, version[:-1] + b"\x03"), NOTE, roots)


@pytest.mark.parametrize("attempt", range(6))
async def test_certificates_may_come_in_any_order(attempt: int, tmp_path: Path) -> None:
    """OpenSSL writes the signer's first; with new keys each time, that is the wrong order half of the time."""
    with timestamp_authority(tmp_path / f"authority{attempt}") as running:
        stamp = await client_of(running).stamp(NOTE, NOW_US())

    assert with_sorted_certificates(with_sorted_certificates(stamp.answer)) == with_sorted_certificates(stamp.answer)
    assert sorted(with_sorted_certificates(stamp.answer)) == sorted(stamp.answer)


@given(st.binary(max_size=200))
def test_sorting_leaves_what_is_no_answer_as_it_is_or_only_moves_it(data: bytes) -> None:
    assert sorted(with_sorted_certificates(data)) == sorted(data)


async def test_a_truncated_answer_is_refused(authority: Authority) -> None:
    stamp, roots = await client_of(authority).stamp(NOTE, NOW_US()), trusted_roots(authority.roots)

    for length in range(0, len(stamp.answer), 5):
        with pytest.raises(RefusedTimestampError):
            verified_timestamp(stamp.answer[:length], NOTE, roots)


async def test_the_answer_to_an_earlier_question_is_refused(authority: Authority) -> None:
    old = (await client_of(authority).stamp(NOTE, NOW_US())).answer
    authority.tamper = lambda _request, _answer: old

    with pytest.raises(RefusedTimestampError, match="Nonce mismatch"):
        await client_of(authority).stamp(NOTE, NOW_US())


async def test_a_stamp_of_another_note_is_refused(authority: Authority) -> None:
    authority.tamper = lambda request, _answer: authority_answer(authority, request)

    with pytest.raises(RefusedTimestampError, match="Mismatch between messages"):
        await client_of(authority).stamp(NOTE, NOW_US())


def authority_answer(authority: Authority, request: bytes) -> bytes:
    """Have openssl stamp something else under the same nonce."""
    authority.tamper = None
    return authority.answer(request.replace(sha256(NOTE).digest(), sha256(b"other").digest()))


async def test_an_authority_of_another_root_is_refused(authority: Authority, tmp_path: Path) -> None:
    with timestamp_authority(tmp_path / "foreign") as foreign:
        asked = client_of(foreign, authority.roots)

        with pytest.raises(RefusedTimestampError, match="certificate"):
            await asked.stamp(NOTE, NOW_US())


async def test_an_expired_certificate_is_refused(tmp_path: Path) -> None:
    with timestamp_authority(tmp_path / "expired", lifetime=dt.timedelta(days=-1)) as expired:
        asked = client_of(expired)

        with pytest.raises(RefusedTimestampError, match="certificate has expired"):
            await asked.stamp(NOTE, NOW_US())


async def test_a_time_far_from_ours_is_refused(authority: Authority) -> None:
    with pytest.raises(RefusedTimestampError, match=r"its time is -6\d\d s from ours"):
        await client_of(authority).stamp(NOTE, NOW_US() + 10 * MINUTE_US)


@pytest.mark.parametrize(("answer", "why"), [
    (b"", "parse error"), (b"hello", "parse error"), (b"\x30\x05\x30\x03\x02\x01\x02", "Missing SignedData"),
    (b"\0" * 70_000, "longer than"),
])
async def test_what_is_no_stamp_is_refused(authority: Authority, answer: bytes, why: str) -> None:
    authority.tamper = lambda _request, _answer: answer

    with pytest.raises(RefusedTimestampError, match=why):
        await client_of(authority).stamp(NOTE, NOW_US())


async def test_an_authority_that_is_down_is_named_so(authority: Authority) -> None:
    authority.is_down = True

    with pytest.raises(TimestampAuthorityDownError, match="HTTP status 503"):
        await client_of(authority).stamp(NOTE, NOW_US())
    with pytest.raises(TimestampAuthorityDownError, match="ClientConnectorError"):
        await TimestampAuthority("http://127.0.0.1:9/", trusted_roots(authority.roots)).stamp(NOTE, NOW_US())


@pytest.mark.parametrize("pem", [b"", b"not a certificate"])
def test_roots_without_a_certificate_are_refused(pem: bytes) -> None:
    with pytest.raises(NoRootsError, match="PEM"):
        trusted_roots(pem)


@asynccontextmanager
async def following(rig: Rig, authority: Authority, *, every_s: float) -> AsyncIterator[Timestamping]:
    """Run a ledger on the machine's clock, and its timestamping."""
    clock = rig.clock
    clock.at_us = NOW_US()
    ledger = rig.ledger(publish_every_s=0.05)
    await ledger.start()
    follower = Timestamping(
        ledger, key=rig.signer.verifier, authority=client_of(authority),
        kept=Timestamps(rig.writer_pool, rig.reader_pool, rig.signer.name), folder=rig.folder, clock=clock,
        every_s=every_s, retry_s=0.1)
    running = asyncio.create_task(follower.run())
    yield follower
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await ledger.stop()


async def test_the_newest_checkpoint_is_stamped_stored_and_sealed(
    rig: Rig, authority: Authority, tmp_path: Path,
) -> None:
    async with following(rig, authority, every_s=3600) as follower:
        await until(lambda: follower.status().size > 0)
        status = follower.status()
        note = await rig.reader.checkpoint_before(status.size)
        await until(lambda: any(tmp_path.glob("ledger/checkpoints/*.tsr")))
        await until(lambda: follower._ledger.head().size > status.size + 1)
        await asyncio.sleep(0.3)
        [told] = await follower._ledger.find(action="checkpoint_timestamped")

    outside = tmp_path / "ledger" / "checkpoints" / f"{status.size}.tsr"
    [row] = await rig.reader_pool.fetch("SELECT size, authority, at_us, token FROM audit_ledger.timestamps")
    assert note is not None
    assert (row["size"], row["authority"], row["at_us"]) == (status.size, "127.0.0.1", status.at_us)
    assert verified_timestamp(outside.read_bytes(), note, trusted_roots(authority.roots)).at_us == status.at_us
    assert outside.read_bytes() == row["token"]
    assert told.event["grid"]["ledger"] == {"size": status.size, "authority": "127.0.0.1", "at_us": status.at_us}
    assert authority.requests == 1
    assert kinds(await rig.verify()) == []


async def test_a_restart_does_not_ask_before_its_time(rig: Rig, authority: Authority) -> None:
    async with following(rig, authority, every_s=3600) as follower:
        await until(lambda: follower.status().size > 0)

    async with following(rig, authority, every_s=3600) as follower:
        await until(lambda: follower.status().size > 0)
        await asyncio.sleep(0.3)
    assert authority.requests == 1


async def test_new_checkpoints_are_stamped_when_the_time_has_come(rig: Rig, authority: Authority) -> None:
    async with following(rig, authority, every_s=0.2) as follower:
        await until(lambda: follower.status().size > 0)
        first = follower.status()
        rig.clock.advance(1)
        await follower._ledger.record(rig.event(1))
        await until(lambda: follower.status().size > first.size)

        assert authority.requests >= 2


async def test_while_the_authority_is_down_the_ledger_says_so_once_and_asks_again(
    rig: Rig, authority: Authority,
) -> None:
    authority.is_down = True
    async with following(rig, authority, every_s=3600) as follower:
        await until(lambda: follower.status().failure is not None)
        assert "HTTP status 503" in str(follower.status().failure)
        await until(lambda: authority.refusals > 3)
        authority.is_down = False
        await until(lambda: follower.status().size > 0)

        assert follower.status().failure is None
        assert len(await follower._ledger.find(action="checkpoint_not_timestamped")) == 1


async def test_a_refused_answer_is_stored_nowhere(rig: Rig, authority: Authority, tmp_path: Path) -> None:
    authority.tamper = lambda _request, answer: answer[:-1] + bytes((answer[-1] ^ 1,))

    async with following(rig, authority, every_s=3600) as follower:
        await until(lambda: follower.status().failure is not None)

        assert follower.status().size == 0
    assert await rig.reader_pool.fetchval("SELECT count(*) FROM audit_ledger.timestamps") == 0
    assert not list(tmp_path.glob("ledger/checkpoints/*.tsr"))
