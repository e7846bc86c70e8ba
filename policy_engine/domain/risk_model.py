"""How unlike anybody's a behaviour is: histograms, tails and an isolation forest, trained beforehand.

Each number falls into a bin (risk_behaviour.EDGES). With P(>= b) the share of the training sample in bin b or above,
and P(b) that in it, both smoothed:

    tails   ECOD (Li et al., TKDE 2022), right tail:  sum over features of  -ln P(>= b)
    hbos    HBOS (Goldstein & Dengel, 2012):          sum over features of  -ln P(b)
    forest  Isolation Forest (Liu et al., ICDM 2008): 2 ** -(mean path length / c(256)), on the bins

Each becomes a rarity, the share of the sample at least as odd: an exponential tail through the 95th percentile and the
mean excess beyond it, so that what is odder than everything seen is rarer still.

    surprise = mean of -log10 rarity,       points = 20 for each power of ten beyond one in a hundred, 60 at most

Scores are a function of eight small integers, and remembered: who behaves as a moment ago costs a look-up.
"""

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from policy_engine.domain.risk import Behaviour
from policy_engine.domain.risk_behaviour import EDGES, FEATURES, WORDS, Vector

Bins = tuple[int, ...]
PARTS = ("tails", "hbos", "forest")
MOST_POINTS, POINTS_A_DECADE, FREE_DECADES = 60, 20.0, 2.0
_COMMON = 0.05
_NOTABLE_TAIL = 0.01
_REMEMBERED = 32_768
SUBSAMPLE = 256
LEAF = -1


@dataclass(frozen=True, slots=True)
class Forest:
    """Trees laid end to end: node i asks whether bin `feature[i]` is at most `threshold[i]`.

    `feature` is -1 at a leaf, and `path[i]` the length of the way there with what its sample adds.
    """

    roots: tuple[int, ...]
    feature: tuple[int, ...]
    threshold: tuple[float, ...]
    left: tuple[int, ...]
    right: tuple[int, ...]
    path: tuple[float, ...]

    def score(self, bins: Bins) -> float:
        """Return the anomaly score between 0 and 1."""
        feature, threshold, left, right = self.feature, self.threshold, self.left, self.right
        total = 0.0
        for node in self.roots:
            while (asked := feature[node]) >= 0:
                node = left[node] if bins[asked] <= threshold[node] else right[node]  # noqa: PLW2901 - the way down
            total += self.path[node]
        return float(2.0 ** (-total / len(self.roots) / average_path(SUBSAMPLE)))


@dataclass(frozen=True, slots=True)
class Tail:
    """How rare a score is: a percentile, and the mean excess beyond it."""

    start: float
    excess: float

    def rarity(self, score: float) -> float:
        """Return the share of the sample that is at least as odd; at most 5 % is told apart."""
        return _COMMON * min(1.0, math.exp(-(score - self.start) / self.excess))


@dataclass(frozen=True, slots=True)
class Reading:
    """What the model says of one behaviour, part by part."""

    scores: Mapping[str, float]
    rarities: Mapping[str, float]
    surprise: float
    points: int


@dataclass(slots=True)
class Model:
    """A trained model. `density[i][b]` is P(b) of feature i; `digest` names the artifact it was read from."""

    density: tuple[tuple[float, ...], ...]
    forest: Forest
    tails: Mapping[str, Tail]
    hours: tuple[float, ...]
    trained_at_us: int
    samples: int
    digest: str = ""
    _above: tuple[tuple[float, ...], ...] = field(init=False)
    _known: dict[Bins, Reading] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._above = tuple(upper_tail(shares) for shares in self.density)

    def behaviour(self, vector: Vector) -> Behaviour:
        """Return points and reasons; a vector or a model that gives no number is doubtful."""
        try:
            bins = bins_of(vector)
            reading = self.reading(bins)
        except (ValueError, IndexError, OverflowError, TypeError, ZeroDivisionError):
            return Behaviour(0, ("the behaviour cannot be scored: treated as a high risk",), is_doubtful=True)
        if reading.points == 0:
            return _ORDINARY
        return Behaviour(reading.points, self._reasons(vector, bins, reading))

    def reading(self, bins: Bins) -> Reading:
        """Return what the model says of these bins."""
        found = self._known.get(bins)
        if found is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            found = self._known[bins] = self._read(bins)
        return found

    def _read(self, bins: Bins) -> Reading:
        scores = parts_of(bins, self.density, self._above, self.forest)
        if not all(map(math.isfinite, scores.values())):
            message = "a score that is no number"
            raise ValueError(message)
        rarities = {part: self.tails[part].rarity(score) for part, score in scores.items()}
        surprise = sum(-math.log10(max(rarity, 1e-12)) for rarity in rarities.values()) / len(rarities)
        points = round(min(MOST_POINTS, max(0.0, (surprise - FREE_DECADES) * POINTS_A_DECADE)))
        return Reading(scores, rarities, surprise, points)

    def _reasons(self, vector: Vector, bins: Bins, reading: Reading) -> tuple[str, ...]:
        odd = sorted((self._above[number][found], number) for number, found in enumerate(bins)
                     if self._above[number][found] < _NOTABLE_TAIL)
        told = [f"{WORDS[number].format(vector[number])}: fewer than 1 in {self._few(share):,} are like that"
                for share, number in odd[:3]]
        return tuple(told) or (f"behaves, all in all, as fewer than 1 in {self._few(10 ** -reading.surprise):,} do",)

    def _few(self, share: float) -> int:
        """Return how many there would be for one such, as far as the sample can tell."""
        return _round(min(1 / share, max(self.samples, 1)))


_ORDINARY = Behaviour()


def bins_of(vector: Vector) -> Bins:
    """Return the bins; raise ValueError when a number is none."""
    if len(vector) != len(FEATURES) or not all(map(math.isfinite, vector)):
        message = "a behaviour that is not eight numbers"
        raise ValueError(message)
    return tuple(map(bisect_right, EDGES, vector))


def parts_of(
    bins: Bins, density: Sequence[Sequence[float]], above: Sequence[Sequence[float]], forest: Forest,
) -> dict[str, float]:
    """Return the three scores."""
    return {
        "tails": -sum(math.log(above[number][found]) for number, found in enumerate(bins)),
        "hbos": -sum(math.log(density[number][found]) for number, found in enumerate(bins)),
        "forest": forest.score(bins),
    }


def smoothed(counts: Sequence[int]) -> tuple[float, ...]:
    """Return the share of each bin; beyond the last one ever seen each bin has half of the one before."""
    total = sum(counts) + 1
    last = max((number for number, seen in enumerate(counts) if seen), default=0)
    return tuple((max(seen, 0.5) if number <= last else 0.5 ** (number - last)) / total
                 for number, seen in enumerate(counts))


def upper_tail(shares: Sequence[float]) -> tuple[float, ...]:
    """Return for each bin the share in it or above, at most 1."""
    found, total = [], 0.0
    for share in reversed(shares):
        total += share
        found.append(min(1.0, total))
    return tuple(reversed(found))


def tail_of(scores: Sequence[float]) -> Tail:
    """Return the exponential tail of a sample of scores."""
    ordered = sorted(scores)
    start = ordered[int(len(ordered) * (1 - _COMMON))]
    beyond = [score - start for score in ordered if score > start]
    return Tail(start, max(sum(beyond) / len(beyond) if beyond else 0.0, 1e-3))


def average_path(samples: int) -> float:
    """Return c(n), the mean length of an unsuccessful search in a binary tree of n."""
    if samples <= 1:
        return 0.0
    return 2.0 * (math.log(samples - 1) + 0.5772156649015329) - 2.0 * (samples - 1) / samples if samples > 2 else 1.0  # noqa: PLR2004


def _round(number: float) -> int:
    """Return a number with one digit that counts."""
    power = 10 ** max(0, int(math.log10(number)))
    return int(number // power * power)
