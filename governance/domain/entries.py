"""What the catalog says of a dataset: its label, its columns' labels, where it came from.

    effective(column) = max(declared(column), override(column), effective(dataset))

What nobody classified is RESTRICTED.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType

from shared_kernel.classification import UNCLASSIFIED, Classification


class Category(StrEnum):
    """Why a column is sensitive; a column may have several reasons."""

    PII = "PII"
    METER_PROFILE = "METER_PROFILE"
    BCSI = "BCSI"
    COMMERCIAL = "COMMERCIAL"


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its own label, its categories and the mask for those who may not see it (none: null)."""

    name: str
    classification: Classification = UNCLASSIFIED
    categories: tuple[Category, ...] = ()
    mask: str | None = None


@dataclass(frozen=True, slots=True)
class Dataset:
    """One catalogued dataset; `classification` is the label of the dataset itself.

    `provenance` is "measured", "simulated" or "derived": the first two are never mixed in one dataset.
    """

    name: str
    title: str
    description: str
    classification: Classification = UNCLASSIFIED
    columns: Mapping[str, Column] = field(default_factory=lambda: MappingProxyType({}))
    provenance: str = "unknown"
    source: str = ""
    attribution: str = ""

    def label(self, column: str) -> Classification:
        """Return the effective label of a column; one the catalog does not know is RESTRICTED."""
        known = self.columns.get(column)
        return effective(self.classification, known.classification) if known else UNCLASSIFIED

    def labels(self) -> dict[str, Classification]:
        """Return the effective label of every known column."""
        return {name: self.label(name) for name in self.columns}


@dataclass(frozen=True, slots=True)
class Override:
    """A person's raised label; `column` is None for the dataset itself."""

    dataset: str
    column: str | None
    classification: Classification
    reason: str
    set_by: str
    set_at_us: int


def effective(*labels: Classification) -> Classification:
    """Return the join of labels; of none, RESTRICTED."""
    return max(labels, default=UNCLASSIFIED)


def raised(dataset: Dataset, override: Override) -> Dataset:
    """Return the dataset with an override applied; an override never lowers, one of an unknown column says nothing."""
    if override.column is None:
        return replace(dataset, classification=effective(dataset.classification, override.classification))
    column = dataset.columns.get(override.column)
    if column is None:
        return dataset
    higher = replace(column, classification=effective(column.classification, override.classification))
    return replace(dataset, columns=MappingProxyType({**dataset.columns, column.name: higher}))
