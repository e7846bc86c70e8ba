"""How well the score tells people from attackers on the replay: caught, asked again, and how often after n logins.

    TPR(attacker, n)      share of attempts on people with n logins whose score reaches the threshold
    re-authentication(n)  share of a person's first n logins whose score reaches it, the first one included

Of the second the median over people is quoted, with the rate that nine in ten stay below beside it.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from statistics import median

from policy_engine.domain import risk
from policy_engine.domain.history import History
from policy_engine.domain.risk import RiskScore
from policy_engine.domain.risk_behaviour import Windows
from policy_engine.domain.risk_model import Model
from policy_engine.domain.risk_replay import ATTACKERS, Login, Population
from policy_engine.domain.risk_sessions import ABUSES, Decided, abuse, days_at_work

LENGTHS = (1, 5, 12, 39)
THRESHOLD = risk.COLD_START
"""A score that asks for a second factor."""
ATTEMPTS = 3
TUNING_SEEDS, PUBLISHED_SEEDS = (11, 12, 13), (101, 102, 103, 104, 105)
"""Constants were chosen on the first; figures are quoted from the others, which nothing was chosen on."""

_UNSEEN_SEED = 201

Judgement = Callable[[RiskScore], int]


@dataclass(slots=True)
class Outcome:
    """Scores of one replay, by attacker and length of history, and of everybody's own logins in order."""

    attacks: dict[tuple[str, int], list[int]] = field(default_factory=dict)
    logins: dict[str, list[int]] = field(default_factory=dict)

    def caught(self, attacker: str, length: int, threshold: int = THRESHOLD) -> float:
        """Return the TPR."""
        scores = self.attacks[attacker, length]
        return sum(score >= threshold for score in scores) / len(scores)

    def reauthentication(self, length: int, threshold: int = THRESHOLD) -> list[float]:
        """Return each person's rate over the first `length` logins, sorted."""
        return sorted(sum(score >= threshold for score in scores[:length]) / length for scores in self.logins.values())

    def asked(self, length: int, threshold: int = THRESHOLD) -> float:
        """Return the share of people's logins number `length` that were asked again (FPR)."""
        return sum(scores[length - 1] >= threshold for scores in self.logins.values()) / len(self.logins)


def _as_scored(found: RiskScore) -> int:
    return found.value


def replay(
    seed: int, size: int, judgement: Judgement = _as_scored, *, has_countries: bool = True,
    advance: Callable[[], None] = lambda: None,
) -> Outcome:
    """Return the outcome of 39 days; a login that is asked again succeeds and is learnt, an attack is not."""
    population, outcome = Population(seed, size), Outcome()
    everyone, histories = History(), {person.name: History() for person in population.people}

    def judged(login: Login) -> int:
        own = histories[login.features.subject]
        return judgement(risk.score(login.features, own, everyone, country=login.country if has_countries else None))

    for day in range(max(LENGTHS)):
        if day in LENGTHS:
            for attacker, score in _attacked(population, day, judged):
                outcome.attacks.setdefault((attacker, day), []).append(score)
        for person, login in population.day(day):
            outcome.logins.setdefault(person.name, []).append(judged(login))
            values = risk.values_of(login.features, login.country if has_countries else None)
            histories[person.name].add(values)
            everyone.add(values, limit=100_000)
        advance()
    for attacker, score in _attacked(population, max(LENGTHS), judged):
        outcome.attacks.setdefault((attacker, max(LENGTHS)), []).append(score)
    return outcome


def _attacked(population: Population, day: int, judged: Callable[[Login], int]) -> Iterator[tuple[str, int]]:
    for person in population.people:
        for attacker in ATTACKERS:
            for _ in range(ATTEMPTS):
                yield attacker, judged(population.attack(attacker, person, day))


def table(outcomes: list[Outcome], threshold: int = THRESHOLD) -> list[Mapping[str, float]]:
    """Return a row a length of history; each figure is the median over the replays."""
    return [{
        "logins": length,
        **{f"tpr_{attacker}": median(found.caught(attacker, length, threshold) for found in outcomes)
           for attacker in ATTACKERS},
        "fpr": median(found.asked(length, threshold) for found in outcomes),
        "reauthentication_median": median(median(found.reauthentication(length, threshold)) for found in outcomes),
        "reauthentication_p90": median(_p90(found.reauthentication(length, threshold)) for found in outcomes),
    } for length in LENGTHS]


def _p90(rates: list[float]) -> float:
    return rates[len(rates) * 9 // 10]


def abuse_table(model: Model, points: int = 20) -> dict[str, float]:
    """Return the share of requests that a model raises by so many points: of synthetic work, and of each abuse."""
    days = {"work": days_at_work(_UNSEEN_SEED), **{kind: abuse(kind, _UNSEEN_SEED) for kind in ABUSES}}
    return {name: _raised(model, decided, points) for name, decided in days.items()}


def _raised(model: Model, decided: Iterator[Decided], points: int) -> float:
    windows, raised, seen = Windows(), 0, 0
    for asked, allowed in decided:
        raised += model.behaviour(windows.vector(asked)).points >= points
        windows.count(asked, allowed=allowed)
        seen += 1
    return raised / seen
