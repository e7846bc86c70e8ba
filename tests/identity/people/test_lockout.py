"""Guessing gets slower and slower, whatever is rotated, and nobody but the guesser is shut out."""

import asyncio

import httpx2 as httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from identity.domain.people.login_policy import ATTEMPT_WINDOW_US, MAX_ATTEMPTS, shut_out_until_us
from tests.identity.people.test_login_page import login_page
from tests.identity.world import PASSWORD, World

MINUTE_US = 60_000_000
DAY_US = 86_400_000_000


def test_each_lockout_is_twice_as_long_as_the_last() -> None:
    failures: list[int] = []
    lengths = []
    at_us = 0
    for _ in range(4):
        failures += [at_us] * MAX_ATTEMPTS
        until_us = shut_out_until_us(failures)
        lengths.append((until_us - at_us) // MINUTE_US)
        at_us = until_us

    assert lengths == [15, 30, 60, 120]


def test_a_guesser_without_rest_gets_seventy_guesses_a_day() -> None:
    failures: list[int] = []
    for minute in range(24 * 60):
        for _ in range(MAX_ATTEMPTS):
            if minute * MINUTE_US >= shut_out_until_us(failures):
                failures.append(minute * MINUTE_US)

    assert len(failures) == 70


@given(st.lists(st.integers(0, DAY_US), max_size=MAX_ATTEMPTS - 1))
def test_fewer_than_ten_failures_shut_nobody_out(failures: list[int]) -> None:
    assert shut_out_until_us(sorted(failures)) == 0


@given(st.integers(1, 50))
def test_failures_spread_thinner_than_the_window_shut_nobody_out(count: int) -> None:
    assert shut_out_until_us(number * ATTEMPT_WINDOW_US for number in range(count)) == 0


async def test_of_parallel_guesses_ten_are_looked_at(world: World) -> None:
    async with world.browser() as guesser:
        page = await login_page(guesser)
        await asyncio.gather(*(world.login(guesser, page, password=f"guess {number}") for number in range(25)))

    throttled = [event["grid"]["login"]["throttled"] for event in world.recorder.of("user_login")]
    assert (throttled.count(False), throttled.count(True)) == (MAX_ATTEMPTS, 15)


@pytest.mark.parametrize("spell", [str.upper, str.title, lambda name: f"  {name} ", lambda name: "".join(
    chr(ord(char) + 0xFEE0) if char.isalpha() else char for char in name)])
async def test_another_spelling_of_the_name_is_the_same_account(world: World, spell: object) -> None:
    assert callable(spell)
    async with world.browser() as guesser:
        page = await login_page(guesser)
        for _ in range(MAX_ATTEMPTS):
            await world.login(guesser, page, name=spell(world.user.name), password="wrong")

        right = await world.login(guesser, page)

    assert right.status_code == 403


async def test_a_trailing_dot_is_another_name_and_opens_nothing(world: World) -> None:
    async with world.browser() as guesser:
        answer = await world.login(guesser, await login_page(guesser), name=f"{world.user.name}.")

    assert answer.status_code == 403


async def test_rotating_through_a_64_is_one_guesser(world: World) -> None:
    async with world.browser() as guesser:
        page = await login_page(guesser)
        for host in range(MAX_ATTEMPTS):
            await world.login(guesser, page, password="wrong", **{"X-Test-Address": f"2001:db8::{host + 1:x}"})

        same = await world.login(guesser, page, **{"X-Test-Address": "2001:db8::ffff:1"})
        other = await world.login(guesser, page, **{"X-Test-Address": "2001:db8:0:1::1"})

    assert (same.status_code, other.status_code) == (403, 303)


async def test_an_ipv4_address_in_ipv6_clothes_is_one_guesser(world: World) -> None:
    """Whoever has one IPv4 address has 65,536 networks of 6to4."""
    clothes = ["::ffff:203.0.113.9", "64:ff9b::203.0.113.9", "2002:cb00:7109:{}::1", "2001:0:1::{}:34ff:8ef6"]
    async with world.browser() as guesser:
        page = await login_page(guesser)
        for number in range(MAX_ATTEMPTS):
            address = clothes[number % len(clothes)].format(number)
            await world.login(guesser, page, password="wrong", **{"X-Test-Address": address})

        plain = await world.login(guesser, page, **{"X-Test-Address": "203.0.113.9"})
        other = await world.login(guesser, page, **{"X-Test-Address": "203.0.113.10"})

    assert (plain.status_code, other.status_code) == (403, 303)


async def test_a_login_says_whether_it_is_as_ever(world: World) -> None:
    """By this an owner under attack is told from whoever guessed: see the rules GR-001 and GR-002."""
    told = []

    async def come(browser: httpx.AsyncClient, address: str, *, password: str = PASSWORD) -> None:
        await world.login(browser, await login_page(browser, prompt="login"), password=password,
                          **{"X-Test-Address": address})
        about = world.recorder.of("user_login")[-1]["grid"]["login"]
        told.append((about.get("known_device"), about.get("usual_network")))

    async with world.browser() as own, world.browser() as fresh, world.browser() as guesser:
        await come(own, "203.0.113.9")
        await come(own, "203.0.113.77")
        await come(fresh, "203.0.113.77")
        await come(guesser, "203.0.113.77", password="wrong")
        await come(guesser, "203.0.113.77")

    assert told == [(False, False), (True, False), (False, True), (None, None), (False, False)]


async def test_tries_while_shut_out_leave_no_rows_and_do_not_prolong_it(world: World) -> None:
    async with world.browser() as guesser:
        page = await login_page(guesser)
        for number in range(MAX_ATTEMPTS + 20):
            await world.login(guesser, page, password=f"guess {number}")
        rows = await world.pool.fetchval("SELECT count(*) FROM identity.login_attempts")

    assert rows == MAX_ATTEMPTS
