"""Reading governed data, and telling where data came from: the two promises grid_services asks of governance."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from shared_kernel.context import RequestContext
from shared_kernel.obligations import RowFilter

Row = dict[str, Any]


class ReadGuard(Protocol):
    """Stands between stored rows and an answer."""

    async def release(
        self, context: RequestContext, dataset: str, rows: Sequence[Row], *, columns: Sequence[str],
        summed_over: RowFilter | None = None,
    ) -> list[Row]:
        """Return the rows as this caller may see them, after sealing who saw what, for which purpose.

        Sums over households cannot be filtered any more: `summed_over` says which rows went into them.
        Raises ForbiddenError when the caller has no permit or the rows cannot be made what the decision demands,
        UnavailableError when the access cannot be sealed.
        """


class LineageRecorder(Protocol):
    """Learns from each run of a pipeline step what it read and wrote."""

    async def ran(
        self, job: str, *, inputs: Sequence[str], outputs: Sequence[str],
        columns: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        """Record a completed run. `columns` maps `dataset.column` written to the `dataset.column`s it came from."""
