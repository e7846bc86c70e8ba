"""Event-time windows as exact, mergeable sums: order and batch boundaries never change a result.

Values are integers in micro-units. A sensor window keeps count, sum, sum of squares, least and greatest.
A consumption window keeps count, first and last register by event time; its consumption is last - first, unknown with
fewer than two readings or when the register ran backwards. An event is late when its window had ended ten minutes
before the newest event time seen *before* it.

A late event is a dead letter and changes no window, but its reading was accepted and stays in the readings: a history
loaded long afterwards is found there and by the statistics over readings, and leaves closed windows as they were.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SENSOR_WINDOW_US, METER_WINDOW_US = 300_000_000, 3_600_000_000
LATENESS_US = 600_000_000
Ints = NDArray[np.int64]
_HALF = 17
"""Values up to 2^34 are squared in halves, so that int64 sums stay exact."""


@dataclass(frozen=True, slots=True)
class SensorState:
    """What a sensor window knows."""

    count: int
    total: int
    squares: int
    least: int
    greatest: int

    def figures(self) -> tuple[int, ...]:
        """Return what is stored, in the table's order."""
        return self.count, self.total, self.squares, self.least, self.greatest


@dataclass(frozen=True, slots=True)
class MeterState:
    """What a consumption window knows; `first` and `last` are (event time, register)."""

    count: int
    first: tuple[int, int]
    last: tuple[int, int]

    def figures(self) -> tuple[int, ...]:
        """Return what is stored, in the table's order."""
        return self.count, *self.first, *self.last

    @property
    def consumption(self) -> int | None:
        """Micro-kWh between the first and the last reading, None when that cannot be known."""
        used = self.last[1] - self.first[1]
        return used if self.count > 1 and used >= 0 else None


def late(at_us: Ints, newest_us: int, window_us: int) -> tuple[NDArray[np.bool_], int]:
    """Return which events came too late, in order of arrival, and the newest event time after them."""
    seen = np.maximum.accumulate(np.concatenate((np.array([newest_us], np.int64), at_us)))
    ends = at_us - at_us % window_us + window_us
    return ends <= seen[:-1] - LATENESS_US, int(seen[-1])


def sensor_windows(keys: Ints, at_us: Ints, micro: Ints) -> dict[tuple[int, int], SensorState]:
    """Return (key, window start) -> state of all events given."""
    if not len(keys):
        return {}
    starts = at_us - at_us % SENSOR_WINDOW_US
    order, edges = _groups(keys, starts)
    values = micro[order]
    size = np.abs(values)
    high, low = size >> _HALF, size & ((1 << _HALF) - 1)
    sums = [np.add.reduceat(part, edges).tolist() for part in (values, high * high, high * low, low * low)]
    counts = np.diff(np.append(edges, len(keys))).tolist()
    least, greatest = (how.reduceat(values, edges).tolist() for how in (np.minimum, np.maximum))
    names = zip(keys[order[edges]].tolist(), starts[order[edges]].tolist(), strict=True)
    return {
        name: SensorState(count, total, (hh << 2 * _HALF) + (hl << _HALF + 1) + ll, lo, hi)
        for name, count, total, hh, hl, ll, lo, hi in zip(names, counts, *sums, least, greatest, strict=True)
    }


def meter_windows(keys: Ints, at_us: Ints, micro: Ints) -> dict[tuple[int, int], MeterState]:
    """Return (key, window start) -> state; at one instant the least register is first, the greatest last."""
    if not len(keys):
        return {}
    starts = at_us - at_us % METER_WINDOW_US
    order = np.lexsort((micro, at_us, keys))
    edges = _edges(keys[order], starts[order])
    ends = np.append(edges[1:], len(keys)) - 1
    found: dict[tuple[int, int], MeterState] = {}
    for begin, end in zip(edges.tolist(), ends.tolist(), strict=True):
        a, z = order[begin], order[end]
        found[int(keys[a]), int(starts[a])] = MeterState(
            end - begin + 1, (int(at_us[a]), int(micro[a])), (int(at_us[z]), int(micro[z])))
    return found


def merged(one: SensorState, other: SensorState) -> SensorState:
    """Return the state of both windows' events together."""
    return SensorState(one.count + other.count, one.total + other.total, one.squares + other.squares,
                       min(one.least, other.least), max(one.greatest, other.greatest))


def numbered(names: Sequence[tuple[str, ...]]) -> tuple[Ints, list[tuple[str, ...]]]:
    """Return a small integer a name, and the names by integer."""
    places: dict[tuple[str, ...], int] = {}
    return np.fromiter((places.setdefault(name, len(places)) for name in names), np.int64, len(names)), list(places)


def _groups(keys: Ints, starts: Ints) -> tuple[Ints, Ints]:
    slots = (starts - starts.min()) // SENSOR_WINDOW_US
    joint = keys * (slots.max() + 1) + slots
    order = np.argsort(joint, kind="stable")
    return order, _edges(joint[order], joint[order])


def _edges(first: Ints, second: Ints) -> Ints:
    changes = (np.diff(first) != 0) | (np.diff(second) != 0)
    return np.concatenate((np.zeros(1, np.int64), np.flatnonzero(changes) + 1))
