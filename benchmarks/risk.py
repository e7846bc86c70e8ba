"""What a score costs, and whom it catches: a synthetic replay on seeds that nothing was chosen on.

The population and the attackers are in policy_engine/domain/risk_replay.py, with every assumption; nobody's logins.
"""

import time
from dataclasses import replace
from statistics import median

from benchmarks.metric import Metric
from control_plane.database.pools import open_pool
from control_plane.database.roles import APP
from control_plane.wiring.identity import login_score
from policy_engine.adapters.risk_training import sample_of, train
from policy_engine.domain import risk_evaluation as replaying
from policy_engine.domain.risk_behaviour import Windows
from policy_engine.domain.risk_evaluation import Outcome
from policy_engine.domain.risk_model import Model, bins_of
from policy_engine.domain.risk_sessions import days_at_work
from policy_engine.service import RiskFeatures, RiskScorer
from policy_engine.store.risk_history import RiskHistoryStore

RUNS, SCORES, SUBJECTS, PEOPLE = 5, 2_000, 100, 300
_US_PER_DAY = 86_400_000_000
_SYNTHETIC = "synthetic replay"


async def measure(url: str) -> list[Metric]:
    """Time scores with and without a model; replay five populations, as scored and as the login applies it."""
    pool = await open_pool(url, APP, size=2)
    try:
        scorer = RiskScorer(RiskHistoryStore(pool))
        for number in range(31 * SUBJECTS):
            scorer.observe(_features(number % SUBJECTS))
        await scorer.flush()
        runs = [_timed(scorer) for _ in range(RUNS)]
    finally:
        await pool.close()
    model = train(sample_of(days_at_work(1)), 0)
    replays = [replaying.replay(seed, PEOPLE) for seed in replaying.PUBLISHED_SEEDS]
    applied = [replaying.replay(seed, PEOPLE, login_score) for seed in replaying.PUBLISHED_SEEDS]
    return [
        Metric("risk.score.p50_us", "us", tuple(median(run) for run in runs), "< 1,000"),
        Metric("risk.score.p99_us", "us", tuple(sorted(run)[len(run) * 99 // 100] for run in runs), "< 1,000"),
        Metric("risk.behaviour.known_us", "us", _behaviour(model, is_new=False), "< 1,000"),
        Metric("risk.behaviour.new_us", "us", _behaviour(model, is_new=True), "< 1,000", "scikit-learn 3,300"),
        *(_caught(replays, attacker, length, goal) for attacker, length, goal in (
            ("naive", 12, ">= 0.99"), ("vpn", 12, ">= 0.99"), ("targeted", 12, ">= 0.99"), ("targeted", 39, ">= 0.99"),
            ("neighbour", 12, ""))),
        _asked(replays, 12, "<= 0.33"), _asked(replays, 39, "<= 0.08"),
        Metric("risk.replay.login_policy_tpr_targeted_12", "share",
               tuple(found.caught("targeted", 12) for found in applied), "", "as the login caps one unusual thing"),
    ]


def _caught(replays: list[Outcome], attacker: str, length: int, goal: str) -> Metric:
    return Metric(f"risk.replay.tpr_{attacker}_{length}", "share",
                  tuple(found.caught(attacker, length) for found in replays), goal, _SYNTHETIC)


def _asked(replays: list[Outcome], length: int, goal: str) -> Metric:
    return Metric(f"risk.replay.reauthentication_median_{length}", "share",
                  tuple(median(found.reauthentication(length)) for found in replays), goal, _SYNTHETIC)


def _timed(scorer: RiskScorer) -> list[float]:
    took = []
    for number in range(SCORES):
        features = _features(number % SUBJECTS)
        started = time.perf_counter_ns()
        scorer.score(features)
        took.append((time.perf_counter_ns() - started) / 1_000)
    return took


def _behaviour(model: Model, *, is_new: bool) -> tuple[float, ...]:
    """Return the median microseconds of each run; a behaviour is new when its bins were never read before."""
    windows, vectors = Windows(), {}
    for asked, allowed in days_at_work(2, people=20):
        vector = windows.vector(asked)
        vectors[bins_of(vector)] = vector
        windows.count(asked, allowed=allowed)
    runs = []
    for vector in vectors.values():
        model.behaviour(vector)
    for _ in range(RUNS):
        judge, took = replace(model) if is_new else model, []
        for vector in vectors.values():
            started = time.perf_counter_ns()
            judge.behaviour(vector)
            took.append((time.perf_counter_ns() - started) / 1_000)
        runs.append(median(took))
    return tuple(runs)


def _features(number: int) -> RiskFeatures:
    return RiskFeatures(f"user-{number:06}", f"10.{number}.0.7", "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0",
                        number * _US_PER_DAY, "meters.read", "grid.meter_readings", "/api/v1/meters", "GET")
