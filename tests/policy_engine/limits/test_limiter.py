"""Who is charged for what, what a refusal says, and that nobody pays for somebody else."""

import pytest

from policy_engine.domain.limits.buckets import MAX_BUCKETS, OwnBuckets
from policy_engine.domain.limits.rules import SHIPPED, By
from policy_engine.domain.limits.standing import Charge, RateLimitedError
from shared_kernel.principal import ANONYMOUS
from tests.frozen_clock import FrozenClock
from tests.policy_engine.limits.city import OLTA, VERA, Ledger, context, limiter, three


async def test_the_fourth_request_is_refused_with_what_the_client_needs(clock: FrozenClock) -> None:
    limits = limiter([three(By.ADDRESS)], clock)
    left = [dict(await limits.arrived("203.0.113.9", "x.read", context)) for _ in range(3)]

    with pytest.raises(RateLimitedError) as refused:
        await limits.arrived("203.0.113.9", "x.read", context)

    assert [fields[b"ratelimit"] for fields in left] == ['"few";r=2;t=1', '"few";r=1;t=2', '"few";r=0;t=3']
    assert left[0][b"ratelimit-policy"] == '"few";q=3;w=3'
    assert refused.value.headers == {
        "Retry-After": "1", "RateLimit": '"few";r=0;t=3', "RateLimit-Policy": '"few";q=3;w=3'}


async def test_a_second_later_one_more_passes(clock: FrozenClock) -> None:
    limits = limiter([three(By.ADDRESS)], clock)
    for _ in range(3):
        await limits.arrived("203.0.113.9", "x.read", context)

    clock.advance(1)

    await limits.arrived("203.0.113.9", "x.read", context)
    with pytest.raises(RateLimitedError):
        await limits.arrived("203.0.113.9", "x.read", context)


async def test_rotating_within_a_64_gains_nothing_and_costs_no_neighbour(clock: FrozenClock) -> None:
    limits = limiter([three(By.ADDRESS)], clock)
    for host in range(3):
        await limits.arrived(f"2001:db8:1:2::{host:x}", "x.read", context)

    with pytest.raises(RateLimitedError):
        await limits.arrived("2001:db8:1:2:ffff::1", "x.read", context)
    await limits.arrived("2001:db8:1:3::1", "x.read", context)


async def test_one_person_cannot_use_up_the_quota_of_another(clock: FrozenClock) -> None:
    limits = limiter([three(By.SUBJECT)], clock)
    for _ in range(3):
        await limits.known(VERA, "x.read", context)

    with pytest.raises(RateLimitedError):
        await limits.known(VERA, "x.read", context)
    await limits.known(OLTA, "x.read", context)


async def test_a_client_is_one_caller_whoever_it_acts_for(clock: FrozenClock) -> None:
    limits = limiter([three(By.CLIENT)], clock)
    for principal in (VERA, OLTA, VERA):
        await limits.known(principal, "x.read", context)

    with pytest.raises(RateLimitedError):
        await limits.known(OLTA, "x.read", context)


async def test_strangers_are_charged_by_address_only(clock: FrozenClock) -> None:
    limits = limiter([three(By.SUBJECT), three(By.CLIENT, "clients")], clock)

    assert [await limits.known(ANONYMOUS, "x.read", context) for _ in range(5)] == [()] * 5


async def test_a_request_that_one_quota_refuses_is_charged_to_none(clock: FrozenClock) -> None:
    limits = limiter([three(By.SUBJECT), three(By.CLIENT, "clients")], clock)
    for _ in range(3):
        await limits.known(VERA, "x.read", context)
    clock.advance(1)
    await limits.known(OLTA, "x.read", context)
    with pytest.raises(RateLimitedError, match="clients"):
        await limits.known(OLTA, "x.read", context)

    clock.advance(1)

    await limits.known(OLTA, "x.read", context)


async def test_a_rule_of_some_actions_counts_those_each_by_itself_if_told(clock: FrozenClock) -> None:
    doors = three(By.ADDRESS, actions=frozenset({"login.submit", "oauth.par"}), each_action=True)
    limits = limiter([doors], clock)
    for _ in range(3):
        await limits.arrived("203.0.113.9", "login.submit", context)

    with pytest.raises(RateLimitedError):
        await limits.arrived("203.0.113.9", "login.submit", context)
    await limits.arrived("203.0.113.9", "oauth.par", context)
    assert await limits.arrived("203.0.113.9", "meters.read", context) == ()


async def test_this_machine_is_many_and_counted_only_where_a_rule_says_so(clock: FrozenClock) -> None:
    limits = limiter([three(By.ADDRESS)], clock)
    strict = limiter([three(By.ADDRESS, this_machine_too=True)], clock)

    assert [await limits.arrived("127.0.0.1", "x.read", context) for _ in range(5)] == [()] * 5
    for _ in range(3):
        await strict.arrived("127.0.0.1", "x.read", context)
    with pytest.raises(RateLimitedError):
        await strict.arrived("::ffff:127.0.0.1", "x.read", context)


async def test_a_flood_of_refusals_is_one_entry_a_minute(clock: FrozenClock) -> None:
    ledger = Ledger()
    limits = limiter([three(By.ADDRESS)], clock, ledger)
    for _ in range(3):
        await limits.arrived("203.0.113.9", "x.read", context)
    for _ in range(100):
        with pytest.raises(RateLimitedError):
            await limits.arrived("203.0.113.9", "x.read", context)

    [event] = ledger.events
    assert event["event"]["action"] == "rate_limited"
    assert event["grid"]["limit"] == {"rule": "few", "bucket": "few 203.0.113.9/32"}
    assert event["source"]["ip"] == "203.0.113.9"


async def test_a_flood_of_callers_keeps_memory_bounded_and_the_worst_remembered(clock: FrozenClock) -> None:
    buckets, rule = OwnBuckets(), three(By.ADDRESS)
    for _ in range(3):
        await buckets.charge([Charge("worst", rule)], clock.now_us())

    for number in range(MAX_BUCKETS + 10):
        await buckets.charge([Charge(f"caller {number}", rule)], clock.now_us())

    assert len(buckets._full_at_us) <= MAX_BUCKETS
    with pytest.raises(RateLimitedError):
        await buckets.charge([Charge("worst", rule)], clock.now_us())


def test_the_shipped_rules_have_different_names() -> None:
    assert len({rule.name for rule in SHIPPED}) == len(SHIPPED)


async def test_a_clock_that_is_set_back_neither_locks_a_caller_out_nor_fills_its_bucket() -> None:
    """`t` would else be an hour; a request that overtook another by a moment changes nothing."""
    rule = three(By.ADDRESS)
    buckets, charge, now_us = OwnBuckets(), Charge("few caller", rule), 1_700_000_000_000_000
    await buckets.charge([charge], now_us)
    await buckets.charge([charge], now_us - 1_000)

    [backlog] = await buckets.charge([charge], now_us - 3_600_000_000)

    assert backlog == pytest.approx(3e6, abs=2_000)
    with pytest.raises(RateLimitedError) as refused:
        await buckets.charge([charge], now_us - 3_600_000_000)
    assert refused.value.retry_after_s == 1
