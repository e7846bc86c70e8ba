"""How unusual a request is for its subject, from 0 to 100 (Freeman et al., "Who Are You?", NDSS 2016).

For each feature k the likelihood under the subject's own history is held against that under everybody else's:

    R = sum over k of  clip( ln( p(x_k) / p(x_k | subject) ),  low_k,  high_k )

Both likelihoods back off from the exact value to what contains it, each level l with weight w_l (address 1/2 and its
/16 or /48 network 1/2; whole user agent 1/2 and browser-and-system family 1/2):

    p(x)           = sum_l  w_l  g_l,                               g_l = (others_l + 1) / (others + V_l)
    p(x | subject) = sum_l  w_l  (own_l + a g_l) / (own + a),       a = 1

so a value the subject never showed costs exactly ln(own + 1), the more the longer we know the subject. The hour of day
counts its neighbours half, against a uniform hour:

    p(h | subject) = (n_h/2 + n_(h-1)/4 + n_(h+1)/4 + a/24) / (own + a).

    f = 100 / (1 + exp(-(R - 1.66) / 1.2)),        value = (5 * 40 + own * f) / (5 + own)

The last line is the cold start: a subject nobody knows is moderate (40) until about five requests speak for it.
What is missing, unreadable or corrupt scores 100.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network

from policy_engine.domain.history import History
from policy_engine.domain.user_agents import digest, family

HIGHEST = 100
COLD_START = 40
COLD_WEIGHT = 5
_SMOOTHING = 1.0
_CENTER, _SLOPE = 1.66, 1.2
_HOURS = 24
_US_PER_HOUR = 3_600_000_000
_NOTABLE = 0.5


@dataclass(frozen=True, slots=True)
class RiskFeatures:
    """What risk may know of a request."""

    subject: str
    source_ip: str
    user_agent: str
    at_us: int


@dataclass(frozen=True, slots=True)
class RiskScore:
    """From 0 (as always) to 100 (as never), with the reasons in words; `unusual` names the features behind them.

    When something cannot be read, place and agent count as unusual.
    """

    value: int
    reasons: tuple[str, ...]
    unusual: frozenset[str] = frozenset({"place", "agent"})


@dataclass(frozen=True, slots=True)
class _Level:
    feature: str
    vocabulary: int


_ADDRESS = (_Level("address", 1_000), _Level("network", 256))
_AGENT = (_Level("agent", 100), _Level("family", 20))
_CLIP_PLACE, _CLIP_HOUR = (-2.0, 2.5), (-1.0, 1.5)


class UnreadableFeaturesError(ValueError):
    """A feature is missing or malformed; its text says which."""


def values_of(features: RiskFeatures) -> Mapping[str, str]:
    """Return the value of each level of each feature; raise UnreadableFeaturesError for what cannot be read."""
    if not isinstance(features.subject, str) or not features.subject:
        raise UnreadableFeaturesError("the subject")
    if not isinstance(features.source_ip, str):
        raise UnreadableFeaturesError("the address")
    if not isinstance(features.user_agent, str):
        raise UnreadableFeaturesError("the user agent")
    if type(features.at_us) is not int or features.at_us < 0:
        raise UnreadableFeaturesError("the time")
    address, network = _place(features.source_ip)
    agent, kind = _agent(features.user_agent)
    hour = str(features.at_us // _US_PER_HOUR % _HOURS)
    return {"address": address, "network": network, "agent": agent, "family": kind, "hour": hour}


def score(features: RiskFeatures, own: History, everyone: History) -> RiskScore:
    """Return the score of a request against its subject's history and everybody's (the subject's included)."""
    try:
        values = values_of(features)
        log_ratios = suspicion(values, own, everyone)
        unusual = frozenset(feature for feature, ratio in log_ratios.items() if ratio > _NOTABLE)
        return RiskScore(_value(sum(log_ratios.values()), own.requests), _reasons(log_ratios, values, own), unusual)
    except UnreadableFeaturesError as error:
        return RiskScore(HIGHEST, (f"{error} cannot be read: treated as the highest risk",))
    except (ValueError, OverflowError, ZeroDivisionError, TypeError, AttributeError):
        return RiskScore(HIGHEST, ("the history cannot be read: treated as the highest risk",))


def suspicion(values: Mapping[str, str], own: History, everyone: History) -> dict[str, float]:
    """Return the clipped logarithm of each feature's likelihood ratio; above 0 speaks against the subject."""
    _refuse_corrupt(own)
    _refuse_corrupt(everyone)
    return {
        "place": _clip(_log_ratio(_ADDRESS, values, own, everyone), _CLIP_PLACE),
        "agent": _clip(_log_ratio(_AGENT, values, own, everyone), _CLIP_PLACE),
        "hour": _clip(_hour_log_ratio(int(values["hour"]), own), _CLIP_HOUR),
    }


def _refuse_corrupt(history: History) -> None:
    if type(history.requests) is not int or history.requests < 0:
        message = "a history cannot hold fewer than no requests"
        raise ValueError(message)


def _log_ratio(levels: tuple[_Level, ...], values: Mapping[str, str], own: History, everyone: History) -> float:
    likely_for_anyone = likely_for_subject = 0.0
    for level in levels:
        value = values[level.feature]
        mine = _count(own, level.feature, value)
        others = max(0, _count(everyone, level.feature, value) - mine)
        share = (others + 1) / (max(0, everyone.requests - own.requests) + level.vocabulary)
        likely_for_anyone += share
        likely_for_subject += (mine + _SMOOTHING * share) / (own.requests + _SMOOTHING)
    return math.log(likely_for_anyone / likely_for_subject)


def _hour_log_ratio(hour: int, own: History) -> float:
    near = sum(_count(own, "hour", str((hour + step) % _HOURS)) * weight for step, weight in ((-1, 1), (0, 2), (1, 1)))
    likely = (near / 4 + _SMOOTHING / _HOURS) / (own.requests + _SMOOTHING)
    return math.log(1 / _HOURS / likely)


def _count(history: History, feature: str, value: str) -> int:
    found = history.of(feature, value)
    if type(found) is not int or not 0 <= found <= history.requests:
        message = f"{feature} was counted {found} times in {history.requests} requests"
        raise ValueError(message)
    return found


def _clip(value: float, limits: tuple[float, float]) -> float:
    if math.isnan(value):
        return limits[1]
    return min(max(value, limits[0]), limits[1])


def _value(total: float, requests: int) -> int:
    by_formula = HIGHEST / (1 + math.exp(-(total - _CENTER) / _SLOPE))
    blended = (COLD_WEIGHT * COLD_START + requests * by_formula) / (COLD_WEIGHT + requests)
    return min(HIGHEST, max(0, round(blended)))


def _reasons(log_ratios: Mapping[str, float], values: Mapping[str, str], own: History) -> tuple[str, ...]:
    found = []
    if own.requests < COLD_WEIGHT:
        found.append(f"only {own.requests} requests of this subject are known: moderate until it is familiar")
    if log_ratios["place"] > _NOTABLE:
        known = own.of("network", values["network"]) > 0
        found.append(f"the address is new or rare in the known network {values['network']}" if known
                     else f"the network {values['network']} is new for this subject")
    if log_ratios["agent"] > _NOTABLE:
        known = own.of("family", values["family"]) > 0
        found.append(f"another version of {values['family']} than usual" if known
                     else f"{values['family']} is new for this subject")
    if log_ratios["hour"] > _NOTABLE:
        found.append(f"{int(values['hour']):02}:00 UTC is an unusual hour for this subject")
    return tuple(found) or ("address, user agent and hour are usual for this subject",)


@lru_cache(maxsize=16_384)
def _place(source_ip: str) -> tuple[str, str]:
    try:
        address = ip_address(source_ip)
    except ValueError as cause:
        raise UnreadableFeaturesError("the address") from cause
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    width = 16 if address.version == 4 else 48  # noqa: PLR2004 - the versions of IP
    return str(address), str(ip_network((address, width), strict=False))


@lru_cache(maxsize=16_384)
def _agent(user_agent: str) -> tuple[str, str]:
    return digest(user_agent), family(user_agent)
