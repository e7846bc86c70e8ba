"""One figure: the samples it was read from, its unit, its goal, and whom it is measured against."""

from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Metric:
    """A named figure; `value` is the median of its samples.

    `goal` is text such as ">= 0.80" or "< 5"; `peer` says against what, with the figure seen there.
    """

    name: str
    unit: str
    samples: tuple[float, ...]
    goal: str = ""
    peer: str = ""

    @property
    def value(self) -> float:
        """The median: what may be quoted."""
        return median(self.samples)
