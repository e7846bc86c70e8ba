"""How unusual a request is for its subject, from 0 to 100, with the reasons in words.

    R = sum over features of R_k  (place, agent, hour, action: risk_likelihood.py)
    f = 100 / (1 + exp(-(R - CENTER) / SLOPE)),      familiarity = (5 * 40 + own * f) / (5 + own)
    value = familiarity, raised by how unlike anybody's the behaviour is (risk_model.py), that part up to 79 only

The middle line is the cold start: a subject nobody knows is moderate (40) until about five requests speak for it.
CENTER is where the replay's targeted attackers begin: 40 is the operating point, whatever the length of the history.
Behaviour alone may ask for more and close RESTRICTED data; it refuses nobody. What is missing, unreadable or corrupt
scores 100; a model that was activated and cannot be verified lifts every score to 79 at least.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from policy_engine.domain.history import History
from policy_engine.domain.risk_levels import RiskFeatures, UnreadableFeaturesError, values_of
from policy_engine.domain.risk_likelihood import suspicion
from policy_engine.domain.user_agents import NO_SYSTEM

HIGHEST = 100
COLD_START = 40
COLD_WEIGHT = 5
BELOW_REFUSAL = 79
"""What behaviour, and doubt about the model, may lift a score to: policy refuses from 80."""
CENTER, SLOPE = -0.1, 1.2
NOTABLE = 0.5
USUAL = "address, user agent and hour are usual for this subject"

__all__ = [
    "HIGHEST", "RiskFeatures", "RiskScore", "UnreadableFeaturesError", "score", "scored", "suspicion", "values_of",
]


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What the model says of how a subject behaves now: points from 0 to 60 and why.

    `is_doubtful`: there is an active model and it cannot be believed.
    """

    points: int = 0
    reasons: tuple[str, ...] = ()
    is_doubtful: bool = False


UNOBSERVED = Behaviour()


@dataclass(frozen=True, slots=True)
class RiskScore:
    """From 0 (as always) to 100 (as never), with the reasons in words; `unusual` names the features behind them.

    `log_ratios` is R of each feature, `points` what the behaviour added. When something cannot be read, place and
    agent count as unusual.
    """

    value: int
    reasons: tuple[str, ...]
    unusual: frozenset[str] = frozenset({"place", "agent"})
    log_ratios: Mapping[str, float] | None = None
    points: int = 0


def score(
    features: RiskFeatures, own: History, everyone: History, *, country: str | None = None,
    behaviour: Behaviour = UNOBSERVED,
) -> RiskScore:
    """Return the score of a request against its subject's history and everybody's (the subject's included)."""
    try:
        return scored(values_of(features, country), own, everyone, behaviour)
    except UnreadableFeaturesError as error:
        return RiskScore(HIGHEST, (f"{error} cannot be read: treated as the highest risk",))


def scored(
    values: Mapping[str, str], own: History, everyone: History, behaviour: Behaviour = UNOBSERVED,
) -> RiskScore:
    """Return the score of values that were read already; a history that cannot be read is the highest risk."""
    try:
        log_ratios = suspicion(values, own, everyone)
        familiarity = _familiarity(sum(log_ratios.values()), own.requests)
    except (ValueError, OverflowError, ZeroDivisionError, TypeError, AttributeError):
        return RiskScore(HIGHEST, ("the history cannot be read: treated as the highest risk",))
    unusual = frozenset(feature for feature, ratio in log_ratios.items() if ratio > NOTABLE)
    lifted = BELOW_REFUSAL if behaviour.is_doubtful else min(BELOW_REFUSAL, familiarity + behaviour.points)
    reasons = behaviour.reasons + _reasons(unusual, values, own)
    return RiskScore(max(familiarity, lifted), reasons or (USUAL,), unusual, log_ratios, behaviour.points)


def _familiarity(total: float, requests: int) -> int:
    by_formula = HIGHEST / (1 + math.exp(-(total - CENTER) / SLOPE))
    blended = (COLD_WEIGHT * COLD_START + requests * by_formula) / (COLD_WEIGHT + requests)
    return min(HIGHEST, max(0, round(blended)))


def _reasons(unusual: frozenset[str], values: Mapping[str, str], own: History) -> tuple[str, ...]:
    found = []
    if own.requests < COLD_WEIGHT:
        found.append(f"only {own.requests} requests of this subject are known: moderate until it is familiar")
    if not unusual:
        return tuple(found)
    if "place" in unusual:
        found.append(_about_place(values, own))
    if "agent" in unusual:
        found.append(_about_agent(values, own))
    if "hour" in unusual:
        found.append(f"{int(values['hour']):02}:00 UTC is an unusual hour for this subject")
    if "action" in unusual:
        found.append(f"{values['action']} is not what this subject usually does")
    return tuple(found)


def _about_place(values: Mapping[str, str], own: History) -> str:
    if own.of("network", values["network"]):
        return f"the address is new or rare in the known network {values['network']}"
    told = f"the network {values['network']} is new for this subject"
    country = values.get("country")
    if country is None:
        return told
    return f"{told}, in the known country {country}" if own.of("country", country) else f"{told}, so is {country}"


def _about_agent(values: Mapping[str, str], own: History) -> str:
    if own.of("family", values["family"]):
        return f"another version of {values['family']} than usual"
    is_known = values["system"] != NO_SYSTEM and own.of("system", values["system"])
    return f"{values['family']} is new for this subject" + (f", {values['system']} is not" if is_known else "")
