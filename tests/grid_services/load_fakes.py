"""Small real stand-ins for what load and forecast ask of other houses and of the archive."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from grid_services.adapters.load_parquet import UnreadableArchiveError
from shared_kernel.context import RequestContext
from shared_kernel.errors import ForbiddenError
from shared_kernel.obligations import RowFilter

START = 1_735_686_000
"""2025-01-01T00:00 in the control area, as a Unix second."""
HOUR = 3_600


class KeptLineage:
    """Remembers every run told."""

    def __init__(self) -> None:
        """Remember nothing yet."""
        self.runs: list[tuple[str, tuple[str, ...], tuple[str, ...]]] = []

    async def ran(
        self, job: str, *, inputs: Sequence[str], outputs: Sequence[str],
        columns: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        """Keep the run; every column named must belong to what was read or written."""
        for target, sources in (columns or {}).items():
            assert target.rpartition(".")[0] in outputs
            assert all(source.rpartition(".")[0] in inputs for source in sources)
        self.runs.append((job, tuple(inputs), tuple(outputs)))


class OpenGuard:
    """Lets rows through to whoever has a permit and remembers what was asked."""

    def __init__(self) -> None:
        """Remember nothing yet."""
        self.asked: list[tuple[str, tuple[str, ...], int]] = []

    async def release(
        self, context: RequestContext, dataset: str, rows: Sequence[dict[str, Any]], *, columns: Sequence[str],
        summed_over: RowFilter | None = None,  # noqa: ARG002 - the protocol's
    ) -> list[dict[str, Any]]:
        """Return the rows as they are, in the columns named."""
        if context.permit is None:
            raise ForbiddenError("nobody permitted this request")
        self.asked.append((dataset, tuple(columns), len(rows)))
        return [{column: row[column] for column in columns} for row in rows]


class ListArchive:
    """An archive of a few rows; `breaks_after` rows of the forecast it fails, as a torn file does."""

    def __init__(self, rows: Sequence[tuple[int, float | None]], *, edition: str = "a", breaks_after: int | None = None,
                 ) -> None:
        """Hold the same rows for both archives."""
        self._rows = rows
        self._edition = edition
        self._breaks_after = breaks_after

    def fingerprint(self, name: str) -> str:
        """Return the edition."""
        return f"{name}-{self._edition}"

    def rows(self, name: str) -> Iterator[tuple[int, float | None]]:
        """Yield the rows."""
        for number, row in enumerate(self._rows):
            if name == "load_forecast" and number == self._breaks_after:
                raise UnreadableArchiveError(name, OSError("the file is torn"))
            yield row
