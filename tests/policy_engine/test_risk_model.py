"""The model: what scikit-learn trained is what plain Python scores, odd is rare, and no number means doubt."""

import numpy as np
import pytest

from policy_engine.adapters.risk_training import FEWEST, Sample, TooLittleToLearnError, sample_of, train
from policy_engine.domain.history import History
from policy_engine.domain.risk import BELOW_REFUSAL, Behaviour, RiskFeatures, score
from policy_engine.domain.risk_behaviour import FEATURES, Windows
from policy_engine.domain.risk_drift import Drift
from policy_engine.domain.risk_evaluation import abuse_table
from policy_engine.domain.risk_model import MOST_POINTS, Forest, Model, smoothed, upper_tail
from policy_engine.domain.risk_sessions import abuse, days_at_work


@pytest.fixture(scope="module")
def sample() -> Sample:
    """Return a synthetic sample."""
    return sample_of(days_at_work(1, people=30, days=3))


@pytest.fixture(scope="module")
def model(sample: Sample) -> Model:
    """Return a model of it."""
    return train(sample, 1_795_000_000_000_000)


def test_the_flattened_forest_scores_as_scikit_learn_does(sample: Sample, model: Model) -> None:
    from sklearn.ensemble import IsolationForest  # type: ignore[import-untyped]

    from policy_engine.adapters.risk_training import TREES

    bins = sample.bins()
    theirs = IsolationForest(n_estimators=TREES, max_samples=256, random_state=7).fit(np.array(bins, np.float32))
    asked = bins[::97]

    scores = [model.forest.score(one) for one in asked]

    assert scores == pytest.approx(list(-theirs.score_samples(np.array(asked, np.float32))), abs=1e-9)


def test_the_same_sample_gives_the_same_model(sample: Sample, model: Model) -> None:
    again = train(sample, model.trained_at_us)

    assert (again.density, again.forest, again.tails) == (model.density, model.forest, model.tails)


def test_a_handful_of_requests_is_nothing_to_learn_from() -> None:
    small = sample_of(list(days_at_work(1, people=2, days=1))[:FEWEST - 1])

    with pytest.raises(TooLittleToLearnError, match="are needed"):
        train(small, 0)


def test_abuse_is_raised_and_work_is_not(model: Model) -> None:
    raised = abuse_table(model)

    assert raised["work"] < 0.005
    assert raised["scraper"] > 0.4
    assert raised["prober"] > 0.6


def test_a_scraper_is_told_what_is_odd_in_words(model: Model) -> None:
    windows, found = Windows(), Behaviour()
    for asked, allowed in abuse("scraper", 5):
        found = model.behaviour(windows.vector(asked))
        windows.count(asked, allowed=allowed)

    assert found.points == MOST_POINTS
    assert any("different resources within the hour: fewer than 1 in" in reason for reason in found.reasons)


def test_words_never_claim_more_than_the_sample_can_tell(model: Model) -> None:
    reasons = model.behaviour((1e5,) * 5 + (1.0,) * 3).reasons

    assert all(int(reason.rpartition("1 in ")[2].split()[0].replace(",", "")) <= model.samples for reason in reasons)


def test_more_is_never_less_suspicious_in_the_tail(model: Model) -> None:
    points = [model.behaviour((2.0**power,) * 2 + (3.0, 2.0, 2.0**power, 0.0, 0.0, 0.0)).points for power in range(16)]

    assert points == sorted(points)
    assert points[0] == 0 < points[-1]


def test_behaviour_alone_elevates_and_refuses_nobody() -> None:
    own = History()
    asked = RiskFeatures("ana", "198.51.100.7", "curl/8", 0)

    found = score(asked, own, own, behaviour=Behaviour(MOST_POINTS, ("too much",)))

    assert found.value == BELOW_REFUSAL
    assert found.reasons[0] == "too much"


@pytest.mark.parametrize("vector", [
    (float("nan"),) * 8, (float("inf"),) * 8, (1.0,) * 7, ("a",) * 8, None,
], ids=["nan", "infinite", "short", "text", "none"])
def test_a_behaviour_that_is_no_number_is_doubt_and_doubt_is_high(model: Model, vector: object) -> None:
    behaviour = model.behaviour(vector)  # type: ignore[arg-type]

    found = score(RiskFeatures("ana", "198.51.100.7", "curl/8", 0), History(), History(), behaviour=behaviour)

    assert behaviour.is_doubtful
    assert found.value == BELOW_REFUSAL


def test_a_forest_of_no_numbers_is_doubt(model: Model) -> None:
    odd = Forest((0,), (-1,), (0.0,), (-1,), (-1,), (float("nan"),))
    broken = Model(model.density, odd, model.tails, model.hours, 0, 1_000)

    assert broken.behaviour((1.0,) * 8).is_doubtful


def test_doubt_lowers_no_score() -> None:
    own = History()
    for _ in range(50):
        own.add({"address": "198.51.100.7", "hour": "0", "family": "x", "agent": "y", "network": "z"})
    thief = RiskFeatures("ana", "203.0.113.9", "python", 12 * 3_600_000_000)

    sure = score(thief, own, own)
    doubtful = score(thief, own, own, behaviour=Behaviour(is_doubtful=True))

    assert doubtful.value == sure.value >= 80


def test_shares_are_shares_and_beyond_the_sample_they_halve() -> None:
    shares = smoothed([90, 10, 0, 0])

    assert shares[2] == 2 * shares[3]
    assert upper_tail(shares)[0] == pytest.approx(1, abs=0.02)
    assert all(0 < share <= 1 for share in shares)


def test_another_population_shows_as_drift_and_the_same_does_not(model: Model) -> None:
    same, other = Drift(), Drift()
    windows = Windows()
    for asked, allowed in days_at_work(31, people=30, days=3):
        same.count(windows.vector(asked), asked.at_us // 3_600_000_000 % 24)
        windows.count(asked, allowed=allowed)
    for _ in range(1_000):
        other.count((300.0, 900.0, 1.0, 1.0, 500.0, 0.5, 0.9, 0.9), 3)

    assert max(index for name, index in same.since(model).items() if name != "hour") < 0.25
    assert all(other.since(model)[name] > 0.25 for name in (*FEATURES[:2], "hour", "denied_share"))
