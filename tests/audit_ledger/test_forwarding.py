"""Several processes, one ledger: whoever does not lead has its records sealed by the one that does, each once."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from audit_ledger.domain.errors import (
    ForkedLedgerError,
    LedgerDownError,
    LedgerStoppedError,
    LostLeadError,
    UnknownOutcomeError,
)
from audit_ledger.service import Ledger
from audit_ledger.service.forwarding import Forwarding
from audit_ledger.service.intake import Intake
from audit_ledger.service.tip import Tip
from audit_ledger.store.inbox import INBOX_BELL, Inbox
from control_plane.database.pools import open_pool
from control_plane.database.roles import APP, LEDGER_READER
from shared_kernel.errors import UnavailableError
from tests.audit_ledger.rig import Rig, kinds
from tests.audit_ledger.sealing_rig import KEK, STEWARD, SealingRig
from tests.audit_ledger.waiting import until

pytestmark = pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")


def member(rig: Rig, **options: Any) -> Ledger:
    """Return another process' ledger, which has not joined."""
    return rig.ledger(inbox=Inbox(rig.writer_pool, rig.signer.name), **options)


@asynccontextmanager
async def two(rig: Rig) -> AsyncIterator[tuple[Ledger, Ledger]]:
    """A leader and a follower."""
    leader, follower = member(rig), member(rig)
    await leader.join()
    await follower.join()
    try:
        yield leader, follower
    finally:
        await follower.stop()
        await leader.stop()


async def ids_of(rig: Rig) -> Counter[str]:
    """Return how often each event stands in the ledger."""
    found = await rig.ledger().read(0, 100_000)
    return Counter(sealed.event["event"]["id"] for sealed in found)


async def left_in(rig: Rig) -> int:
    """Return how many records wait in the inbox."""
    return int(await rig.writer_pool.fetchval("SELECT count(*) FROM audit_ledger.inbox"))


async def test_a_follower_has_its_records_sealed_and_knows_where_they_stand(rig: Rig) -> None:
    async with two(rig) as (leader, follower):
        event = rig.event(1)

        receipt = await follower.record(event)

        [found] = await leader.find(request_id="request-1")
        assert (receipt.seq, receipt.entry_hash) == (found.seq, found.entry_hash)
        assert found.event == event
        assert not follower.membership.leads
        assert await left_in(rig) == 0


async def test_two_processes_seal_at_once_and_the_chain_holds_each_record_once(rig: Rig) -> None:
    async with two(rig) as (leader, follower):
        events = [rig.event(number) for number in range(600)]

        receipts = await asyncio.gather(*(
            (leader if number % 3 else follower).record(event) for number, event in enumerate(events)))

        counted = await ids_of(rig)
        assert {event["event"]["id"] for event in events} <= set(counted)
        assert set(counted.values()) == {1}
        assert len({receipt.seq for receipt in receipts}) == len(events)
    assert kinds(await rig.verify()) == []


async def test_what_one_producer_sends_in_order_is_sealed_in_order(rig: Rig) -> None:
    async with two(rig) as (_, follower):
        receipts = await asyncio.gather(*(follower.record(rig.event(number)) for number in range(400)))

        assert [receipt.seq for receipt in receipts] == sorted(receipt.seq for receipt in receipts)


async def test_a_follower_reads_up_to_what_the_leader_has_committed(rig: Rig) -> None:
    async with two(rig) as (leader, follower):
        waiting = asyncio.create_task(follower.wait_beyond(leader.head().size, 5.0))

        receipt = await leader.record(rig.event(1))

        assert await waiting
        assert follower.head() == leader.head()
        assert (await follower.inclusion_proof(receipt.seq)).size == receipt.seq + 1


async def test_a_follower_takes_over_and_what_it_had_handed_over_is_sealed_once(rig: Rig) -> None:
    leader, follower = member(rig), member(rig)
    await leader.join()
    await follower.join()
    records = [asyncio.create_task(follower.record(rig.event(number))) for number in range(200)]
    await asyncio.sleep(0.01)

    await leader.stop()

    await asyncio.gather(*records)
    assert set((await ids_of(rig)).values()) == {1}
    await asyncio.wait_for(follower.wait_leading(), 5)
    await follower.stop()
    assert kinds(await rig.verify()) == []


async def test_the_leaders_death_in_the_midst_loses_and_doubles_nothing_acknowledged(rig: Rig) -> None:
    leader, follower = member(rig), member(rig)
    await leader.join()
    await follower.join()
    events = [rig.event(number) for number in range(300)]
    records = [asyncio.create_task(follower.record(event)) for event in events]
    await asyncio.sleep(0.02)

    await rig.attack("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted "
                     "AND pid <> pg_backend_pid()")

    outcomes = await asyncio.gather(*records, return_exceptions=True)
    counted = await ids_of(rig)
    for event, outcome in zip(events, outcomes, strict=True):
        assert counted[event["event"]["id"]] == 1 if not isinstance(outcome, Exception) else True
        assert not isinstance(outcome, Exception) or isinstance(outcome, UnavailableError)
    assert max(counted.values()) == 1
    await follower.stop()
    await leader.stop()
    assert kinds(await rig.verify()) == []


async def test_without_a_leader_a_record_has_an_unknown_outcome_in_bounded_time(rig: Rig) -> None:
    forwarding = Forwarding(Inbox(rig.writer_pool, rig.signer.name), Tip(), patience_s=0.3)
    await forwarding.start()

    with pytest.raises(UnknownOutcomeError):
        await asyncio.wait_for(forwarding.forward(b"{}"), 3)

    await forwarding.stop()
    with pytest.raises(LedgerStoppedError):
        forwarding.forward(b"{}")


async def test_what_waited_longer_than_its_sender_is_never_sealed(rig: Rig) -> None:
    inbox = Inbox(rig.writer_pool, rig.signer.name)
    async with inbox.line() as line:
        await line.put(7, 1, [b'{"event":{"id":"late"}}'])
    await rig.attack("ALTER TABLE audit_ledger.inbox ALTER put_at SET DEFAULT now()",
                     "UPDATE audit_ledger.inbox SET put_at = now() - interval '11 seconds'")

    leader = member(rig)
    await leader.join()
    await until_async(lambda: left_in(rig))

    assert "late" not in await ids_of(rig)
    await leader.stop()


@pytest.mark.parametrize("payload", [b"no json", b'{"b":1, "a":2}', b'["no event"]'])
async def test_the_leader_refuses_what_record_would_not_have_written(rig: Rig, payload: bytes) -> None:
    async with two(rig) as (leader, _):
        before = leader.head()
        forwarding = Forwarding(Inbox(rig.writer_pool, rig.signer.name), Tip(), patience_s=3)
        await forwarding.start()

        with pytest.raises(LedgerDownError, match="no event"):
            await forwarding.forward(payload)

        assert leader.head() == before
        await forwarding.stop()


@pytest.mark.parametrize("role", [APP, LEDGER_READER])
@pytest.mark.parametrize("statement", [
    "INSERT INTO audit_ledger.inbox VALUES ('s', 1, 1, '{}')", "SELECT FROM audit_ledger.inbox",
    "DELETE FROM audit_ledger.inbox"])
async def test_nobody_but_the_ledgers_writer_touches_the_inbox(rig: Rig, role: str, statement: str) -> None:
    pool = await open_pool(rig.url, role, size=1)

    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await pool.execute(statement)

    pool.terminate()


async def test_a_rung_bell_makes_nobody_believe_anything(rig: Rig) -> None:
    async with two(rig) as (leader, follower):
        pool = await open_pool(rig.url, APP, size=1)
        for payload in ("", "x", f"{rig.signer.name} 12", f"{rig.signer.name} no-number"):
            await pool.execute("SELECT pg_notify($1, $2)", INBOX_BELL, payload)

        receipt = await follower.record(rig.event(1))

        assert receipt.seq == leader.head().size - 1
        pool.terminate()


async def test_a_duty_of_a_lead_that_is_over_seals_nothing_through_the_next_leader(rig: Rig) -> None:
    first, second = member(rig), member(rig)
    await first.join()
    await second.join()
    may_seal = asyncio.Event()

    async def duty() -> None:
        await may_seal.wait()
        await first.record(rig.event(1))

    with first.membership.as_leader():
        doing = asyncio.create_task(duty())
    await first.record(rig.event(2))  # the process itself may
    await rig.attack("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted")
    await until(lambda: first.membership.leads or second.membership.leads)
    may_seal.set()

    with pytest.raises((LostLeadError, LedgerDownError)):
        await doing
    assert await first.find(request_id="request-1") == []
    await second.stop()
    await first.stop()


async def test_a_follower_publishes_no_checkpoint(rig: Rig) -> None:
    async with two(rig) as (_, follower):
        with pytest.raises(UnavailableError, match="another process"):
            await follower.publish_checkpoint()


async def test_a_follower_verifies_and_the_leader_seals_what_was_found(rig: Rig) -> None:
    async with two(rig) as (leader, follower):
        report = await follower.verify()

        assert kinds(report) == []
        [found] = await leader.find(action="ledger_verified")
        assert found.event["grid"]["ledger"]["findings"] == []


async def test_a_subject_erased_at_one_process_is_sealed_under_a_new_key_at_the_others(rig: Rig) -> None:
    desks = [SealingRig(rig, KEK) for _ in range(3)]
    for desk in desks:
        desk.ledger = member(rig, sealer=desk.sealer)
        desk.erasure = type(desk.erasure)(desk.keys, desk.sealer, desk.ledger, rig.clock)
        await desk.ledger.join()
    places = [(await desk.seal("ana"))[0] for desk in desks]

    await desks[1].erasure.erase("ana", reason="article 17")

    later = [(await desk.seal("ana"))[0] for desk in desks]
    events = await desks[2].ledger.read(0, 100)
    assert all("erased_at" in str(events[place].event) for place in places)
    assert all(events[place].event["user"]["name"] == "ana the person" for place in later)
    assert await desks[0].check() == []
    for desk in reversed(desks):
        await desk.ledger.stop()


async def test_the_leaders_followers_get_what_others_handed_over_without_asking_the_database(rig: Rig) -> None:
    """Personal fields as they were recorded, until their subject is erased."""
    desks = [SealingRig(rig, KEK) for _ in range(2)]
    for desk in desks:
        desk.ledger = member(rig, sealer=desk.sealer)
        desk.erasure = type(desk.erasure)(desk.keys, desk.sealer, desk.ledger, rig.clock)
        await desk.ledger.join()
    leading, following = desks
    places = [(await desk.seal("ana"))[0] for desk in desks * 2]

    await until(lambda: len(leading.ledger._recent.read(places[0], places[-1] + 1)) == len(places))
    assert await leading.ledger.follow(places[0], 100) == await leading.ledger.read(places[0], 100)
    assert "ana the person" in str(await leading.ledger.follow(places[1], 1))

    await following.erasure.erase("ana", reason="article 17")
    assert all("erased_at" in str(sealed.event) for sealed in await leading.ledger.follow(places[0], len(places)))
    for desk in reversed(desks):
        await desk.ledger.stop()


async def test_an_idempotency_key_seals_once_though_sent_to_two_processes_at_once(rig: Rig) -> None:
    async with two(rig) as members:
        desks = [Intake(member, rig.clock) for member in members]
        event = {"event": {"action": "billing.invoice_created"}}

        said = await asyncio.gather(*(
            desks[number % 2].append(event, context=STEWARD, key="key-1") for number in range(20)))

        assert len({one.receipt.seq for one in said}) == 1
        assert sum(not one.is_repeat for one in said) == 1


async def test_a_member_of_a_forked_ledger_seals_nothing(rig: Rig) -> None:
    async with two(rig) as (leader, follower):
        await leader.record(rig.event(1))
        await rig.attack("UPDATE audit_ledger.heads SET size = 1")

        with pytest.raises(UnavailableError):
            await follower.record(rig.event(2))
        with pytest.raises(ForkedLedgerError):
            await leader.record(rig.event(3))


async def until_async(left: Callable[[], Any]) -> None:
    """Wait until nothing is left."""
    async with asyncio.timeout(5):
        while await left():  # noqa: ASYNC110 - the leader tells nobody
            await asyncio.sleep(0.02)
