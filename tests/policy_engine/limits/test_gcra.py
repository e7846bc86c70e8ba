"""One number a bucket: never more than the burst at once, never more than the rate in the long run."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from policy_engine.domain.limits.gcra import Quota


def admitted(quota: Quota, arrivals_us: list[int]) -> list[int]:
    """Return the arrivals that were let in."""
    full_at, found = 0.0, []
    for at in arrivals_us:
        backlog = max(0.0, full_at - at)
        if quota.allows(backlog):
            full_at = at + backlog + quota.interval_us
            found.append(at)
    return found


@given(st.floats(0.1, 1000), st.integers(1, 50), st.lists(st.integers(0, 10_000_000), max_size=200))
def test_any_window_admits_at_most_the_burst_and_what_is_earned_in_it(
        per_s: float, burst: int, arrivals: list[int]) -> None:
    found = admitted(Quota(per_s, burst), sorted(arrivals))

    for start in range(len(found)):
        for end in range(start, len(found)):
            earned = (found[end] - found[start]) / 1_000_000 * per_s
            assert end - start + 1 <= burst + earned + 1e-2


@given(st.floats(0.1, 1000), st.integers(1, 1000), st.sampled_from([0, 1_795_000_000_000_000]))
@example(1.5, 535, 0)
@example(19.0, 1000, 1_795_000_000_000_000)
def test_a_full_bucket_admits_exactly_its_burst_whatever_the_clock_shows(per_s: float, burst: int, at_us: int) -> None:
    assert len(admitted(Quota(per_s, burst), [at_us] * (burst + 5))) == burst


@given(st.floats(0.1, 1000), st.integers(1, 1000))
def test_whoever_waits_as_long_as_told_is_admitted(per_s: float, burst: int) -> None:
    quota = Quota(per_s, burst)

    wait_us = quota.retry_after_s(quota.depth_us) * 1_000_000

    assert quota.allows(max(0.0, quota.depth_us - wait_us))


def test_never_more_is_left_than_the_policy_offers() -> None:
    assert Quota(5_000, 20_000).remaining(0) == 20_000


@pytest.mark.parametrize(("backlog_us", "remaining"), [(0, 5), (1, 4), (100_000, 4), (500_000, 0)])
def test_what_is_left_counts_whole_requests(backlog_us: float, remaining: int) -> None:
    assert Quota(10, 5).remaining(backlog_us) == remaining
