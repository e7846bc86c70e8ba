"""How risky the policy engine's score makes a login: everyday changes lock out nobody who has only a password."""

import pytest

from control_plane.wiring.identity import login_score
from identity.domain.people.login_policy import NEW_DEVICE_RISK, REFUSED_RISK, STEP_UP_RISK
from policy_engine.domain import risk
from policy_engine.domain.history import History
from policy_engine.service import RiskFeatures

HOUR_US = 3_600_000_000
NOW_US = 1_790_000_000_000_000
CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36"
FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0"
HERE, ELSEWHERE = "127.0.0.1", "203.0.113.5"


def _history(requests: int) -> History:
    history = History()
    for _ in range(requests):
        history.add(risk.values_of(RiskFeatures("vera", HERE, CHROME, NOW_US)))
    return history


def _score(requests: int, address: str, agent: str, *, hours_later: int = 0) -> int:
    features = RiskFeatures("vera", address, agent, NOW_US + hours_later * HOUR_US)
    return login_score(risk.score(features, _history(requests), _history(requests + 5000)))


@pytest.mark.parametrize("requests", [0, 1, 5, 20, 100, 5000])
@pytest.mark.parametrize("hours_later", [0, 2, 11])
@pytest.mark.parametrize(("address", "agent"), [(HERE, CHROME), (HERE, FIREFOX), (ELSEWHERE, CHROME)])
def test_a_second_browser_or_another_network_leaves_the_password_enough(
    requests: int, hours_later: int, address: str, agent: str,
) -> None:
    assert _score(requests, address, agent, hours_later=hours_later) + NEW_DEVICE_RISK < STEP_UP_RISK


@pytest.mark.parametrize("requests", [20, 100, 5000])
def test_a_second_browser_in_another_network_asks_for_more_and_refuses_nobody(requests: int) -> None:
    assert STEP_UP_RISK <= _score(requests, ELSEWHERE, FIREFOX) < REFUSED_RISK


def test_what_is_strange_in_every_way_is_refused() -> None:
    assert _score(5000, ELSEWHERE, FIREFOX, hours_later=11) >= REFUSED_RISK


def test_a_score_of_what_cannot_be_read_asks_for_more() -> None:
    found = risk.score(RiskFeatures("vera", "nowhere", CHROME, NOW_US), _history(9), _history(9))

    assert STEP_UP_RISK <= login_score(found) < REFUSED_RISK
