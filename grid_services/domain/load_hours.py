"""Hours of an archive: an unbroken run of UTC hours, each with a figure or the mark that it has none."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from grid_services.domain.load_quality import Quality, judge

HOUR = timedelta(hours=1)
HOUR_S = 3_600


@dataclass(frozen=True, slots=True)
class LoadHour:
    """The hour beginning at `hour` (UTC); `mw` is None exactly when the quality is missing."""

    hour: datetime
    mw: float | None
    quality: Quality


@dataclass(frozen=True, slots=True)
class Series:
    """Hour after hour from the Unix second `first`; None where there is no figure of good quality."""

    first: int
    mw: Sequence[float | None]

    @property
    def end(self) -> int:
        """The Unix second at which the last hour ends."""
        return self.first + len(self.mw) * HOUR_S

    def hours(self) -> Iterator[tuple[int, float | None]]:
        """Yield (Unix second, MW)."""
        return ((self.first + place * HOUR_S, mw) for place, mw in enumerate(self.mw))

    def at(self, second: int) -> float | None:
        """Return the figure of the hour beginning at `second`; None outside the series."""
        place = (second - self.first) // HOUR_S
        return self.mw[place] if 0 <= place < len(self.mw) else None


def unbroken(rows: Iterable[tuple[int, float | None]]) -> Iterator[LoadHour]:
    """Yield every hour from the first row to the last, gaps as missing; `rows` are (Unix second, MW) in rising order.

    Raises ValueError for a row that is not on the hour or not later than the one before it.
    """
    expected: int | None = None
    for second, mw in rows:
        if second % HOUR_S or (expected is not None and second < expected):
            message = f"the archive's row at Unix second {second} is not a new full hour"
            raise ValueError(message)
        for absent in range(expected or second, second, HOUR_S):
            yield _hour(absent, None)
        yield _hour(second, mw)
        expected = second + HOUR_S


def _hour(second: int, mw: float | None) -> LoadHour:
    quality = judge(mw)
    return LoadHour(datetime.fromtimestamp(second, UTC), None if quality is Quality.MISSING else mw, quality)
