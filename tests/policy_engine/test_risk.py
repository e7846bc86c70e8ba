"""Risk: what is usual scores low, what is not scores high, and doubt is the highest."""

from typing import Any

import asyncpg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policy_engine.domain.history import History
from policy_engine.domain.risk import COLD_START, RiskFeatures, score, suspicion, values_of
from policy_engine.service import RiskScorer
from policy_engine.store.risk_history import RiskHistoryStore
from shared_kernel.errors import UnavailableError

NINE = 1_795_000_000_000_000 // 86_400_000_000 * 86_400_000_000 + 9 * 3_600_000_000
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
CURL = "curl/8.5.0"


def at_home(subject: str = "ana", **changes: Any) -> RiskFeatures:
    """Return the features of an ordinary request."""
    ordinary: dict[str, Any] = {"subject": subject, "source_ip": "198.51.100.7", "user_agent": FIREFOX, "at_us": NINE}
    return RiskFeatures(**ordinary | changes)


def known(times: int) -> History:
    """Return the history of a subject that always came from home."""
    history = History()
    for _ in range(times):
        history.add(values_of(at_home()))
    return history


def test_a_subject_nobody_knows_is_moderate_and_told_so() -> None:
    found = score(at_home(), History(), History())

    assert found.value == COLD_START
    assert "only 0 requests" in found.reasons[0]


def test_what_is_usual_scores_low() -> None:
    own = known(30)

    assert score(at_home(), own, own).value < 20


def test_a_stolen_token_scores_high_with_the_reasons_in_words() -> None:
    own = known(30)

    found = score(at_home(source_ip="203.0.113.9", user_agent=CURL), own, own)

    assert found.value >= 80
    assert any("network 203.0.0.0/16 is new" in reason for reason in found.reasons)
    assert any("curl is new" in reason for reason in found.reasons)


def test_a_stolen_token_used_after_a_dozen_requests_is_at_least_elevated() -> None:
    own = known(12)

    assert score(at_home(source_ip="203.0.113.9", user_agent=CURL), own, own).value >= 60


def test_another_address_of_the_same_network_costs_less_than_another_network() -> None:
    own = known(30)

    near = score(at_home(source_ip="198.51.3.4"), own, own).value
    far = score(at_home(source_ip="203.0.113.9"), own, own).value

    assert score(at_home(), own, own).value <= near < far < 80


def test_a_new_version_of_the_same_browser_costs_less_than_another_browser() -> None:
    own = known(30)

    newer = score(at_home(user_agent=FIREFOX.replace("140", "141")), own, own).value
    other = score(at_home(user_agent=CURL), own, own).value

    assert newer < other


def test_an_hour_never_seen_costs_something() -> None:
    own = known(30)

    assert score(at_home(at_us=NINE + 15 * 3_600_000_000), own, own).value > score(at_home(), own, own).value


def test_an_ipv4_address_in_ipv6_clothes_is_the_same_address() -> None:
    assert values_of(at_home(source_ip="::ffff:198.51.100.7")) == values_of(at_home())


def test_ipv6_backs_off_to_48_bits() -> None:
    assert values_of(at_home(source_ip="2001:db8:1:2::3"))["network"] == "2001:db8:1::/48"


@pytest.mark.parametrize("changes", [
    {"source_ip": "not-an-ip"}, {"source_ip": ""}, {"source_ip": None}, {"source_ip": 5}, {"user_agent": None},
    {"at_us": float("nan")}, {"at_us": None}, {"at_us": -1}, {"subject": ""}, {"subject": None},
], ids=repr)
def test_a_feature_that_cannot_be_read_is_the_highest_risk(changes: dict[str, Any]) -> None:
    found = score(at_home(**changes), known(30), known(30))

    assert found.value == 100
    assert "cannot be read" in found.reasons[0]


@pytest.mark.parametrize("own", [
    History(-1), History(float("nan")),  # type: ignore[arg-type]
    History(3, {"address": {"198.51.100.7": -2}}), History(3, {"address": {"198.51.100.7": 99}}),
    History(3, {"hour": {"9": float("nan")}}),  # type: ignore[dict-item]
    History(3, None),  # type: ignore[arg-type]
], ids=repr)
def test_a_corrupt_history_is_the_highest_risk(own: History) -> None:
    found = score(at_home(), own, known(3))

    assert found.value == 100


_places = st.sampled_from(["198.51.100.7", "198.51.3.4", "203.0.113.9", "2001:db8::1", "2001:db8:1::1"])
_requests = st.builds(
    RiskFeatures, subject=st.sampled_from(["ana", "ben"]), source_ip=_places,
    user_agent=st.sampled_from([FIREFOX, CURL, "", "Mozilla/5.0 Chrome/1 Windows"]),
    at_us=st.integers(0, 23).map(lambda hour: NINE + hour * 3_600_000_000),
)


def _histories(past: list[RiskFeatures]) -> tuple[History, History]:
    own, everyone = History(), History()
    for features in past:
        everyone.add(values_of(features))
        if features.subject == "ana":
            own.add(values_of(features))
    return own, everyone


@settings(deadline=None, database=None)
@given(st.lists(_requests, max_size=40), st.text(max_size=20), st.text(max_size=20), st.integers(-10, 2**63))
def test_a_score_is_always_a_whole_number_from_0_to_100_with_reasons(
    past: list[RiskFeatures], address: str, agent: str, at_us: int,
) -> None:
    own, everyone = _histories(past)

    found = score(RiskFeatures("ana", address, agent, at_us), own, everyone)

    assert type(found.value) is int
    assert 0 <= found.value <= 100
    assert all(found.reasons)


@settings(deadline=None, database=None)
@given(st.lists(_requests, max_size=40), _requests)
def test_seeing_a_request_accepted_never_makes_the_same_request_more_suspicious(
    past: list[RiskFeatures], now: RiskFeatures,
) -> None:
    values = values_of(now)
    own, everyone = _histories(past)
    before = suspicion(values, own, everyone)

    own.add(values)
    everyone.add(values)
    after = suspicion(values, own, everyone)

    assert all(after[name] <= before[name] + 1e-9 for name in before)


@settings(deadline=None, database=None)
@given(st.lists(_requests, min_size=1, max_size=40))
def test_places_and_agents_never_seen_score_at_least_as_high_as_any_seen(past: list[RiskFeatures]) -> None:
    own, everyone = _histories(past)
    strange = RiskFeatures("ana", "192.0.2.1", "Unheard-Of/1.0 (iPad)", past[0].at_us)  # new down to the kind of device

    assert score(strange, own, everyone).value >= score(past[0], own, everyone).value


async def test_what_was_learnt_survives_a_restart(app_pool: asyncpg.Pool) -> None:
    store = RiskHistoryStore(app_pool)
    first = RiskScorer(store)
    await first.start()
    for _ in range(30):
        first.observe(at_home())
    await first.flush()
    first.observe(at_home())
    await first.flush()

    second = RiskScorer(store)
    await second.start()

    assert (await store.load())["ana"] == known(31)
    assert second.score(at_home()) == first.score(at_home())
    assert second.score(at_home(source_ip="203.0.113.9", user_agent=CURL)).value >= 80


async def test_a_subject_made_unknown_is_moderate_again_also_after_a_restart(app_pool: asyncpg.Pool) -> None:
    scorer = RiskScorer(RiskHistoryStore(app_pool))
    for _ in range(30):
        scorer.observe(at_home())
    await scorer.flush()
    scorer.observe(at_home())

    await scorer.forget("ana")
    await scorer.flush()
    again = RiskScorer(RiskHistoryStore(app_pool))
    await again.start()

    assert scorer.score(at_home(user_agent=CURL)).value == again.score(at_home(user_agent=CURL)).value == COLD_START


async def test_a_database_that_is_away_delays_writing_and_loses_nothing(app_pool: asyncpg.Pool) -> None:
    scorer = RiskScorer(RiskHistoryStore(app_pool))
    scorer.observe(at_home())
    await app_pool.close()

    with pytest.raises(UnavailableError):
        await scorer.flush()

    assert scorer._memory.requests == {"ana": 1}
    assert scorer._memory.counts[("ana", "address", "198.51.100.7")] == 1


def test_values_beyond_the_limit_stay_unusual() -> None:
    history = History()
    for number in range(600):
        history.add({"address": str(number)})

    assert history.requests == 600
    assert history.of("address", "599") == 0
