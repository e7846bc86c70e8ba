"""The Catalog knows every dataset's labels, answers from memory, and lets a steward raise them."""

from dataclasses import dataclass
from importlib.resources import files
from itertools import groupby
from types import MappingProxyType

import structlog
import yaml

from governance.domain.declaration import datasets_from
from governance.domain.entries import Dataset, Override, raised
from governance.domain.errors import LoweringRefusedError, UnknownColumnError, UnknownDatasetError
from governance.store.catalog import CatalogStore
from shared_kernel.classification import UNCLASSIFIED, Classification
from shared_kernel.clock import Clock
from shared_kernel.context import RequestContext
from shared_kernel.events import Recorder, security_event

log = structlog.get_logger()


def shipped_datasets() -> tuple[Dataset, ...]:
    """Return the datasets declared in the package's own file."""
    text = files("governance").joinpath("catalog", "datasets.yml").read_text(encoding="utf-8")
    return datasets_from(yaml.safe_load(text))


@dataclass(frozen=True, slots=True)
class LabelChange:
    """A wish to raise a label; `column` None means the dataset itself."""

    classification: Classification
    reason: str
    column: str | None = None


class Catalog:
    """Answers from a snapshot taken at start and after each change; before start everything is RESTRICTED."""

    def __init__(self, store: CatalogStore, recorder: Recorder, clock: Clock) -> None:
        self._store, self._recorder, self._clock = store, recorder, clock
        self._datasets: MappingProxyType[str, Dataset] = MappingProxyType({})

    async def start(self, shipped: tuple[Dataset, ...] | None = None) -> None:
        """Bring the tables to what the file declares and take the snapshot."""
        await self._store.synchronise(shipped_datasets() if shipped is None else shipped)
        await self.refresh()
        log.info("catalog_ready", datasets=len(self._datasets))

    async def refresh(self) -> None:
        """Take a new snapshot of the tables."""
        datasets, overrides = await self._store.load()
        found = {dataset.name: dataset for dataset in datasets}
        for name, raises in groupby(sorted(overrides, key=lambda o: o.dataset), key=lambda o: o.dataset):
            for override in raises:
                if name in found:
                    found[name] = raised(found[name], override)
        self._datasets = MappingProxyType(found)

    def classification(self, dataset: str) -> Classification:
        """Return the label of the dataset itself; an unknown one is RESTRICTED."""
        known = self._datasets.get(dataset)
        return known.classification if known else UNCLASSIFIED

    def labels(self, dataset: str) -> dict[str, Classification]:
        """Return the effective label of each known column."""
        known = self._datasets.get(dataset)
        return known.labels() if known else {}

    def get(self, dataset: str) -> Dataset | None:
        """Return the entry, or None."""
        return self._datasets.get(dataset)

    def entry(self, dataset: str) -> Dataset:
        """Return the entry or raise UnknownDatasetError."""
        known = self._datasets.get(dataset)
        if known is None:
            raise UnknownDatasetError(dataset)
        return known

    def entries(self) -> tuple[Dataset, ...]:
        """Return every entry by name."""
        return tuple(self._datasets.values())

    async def change_label(self, dataset: str, change: LabelChange, context: RequestContext) -> Dataset:
        """Raise a label: sealed first, then kept, then seen by the next decision. Lowering is refused."""
        entry = self.entry(dataset)
        present = _present(entry, change.column)
        target = f"{dataset}.{change.column}" if change.column else dataset
        if change.classification < present:
            raise LoweringRefusedError(target, present, change.classification)
        if change.classification == present:
            return entry
        await self._recorder.record(security_event(
            self._clock, "label_changed", category="configuration", types=("change",), context=context,
            reason=change.reason,
            grid={"label": {"dataset": dataset, "column": change.column, "from": present.name,
                            "to": change.classification.name, "permit": context.permit}},
        ))
        await self._store.raise_label(Override(
            dataset, change.column, change.classification, change.reason, context.principal.subject,
            self._clock.now_us(),
        ))
        await self.refresh()
        return self.entry(dataset)


def _present(entry: Dataset, column: str | None) -> Classification:
    if column is None:
        return entry.classification
    if column not in entry.columns:
        raise UnknownColumnError(entry.name, column)
    return entry.label(column)
