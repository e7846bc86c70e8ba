"""The shipped archive files, read by DuckDB: (Unix second, MW) in rising order.

DuckDB is imported on the first read only: it costs memory that an idle plane should not hold.
"""

from collections.abc import Iterator
from hashlib import file_digest
from importlib.resources import as_file, files
from pathlib import Path

from shared_kernel.errors import GridwardenError

FOLDER = files("grid_services") / "data" / "bih_load"
_COLUMNS = {"load_actual": "Actual Load", "load_forecast": "Forecasted Load"}
_BATCH = 10_000


class UnreadableArchiveError(GridwardenError):
    """A shipped file is absent or damaged."""

    def __init__(self, name: str, cause: Exception) -> None:
        super().__init__(
            f"the archive {name}.parquet cannot be read ({type(cause).__name__}): install Gridwarden again",
        )


class ParquetArchive:
    """One folder with `load_actual.parquet` and `load_forecast.parquet`; the shipped one when none is named."""

    def __init__(self, folder: Path | None = None) -> None:
        """Remember where the files are."""
        self._folder = folder

    def fingerprint(self, name: str) -> str:
        """Return the file's SHA-256 in hexadecimal."""
        try:
            with as_file(self._file(name)) as path, path.open("rb") as file:
                return file_digest(file, "sha256").hexdigest()
        except OSError as cause:
            raise UnreadableArchiveError(name, cause) from cause

    def rows(self, name: str) -> Iterator[tuple[int, float | None]]:
        """Yield every row. The index is an instant with a zone, so its epoch is UTC whatever the machine's zone."""
        import duckdb

        query = f"""
            SELECT epoch_us(__index_level_0__) // 1000000 AS second, "{_COLUMNS[name]}" AS mw
            FROM read_parquet(?) ORDER BY second
        """  # noqa: S608 - the column comes from the table above
        with as_file(self._file(name)) as path, duckdb.connect(config={"threads": 1}) as connection:
            try:
                found = connection.execute(query, [str(path)])
                while batch := found.fetchmany(_BATCH):
                    yield from batch
            except (duckdb.Error, OSError) as cause:
                raise UnreadableArchiveError(name, cause) from cause

    def _file(self, name: str) -> Path:
        return (self._folder or FOLDER) / f"{name}.parquet"  # type: ignore[return-value]
