"""The catalog's tables: what the shipped file declares, and what people raised."""

from collections.abc import Sequence
from types import MappingProxyType

import asyncpg

from governance.domain.entries import Category, Column, Dataset, Override
from governance.store.connection import transaction
from shared_kernel.classification import Classification

_UPSERT_DATASETS = """
    INSERT INTO governance.datasets (name, title, description, classification, provenance, source, attribution)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
    ON CONFLICT (name) DO UPDATE SET title = excluded.title, description = excluded.description,
        classification = excluded.classification, provenance = excluded.provenance, source = excluded.source,
        attribution = excluded.attribution
"""
_INSERT_COLUMNS = """
    INSERT INTO governance.columns (dataset, name, position, classification, categories, mask)
    VALUES ($1, $2, $3, $4, $5, $6)
"""
_RAISE = """
    INSERT INTO governance.label_overrides (dataset, column_name, classification, reason, set_by, set_at_us)
    VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (dataset, column_name) DO UPDATE SET classification = excluded.classification,
        reason = excluded.reason, set_by = excluded.set_by, set_at_us = excluded.set_at_us
    WHERE governance.label_overrides.classification <= excluded.classification
"""


class CatalogStore:
    """Keeps datasets, columns and overrides."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def synchronise(self, datasets: Sequence[Dataset]) -> None:
        """Make the tables say what the file says, in one transaction; overrides stay."""
        async with transaction(self._pool) as connection:
            await connection.execute("LOCK TABLE governance.datasets IN SHARE ROW EXCLUSIVE MODE")
            names = [dataset.name for dataset in datasets]
            await connection.execute("DELETE FROM governance.datasets WHERE name <> ALL($1)", names)
            await connection.execute("DELETE FROM governance.columns")
            await connection.executemany(_UPSERT_DATASETS, [_dataset_row(dataset) for dataset in datasets])
            columns = [row for dataset in datasets for row in _column_rows(dataset)]
            await connection.executemany(_INSERT_COLUMNS, columns)

    async def load(self) -> tuple[list[Dataset], list[Override]]:
        """Return every dataset as declared, and every override."""
        async with transaction(self._pool) as connection:
            datasets = await connection.fetch("SELECT * FROM governance.datasets ORDER BY name")
            columns = await connection.fetch("SELECT * FROM governance.columns ORDER BY dataset, position")
            overrides = await connection.fetch("SELECT * FROM governance.label_overrides")
        found: dict[str, dict[str, Column]] = {row["name"]: {} for row in datasets}
        for row in columns:
            found[row["dataset"]][row["name"]] = _column(row)
        return [_dataset(row, found[row["name"]]) for row in datasets], [_override(row) for row in overrides]

    async def raise_label(self, override: Override) -> None:
        """Keep a raised label; a lower one arriving late changes nothing."""
        async with transaction(self._pool) as connection:
            await connection.execute(
                _RAISE, override.dataset, override.column or "", override.classification, override.reason,
                override.set_by, override.set_at_us,
            )
            await connection.execute("SELECT pg_notify('gridwarden_changes', 'label ' || $1)", override.dataset)


def _dataset_row(dataset: Dataset) -> tuple[object, ...]:
    return (dataset.name, dataset.title, dataset.description, int(dataset.classification), dataset.provenance,
            dataset.source, dataset.attribution)


def _column_rows(dataset: Dataset) -> list[tuple[object, ...]]:
    return [
        (dataset.name, column.name, position, int(column.classification), list(column.categories), column.mask)
        for position, column in enumerate(dataset.columns.values())
    ]


def _dataset(row: asyncpg.Record, columns: dict[str, Column]) -> Dataset:
    return Dataset(
        row["name"], row["title"], row["description"], Classification(row["classification"]),
        MappingProxyType(columns), row["provenance"], row["source"], row["attribution"],
    )


def _column(row: asyncpg.Record) -> Column:
    categories = tuple(Category(category) for category in row["categories"])
    return Column(row["name"], Classification(row["classification"]), categories, row["mask"])


def _override(row: asyncpg.Record) -> Override:
    return Override(
        row["dataset"], row["column_name"] or None, Classification(row["classification"]), row["reason"],
        row["set_by"], row["set_at_us"],
    )
