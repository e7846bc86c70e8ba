"""Started, heartbeat, stopped, and a clock that goes back: what a ledger says about itself, as entries."""

import asyncio

import pytest

from audit_ledger.adapters.key_file import FileSigner
from audit_ledger.domain.audit.finding import Verdict
from audit_ledger.domain.c2sp.checkpoint import open_checkpoint
from audit_ledger.domain.errors import LedgerDownError
from audit_ledger.service import Ledger
from audit_ledger.store.writer import LedgerWriter
from shared_kernel.errors import UnavailableError
from tests.audit_ledger.rig import Rig, kinds
from tests.audit_ledger.waiting import until


async def actions(ledger: Ledger) -> list[str]:
    """Return what every entry is, in order."""
    return [sealed.event["event"]["action"] for sealed in await ledger.read(0, 1_000)]


async def test_a_quiet_ledger_beats_and_signs(rig: Rig) -> None:
    ledger = rig.ledger(heartbeat_every_s=0.15)
    await ledger.start()

    await until(lambda: ledger.head().size == 4)

    assert (await actions(ledger))[:4] == ["ledger_started", *["ledger_heartbeat"] * 3]
    [beat, *_] = [sealed.event for sealed in await ledger.read(1, 1)]
    assert beat["grid"]["ledger"] == {"size": 1}
    assert open_checkpoint(await ledger.checkpoint(), rig.signer.name, rig.signer.verifier).size >= 3
    await ledger.stop()
    assert kinds(await rig.verify()) == []


async def test_a_busy_ledger_does_not_beat(rig: Rig) -> None:
    ledger = rig.ledger(heartbeat_every_s=0.5)
    await ledger.start()

    for number in range(20):
        await ledger.record(rig.event(number))
        await asyncio.sleep(0.05)

    assert "ledger_heartbeat" not in await actions(ledger)
    await ledger.stop()


async def test_the_last_entry_of_a_clean_stop_says_so_and_is_signed(rig: Rig) -> None:
    ledger = rig.ledger()
    await ledger.start()
    waiting = [asyncio.create_task(ledger.record(rig.event(number))) for number in range(5)]
    await asyncio.sleep(0)

    await ledger.leave()

    await asyncio.gather(*waiting)
    assert await actions(ledger) == ["ledger_started", *["access_decision"] * 5, "ledger_stopped"]
    assert (await rig.verify()).anchored_size == 7


async def test_a_ledger_that_leaves_while_its_database_is_down_just_stops(rig: Rig) -> None:
    ledger = rig.ledger()
    await ledger.start()
    rig.writer_pool.terminate()
    with pytest.raises(UnavailableError):
        await ledger.record(rig.event(1))

    async with asyncio.timeout(5):
        await ledger.leave()

    assert await actions(ledger) == ["ledger_started"]


async def test_no_entry_is_older_than_the_one_before(rig: Rig) -> None:
    ledger = rig.ledger()
    await ledger.start()
    rig.clock.advance(-2)

    await ledger.record(rig.event(1))
    rig.clock.advance(1)
    await ledger.record(rig.event(2))
    rig.clock.advance(2)
    await ledger.record(rig.event(3))

    times = [entry.recorded_at_us for entry in await ledger.entries(0, 10)]
    assert times == [times[0], times[0], times[0], times[0] + 1_000_000]
    assert "clock_rolled_back" not in await actions(ledger)
    await ledger.stop()


async def test_a_clock_that_goes_back_far_is_sealed_once_each_time(rig: Rig) -> None:
    ledger = rig.ledger()
    await ledger.start()

    for step in (-3600, 0, 3590, 20, -7200, 60):
        rig.clock.advance(step)
        await ledger.record(rig.event(1))

    assert await actions(ledger) == [
        "ledger_started", "clock_rolled_back", *["access_decision"] * 4, "clock_rolled_back", *["access_decision"] * 2]
    told = await ledger.find(action="clock_rolled_back")
    assert [event.event["grid"]["ledger"]["behind_us"] for event in told] == [7_200_000_000, 3_600_000_000]
    times = [entry.recorded_at_us for entry in await ledger.entries(0, 100)]
    assert times == sorted(times)
    await ledger.stop()
    assert (await rig.verify()).verdict is Verdict.GOOD


async def test_a_clock_that_went_back_while_the_ledger_was_down_is_noticed(rig: Rig) -> None:
    await rig.filled(3)
    rig.clock.advance(-86_400)

    ledger = rig.ledger()
    await ledger.start()
    await ledger.stop()

    assert (await actions(ledger))[3:] == ["clock_rolled_back", "ledger_started"]
    times = [entry.recorded_at_us for entry in await ledger.entries(0, 10)]
    assert len(set(times)) == 1
    assert kinds(await rig.verify()) == []


class Mute(FileSigner):
    """A signer whose key is out of reach until somebody brings it."""

    excuse: Exception | None = None

    async def sign(self, text: str) -> str:
        """Sign, or say that it is impossible now."""
        if self.excuse is not None:
            raise self.excuse
        return await super().sign(text)


@pytest.mark.parametrize(("excuse", "reason"), [
    (LedgerDownError("the key is away"), "the key is away"), (RuntimeError("a mistake of ours"), "RuntimeError"),
])
async def test_without_its_key_the_ledger_seals_says_so_once_and_signs_later(
    rig: Rig, excuse: Exception, reason: str,
) -> None:
    signer = Mute(rig.signer)
    signer.excuse = excuse
    ledger = Ledger(LedgerWriter(rig.writer_pool, rig.signer.name), rig.reader, signer=signer, folder=rig.folder,
                    clock=rig.clock, publish_every_s=0.05, retry_every_s=0.1)
    await ledger.start()
    await ledger.record(rig.event(1))
    await asyncio.sleep(0.5)

    signer.excuse = None
    await until(lambda: bool(rig.folder.checkpoints()))
    await ledger.stop()

    alarms = await ledger.find(action="checkpoint_not_published")
    assert len(alarms) == 1
    assert reason in alarms[0].event["event"]["reason"]
    assert (await rig.verify()).anchored_size == ledger.head().size
