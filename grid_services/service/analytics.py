"""Analytics answers questions about telemetry; whoever asks still needs the guard."""

from datetime import datetime
from typing import Any

from grid_services.store.household_sums import HouseholdSums
from grid_services.store.telemetry_store import TelemetryStore
from shared_kernel.obligations import AggregateFloor, RowFilter

Rows = list[dict[str, Any]]


class Analytics:
    """The telemetry's questions; every answer is a list of rows. `only` narrows to the devices that pass it."""

    def __init__(self, store: TelemetryStore, sums: HouseholdSums) -> None:
        self._store = store
        self._sums = sums

    async def statistics(self, sensor_id: str, start: datetime, end: datetime) -> Rows:
        """Return one row a type and provenance: simulated values are never mixed with measured ones."""
        return await self._store.statistics(sensor_id, start, end)

    async def sensor_windows(
        self, sensor_id: str | None, start: datetime, end: datetime, limit: int, *, only: RowFilter | None = None,
    ) -> Rows:
        """Return windows that start in [start, end), newest first."""
        return await self._store.sensor_windows(sensor_id, start, end, limit, only)

    async def consumption(
        self, meter_id: str | None, start: datetime, end: datetime, limit: int, *, only: RowFilter | None = None,
    ) -> Rows:
        """Return consumption windows that start in [start, end), newest first."""
        return await self._store.consumption(meter_id, start, end, limit, only)

    async def summed_consumption(
        self, floor: AggregateFloor, start: datetime, end: datetime, limit: int, *, only: RowFilter | None = None,
    ) -> Rows:
        """Return sums over at least as many households as the floor names, newest first."""
        return await self._sums.consumption(floor, start, end, limit, only=only)

    async def readings(self, meter_id: str, start: datetime, end: datetime, limit: int) -> Rows:
        """Return a meter's readings in [start, end), newest first."""
        return await self._store.readings(meter_id, start, end, limit)

    async def sensors(self, limit: int, *, only: RowFilter | None = None) -> Rows:
        """Return the sensors heard of, each with its newest reading's time."""
        return await self._store.sensors(limit, only)

    async def meters(self, limit: int, *, only: RowFilter | None = None) -> Rows:
        """Return the meters that were read, are registered, or are quarantined."""
        return await self._store.meters(limit, only)

    async def customers(self) -> Rows:
        """Return the simulated registry."""
        return await self._store.customers()
