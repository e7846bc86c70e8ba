"""Windows: exact whatever the order, equal to what Polars computes."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grid_services.domain.windows import (
    SENSOR_WINDOW_US,
    MeterState,
    SensorState,
    late,
    merged,
    meter_windows,
    sensor_windows,
)

EVENTS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 10**9), st.integers(-10**10, 10**10)), min_size=1)
Events = list[tuple[int, int, int]]
START = 6_000_000 * SENSOR_WINDOW_US


def _sensors(events: Events) -> dict[tuple[int, int], SensorState]:
    keys, at_us, micro = (np.array(column, np.int64) for column in zip(*events, strict=True))
    return sensor_windows(keys, at_us + START, micro)


def _meters(events: Events) -> dict[tuple[int, int], MeterState]:
    keys, at_us, micro = (np.array(column, np.int64) for column in zip(*events, strict=True))
    return meter_windows(keys, at_us + START, micro)


@given(EVENTS, st.randoms())
def test_order_changes_no_window(events: Events, chance: object) -> None:
    shuffled = list(events)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]

    assert _sensors(shuffled) == _sensors(events)
    assert _meters(shuffled) == _meters(events)


@given(EVENTS, EVENTS)
def test_batch_boundaries_change_no_window(one: Events, other: Events) -> None:
    together = _sensors(one) | _sensors(other)
    for name in _sensors(one).keys() & _sensors(other).keys():
        together[name] = merged(_sensors(one)[name], _sensors(other)[name])

    assert _sensors(one + other) == together


@given(EVENTS)
def test_sums_are_exact(events: Events) -> None:
    for (key, start), state in _sensors(events).items():
        values = [m for k, at, m in events if k == key and (at + START) // SENSOR_WINDOW_US * SENSOR_WINDOW_US == start]
        assert state == SensorState(len(values), sum(values), sum(v * v for v in values), min(values), max(values))


def test_windows_equal_those_of_polars() -> None:
    chance = np.random.default_rng(7)
    keys, at_us, micro = chance.integers(0, 20, 10_000), chance.integers(0, 10**10, 10_000), chance.integers(
        0, 10**10, 10_000)
    frame = pl.DataFrame({"k": keys, "w": at_us // SENSOR_WINDOW_US * SENSOR_WINDOW_US, "v": micro / 1e6})

    found = sensor_windows(keys, at_us, micro)

    expected = frame.group_by("k", "w").agg(
        pl.len().alias("n"), pl.col("v").mean().alias("avg"), pl.col("v").std().alias("std"))
    assert len(expected) == len(found)
    for row in expected.iter_rows(named=True):
        state = found[row["k"], row["w"]]
        assert state.count == row["n"]
        assert state.total / state.count / 1e6 == pytest.approx(row["avg"])
        if state.count > 1:
            variance = (state.squares * state.count - state.total**2) / (state.count * (state.count - 1))
            assert variance**0.5 / 1e6 == pytest.approx(row["std"], rel=1e-9)


def test_an_event_is_late_once_its_window_ended_ten_minutes_before_the_newest() -> None:
    window = SENSOR_WINDOW_US
    at_us = np.array([0, 3 * window - 1, 1, 3 * window, 2], np.int64)

    flags, newest = late(at_us, 0, window)

    assert flags.tolist() == [False, False, False, False, True]
    assert newest == 3 * window


def test_a_register_that_ran_backwards_has_no_consumption() -> None:
    assert MeterState(2, (0, 100), (9, 50)).consumption is None
    assert MeterState(1, (0, 100), (0, 100)).consumption is None
    assert MeterState(2, (0, 100), (9, 150)).consumption == 50
