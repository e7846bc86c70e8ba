"""Behaviour in constant time: what is counted, for whom, and what an attacker cannot do with it."""

import math
import sys

import pytest

from policy_engine.domain.risk_behaviour import FEATURES, MAX_DISTINCT, Windows
from policy_engine.domain.risk_drift import ENOUGH, Drift, psi
from policy_engine.domain.risk_levels import US_PER_HOUR, RiskFeatures

NOON_US = 20_000 * 24 * US_PER_HOUR + 12 * US_PER_HOUR
SECOND_US = 1_000_000


def _asked(at_s: float = 0, source_ip: str = "198.51.100.7", **changes: str) -> RiskFeatures:
    told = {"action": "meters.read", "dataset": "grid.meters", "path": "/api/v1/meters", "method": "GET"} | changes
    return RiskFeatures("ana", source_ip, "curl/8", NOON_US + round(at_s * SECOND_US), **told)


def _now(windows: Windows, asked: RiskFeatures) -> dict[str, float]:
    return dict(zip(FEATURES, windows.vector(asked), strict=True))


def test_a_first_request_is_one_request_of_one_kind() -> None:
    now = _now(Windows(), _asked())

    assert {now[name] for name in FEATURES[:5]} == {1}


def test_rates_fade_and_distinct_things_are_counted_anew_after_an_hour() -> None:
    windows = Windows()
    for number in range(100):
        windows.count(_asked(number / 10, path=f"/api/v1/meters/{number}"), allowed=True)

    at_once, later = _now(windows, _asked(10)), _now(windows, _asked(2 * 3600))

    assert 85 < at_once["requests_a_minute"] < 101
    assert at_once["resources_an_hour"] == 101
    assert later["requests_a_minute"] == pytest.approx(1)
    assert 10 < later["requests_an_hour"] < 20
    assert later["resources_an_hour"] == 1


def test_denials_changes_and_the_night_are_shares() -> None:
    windows = Windows()
    for number in range(90):
        windows.count(_asked(number, method="POST"), allowed=False)
    night = RiskFeatures("ana", "198.51.100.7", "curl/8", NOON_US + 11 * US_PER_HOUR, method="POST")

    now = _now(windows, _asked(90))

    assert now["denied_share"] > 0.8
    assert now["changes_share"] > 0.8
    assert now["night_share"] == 0
    assert _now(windows, night)["night_share"] > 0


def test_a_thief_elsewhere_does_not_become_the_owners_behaviour() -> None:
    windows = Windows()
    for number in range(500):
        windows.count(_asked(number / 50, "203.0.113.9"), allowed=True)

    assert _now(windows, _asked(10))["requests_a_minute"] == 1
    assert _now(windows, _asked(10, "203.0.113.200"))["requests_a_minute"] > 400


@pytest.mark.parametrize("spelling", ["::ffff:198.51.100.7", "198.51.100.99"])
def test_another_spelling_or_neighbour_address_is_no_fresh_start(spelling: str) -> None:
    windows = Windows()
    for _ in range(50):
        windows.count(_asked(), allowed=True)

    assert _now(windows, _asked(0, spelling))["requests_a_minute"] == pytest.approx(51)


def test_a_clock_that_jumps_back_or_far_ahead_gives_numbers() -> None:
    windows = Windows()
    windows.count(_asked(), allowed=True)

    back = windows.vector(_asked(-10**9))
    ahead = windows.vector(RiskFeatures("ana", "198.51.100.7", "curl/8", 2**63))
    windows.count(_asked(-10**9), allowed=True)

    assert all(math.isfinite(number) and number >= 0 for number in (*back, *ahead, *windows.vector(_asked())))


def test_memory_is_bounded_whatever_is_asked_for() -> None:
    windows = Windows(limit=100)
    for number in range(10_000):
        windows.count(_asked(0, path=f"/{number}"), allowed=True)
    for number in range(1_000):
        windows.count(_asked(0, f"10.{number // 250}.{number % 250}.1"), allowed=True)

    assert len(windows._windows) == 100
    assert all(len(window.resources) <= MAX_DISTINCT for window in windows._windows.values())
    assert sys.getsizeof(windows._windows) < 100_000


def test_a_forgotten_subject_has_no_behaviour() -> None:
    windows = Windows()
    windows.count(_asked(), allowed=True)

    windows.forget("ana")

    assert windows.of("ana") == []


def test_the_stability_index_is_nothing_for_the_same_and_large_for_another_population() -> None:
    assert psi([5, 3, 2], [50, 30, 20]) == pytest.approx(0)
    assert psi([9, 1], [1, 9]) > 1
    assert psi([1, 0], [0, 1]) > 1
    assert math.isfinite(psi([0, 0], [0, 0]))


def test_drift_is_not_told_from_a_handful_of_requests() -> None:
    drift = Drift()
    for _ in range(ENOUGH - 1):
        drift.count((1.0,) * len(FEATURES), 12)
    drift.count((float("nan"),) * len(FEATURES), 12)

    assert drift.requests == ENOUGH - 1
