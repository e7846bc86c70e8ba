"""Telemetry as the detector reads it: a bus topic, seen as a sequenced source of ECS documents."""

from grid_services.service import Bus, telemetry_events
from shared_kernel.events import SealedEvent


class TelemetrySource:
    """One topic; its offsets are the sequence."""

    def __init__(self, bus: Bus, topic: str) -> None:
        self._bus = bus
        self._topic = topic

    async def read(self, after: int, limit: int) -> list[SealedEvent]:
        """Return at most `limit` events with `seq >= after`."""
        return telemetry_events(await self._bus.read(self._topic, after, limit))

    async def wait_beyond(self, seq: int, timeout_s: float) -> None:
        """Return when a message at `seq` may exist, or when the time is over."""
        await self._bus.wait(self._topic, seq, timeout_s)
