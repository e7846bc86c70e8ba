"""The replay: the same for the same seed, published on seeds nothing was chosen on, and its figures hold."""

from statistics import median

import pytest

from policy_engine.domain.risk_evaluation import PUBLISHED_SEEDS, TUNING_SEEDS, Outcome, replay, table
from policy_engine.domain.risk_replay import ATTACKERS, Population


@pytest.fixture(scope="module")
def outcome() -> Outcome:
    """Return one published replay."""
    return replay(PUBLISHED_SEEDS[0], 150)


def test_nothing_is_published_on_a_seed_that_constants_were_chosen_on() -> None:
    assert not set(TUNING_SEEDS) & set(PUBLISHED_SEEDS)


def test_the_same_seed_gives_the_same_logins_and_another_one_others() -> None:
    days = [[login.features for _, login in Population(seed, 50).day(0)] for seed in (1, 1, 2)]

    assert days[0] == days[1] != days[2]


@pytest.mark.parametrize("attacker", ["naive", "vpn", "targeted"])
@pytest.mark.parametrize("length", [12, 39])
def test_attackers_are_caught(outcome: Outcome, attacker: str, length: int) -> None:
    assert outcome.caught(attacker, length) >= 0.985


def test_people_are_rarely_asked_again(outcome: Outcome) -> None:
    assert median(outcome.reauthentication(12)) <= 0.33
    assert median(outcome.reauthentication(39)) <= 0.08


def test_a_neighbour_with_the_same_browser_is_not_told_apart_and_the_table_says_so(outcome: Outcome) -> None:
    [row] = [row for row in table([outcome]) if row["logins"] == 12]

    assert row["tpr_neighbour"] < 0.5
    assert {f"tpr_{name}" for name in ATTACKERS} <= row.keys()


def test_without_a_map_of_countries_targeted_attackers_are_caught_all_the_same() -> None:
    found = replay(PUBLISHED_SEEDS[1], 100, has_countries=False)

    assert found.caught("targeted", 12) >= 0.98
