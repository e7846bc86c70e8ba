"""Training with scikit-learn, offline: histograms, an isolation forest on their bins, and the tails of all three.

Scikit-learn is an extra (`gridwarden[train]`): what scores needs none of it. One pass over a sample; the same sample
and seed give the same model.
"""

from collections import Counter
from collections.abc import Iterable
from random import Random

import numpy as np

from policy_engine.domain.risk_behaviour import EDGES, Vector, Windows
from policy_engine.domain.risk_levels import HOURS, US_PER_HOUR, RiskFeatures, UnreadableFeaturesError, values_of
from policy_engine.domain.risk_model import (
    LEAF,
    PARTS,
    SUBSAMPLE,
    Bins,
    Forest,
    Model,
    average_path,
    bins_of,
    parts_of,
    smoothed,
    tail_of,
    upper_tail,
)
from shared_kernel.errors import GridwardenError

FEWEST, MOST = 1_000, 50_000
TREES = 64
_SEED = 7


class TooLittleToLearnError(GridwardenError):
    """A model of a few requests would call everything odd."""

    def __init__(self, seen: int) -> None:
        super().__init__(f"{seen} decided requests of signed-in subjects are known, {FEWEST} are needed: train later, "
                         "or try it with --synthetic")


class NoTrainerError(GridwardenError):
    """Scikit-learn is not installed."""

    def __init__(self) -> None:
        super().__init__("training needs scikit-learn: install gridwarden[train]")


class Sample:
    """What decided requests looked like, in order; of more than fifty thousand a fair sample is kept."""

    def __init__(self) -> None:
        self.seen = 0
        self.hours: Counter[int] = Counter()
        self._windows, self._kept = Windows(), list[Vector]()
        self._chance = Random(_SEED)  # noqa: S311 - which ones are kept is no secret

    def add(self, asked: RiskFeatures, *, allowed: bool) -> None:
        """Take one request; what cannot be read is left out."""
        try:
            values_of(asked)
        except UnreadableFeaturesError:
            return
        vector = self._windows.vector(asked)
        self._windows.count(asked, allowed=allowed)
        self.seen += 1
        self.hours[asked.at_us // US_PER_HOUR % HOURS] += 1
        if len(self._kept) < MOST:
            self._kept.append(vector)
        elif (place := self._chance.randrange(self.seen)) < MOST:
            self._kept[place] = vector

    def bins(self) -> list[Bins]:
        """Return the bins of what was kept."""
        return [bins_of(vector) for vector in self._kept]


def sample_of(decided: Iterable[tuple[RiskFeatures, bool]]) -> Sample:
    """Return the sample of requests and whether they were allowed."""
    sample = Sample()
    for asked, allowed in decided:
        sample.add(asked, allowed=allowed)
    return sample


def train(sample: Sample, trained_at_us: int) -> Model:
    """Return a model; raise TooLittleToLearnError or NoTrainerError."""
    bins = sample.bins()
    if len(bins) < FEWEST:
        raise TooLittleToLearnError(len(bins))
    counts = [Counter(row[number] for row in bins) for number in range(len(EDGES))]
    density = tuple(smoothed([counted[number] for number in range(len(edges) + 1)])
                    for counted, edges in zip(counts, EDGES, strict=True))
    forest = _flattened(bins)
    above = tuple(map(upper_tail, density))
    known = {row: parts_of(row, density, above, forest) for row in set(bins)}
    return Model(
        density=density, forest=forest, tails={part: tail_of([known[row][part] for row in bins]) for part in PARTS},
        hours=tuple(sample.hours[hour] / sample.seen for hour in range(HOURS)), trained_at_us=trained_at_us,
        samples=len(bins))


def _flattened(bins: list[Bins]) -> Forest:
    """Fit the forest and lay its trees end to end; a child always comes after its parent."""
    try:
        from sklearn.ensemble import IsolationForest  # type: ignore[import-untyped]
    except ImportError as cause:
        raise NoTrainerError from cause
    fitted = IsolationForest(n_estimators=TREES, max_samples=SUBSAMPLE, random_state=_SEED, n_jobs=1).fit(
        np.array(bins, np.float32))
    roots: list[int] = []
    columns: dict[str, list[float]] = {name: [] for name in ("feature", "threshold", "left", "right", "path")}
    for estimator in fitted.estimators_:
        tree, offset = estimator.tree_, len(columns["feature"])
        roots.append(offset)
        depths = _depths(tree.children_left, tree.children_right)
        for node in range(tree.node_count):
            is_leaf = tree.children_left[node] == LEAF
            row = (LEAF if is_leaf else int(tree.feature[node]), float(tree.threshold[node]),
                   LEAF if is_leaf else offset + int(tree.children_left[node]),
                   LEAF if is_leaf else offset + int(tree.children_right[node]),
                   depths[node] + average_path(int(tree.n_node_samples[node])) if is_leaf else 0.0)
            for name, value in zip(columns, row, strict=True):
                columns[name].append(value)
    return Forest(
        tuple(roots), tuple(map(int, columns["feature"])), tuple(columns["threshold"]),
        tuple(map(int, columns["left"])), tuple(map(int, columns["right"])), tuple(columns["path"]))


def _depths(left: "np.ndarray[tuple[int], np.dtype[np.int64]]", right: "np.ndarray[tuple[int], np.dtype[np.int64]]",
            ) -> list[int]:
    depths = [0] * len(left)
    for node in range(len(left)):
        for child in (left[node], right[node]):
            if child != LEAF:
                depths[child] = depths[node] + 1
    return depths
