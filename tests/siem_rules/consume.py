"""A process that consumes a fixed story until it is killed: the victim of test_detector's kill -9."""

import asyncio
import sys
from pathlib import Path

from control_plane.database.pools import open_pool
from control_plane.database.roles import APP
from shared_kernel.events import SealedEvent
from siem_rules.service import Detector, shipped_rules
from siem_rules.store.alerts import AlertStore
from siem_rules.store.progress import ProgressStore
from tests.frozen_clock import FrozenClock
from tests.siem_rules.sealed import START_US, ListLedger, login, sealed

ATTACKS = 60


def story() -> list[SealedEvent]:
    """Return interleaved attacks, one an address, each of eight failures and one success."""
    return sealed([
        login(step * 10 + attack / 100, attack * 100 + step, f"user{attack}-{step}", f"192.0.2.{attack}",
              failed=step < 8)
        for step in range(9) for attack in range(ATTACKS)
    ])


async def consume(url: str, log: Path) -> None:
    """Feed the story in small batches, from wherever the detector is, and say when it is through."""
    pool = await open_pool(url, APP, size=2)
    detector = Detector(
        ProgressStore(pool), AlertStore(pool), folders=[shipped_rules()], recorder=ListLedger(),
        clock=FrozenClock(START_US),
    )
    await detector.start()
    events = story()
    with log.open("a") as file:
        file.write("started\n")
        file.flush()
        while (position := await detector.position("ledger")) < len(events):
            await detector.observe("ledger", events[position:position + 7])
        file.write("finished\n")


if __name__ == "__main__":
    asyncio.run(consume(sys.argv[1], Path(sys.argv[2])))
