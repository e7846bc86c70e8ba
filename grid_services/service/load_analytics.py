"""LoadAnalytics answers questions about the measured load; an hour in doubt is shown and never averaged."""

from datetime import datetime, timedelta
from typing import Any

from grid_services.domain.load_hours import HOUR
from grid_services.domain.load_ranges import Range
from grid_services.store.load_store import LoadStore
from shared_kernel.errors import UnavailableError

DEFAULT_SPAN = timedelta(days=7)


class EmptyArchiveError(UnavailableError):
    """The archive has not been loaded yet."""

    def __init__(self) -> None:
        super().__init__("the load archive is not loaded yet: wait until the first start has finished")


class LoadAnalytics:
    """Reads the archive by range and by year."""

    def __init__(self, store: LoadStore) -> None:
        """Read from `store`."""
        self._store = store

    async def span(self, start: datetime | None, end: datetime | None) -> Range:
        """Return the range meant: what is not given is seven days, ending with the archive."""
        found = await self._store.span()
        if found is None:
            raise EmptyArchiveError
        until = end or (start + DEFAULT_SPAN if start else found.last + HOUR)
        return Range(start or until - DEFAULT_SPAN, until)

    async def actual(self, span: Range) -> list[dict[str, Any]]:
        """Return the hours of `span` with their quality."""
        return await self._store.actual(span.start, span.end)

    async def comparison(self, span: Range, variant: str) -> list[dict[str, Any]]:
        """Return measured load, the operator's forecast and ours for the hours of `span`."""
        return await self._store.comparison(span.start, span.end, variant)

    async def statistics(self, year: int) -> list[dict[str, Any]]:
        """Return the year's figures a month, the whole year last; empty for a year without hours."""
        return [row | {"month": row["month"] or str(year)} for row in await self._store.statistics(year)
                if row["hours"]]
