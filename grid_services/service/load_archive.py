"""LoadArchive brings the shipped measurements into the database, once an edition."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Protocol

import structlog

from grid_services.domain.load_hours import LoadHour, unbroken
from grid_services.store.load_store import TABLES, Loading, LoadStore
from shared_kernel.data_access import LineageRecorder

Progress = Callable[[int, int], None]
"""Called with (hours done, hours in all)."""
HOURS_SHIPPED = 175_934
"""Hours of both shipped archives with their gaps: what progress counts towards."""
_BATCH = 10_000
_log = structlog.get_logger()
_FIGURES = {"load_actual": "actual_mw", "load_forecast": "operator_forecast_mw"}
"""What the catalog calls an archive's figure."""


class Archive(Protocol):
    """Where the rows come from."""

    def fingerprint(self, name: str) -> str:
        """Return the edition's SHA-256."""

    def rows(self, name: str) -> Iterator[tuple[int, float | None]]:
        """Yield (Unix second, MW) in rising order."""


def _nobody(_done: int, _total: int) -> None:
    """Take no notice of progress."""


class LoadArchive:
    """Loads both archives in one transaction: a start that was interrupted leaves nothing behind."""

    def __init__(self, archive: Archive, store: LoadStore, lineage: LineageRecorder) -> None:
        """Read from `archive`, write to `store`, tell `lineage` what really ran."""
        self._archive = archive
        self._store = store
        self._lineage = lineage

    async def load(self, progress: Progress = _nobody) -> int:
        """Load what is not loaded yet; return the hours written, 0 on every start but the first of an edition."""
        editions = {table: self._archive.fingerprint(table) for table in TABLES}
        async with self._store.loading() as loading:
            stale = [table for table in TABLES if (await loading.loaded()).get(table) != editions[table]]
            done = 0
            for table in stale:
                done += await self._replace(loading, table, editions[table], lambda n, so_far=done: progress(  # type: ignore[misc]
                    so_far + n, HOURS_SHIPPED))
        for table in stale:
            await self._tell(table)
        return done

    async def _replace(self, loading: Loading, table: str, sha256: str, tell: Callable[[int], None]) -> int:
        await loading.empty(table)
        hours = 0
        for batch in _batches(unbroken(self._archive.rows(table))):
            await loading.append(table, batch)
            hours += len(batch)
            tell(hours)
        await loading.finish(table, sha256=sha256, hours=hours)
        _log.info("load_archive_loaded", table=table, hours=hours, sha256=sha256)
        return hours

    async def _tell(self, table: str) -> None:
        source, written, figure = f"file.bih_{table}", f"grid.{table}", _FIGURES[table]
        await self._lineage.ran(
            f"grid_services.load_archive.{table}", inputs=(source,), outputs=(written,),
            columns={f"{written}.hour": (f"{source}.hour",), f"{written}.{figure}": (f"{source}.mw",),
                     f"{written}.quality": (f"{source}.hour", f"{source}.mw")},
        )


def _batches(hours: Iterable[LoadHour]) -> Iterator[list[LoadHour]]:
    rest = iter(hours)
    while batch := list(islice(rest, _BATCH)):
        yield batch
