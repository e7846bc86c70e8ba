"""Synthetic days at work, to train on before there is a ledger, and three kinds of abuse to hold the model against.

SYNTHETIC: ten to sixty requests a visit, one to four visits a day, most by day; two in a hundred denied. Services send
readings steadily. The abuse, each with somebody's good token on their own machine:

    scraper   walks through a thousand resources at ten requests a second
    prober    tries every action there is; four of five are denied
    hoarder   at night, all datasets, two hundred resources an hour
"""

from collections.abc import Iterator
from random import Random

from policy_engine.domain.risk_levels import US_PER_HOUR, RiskFeatures

ABUSES = ("scraper", "prober", "hoarder")
_SECOND_US, _DAY_US = 1_000_000, 24 * US_PER_HOUR
_START_US = 20_000 * _DAY_US
_ACTIONS = ("users.me", "meters.read", "analytics.read", "alerts.read", "catalog.read", "lineage.read",
            "decisions.read", "policy.read", "customers.read", "ledger.read", "rules.read", "playbooks.read")
_DATASETS = tuple(f"grid.{name}" for name in (
    "load_actual", "load_forecast", "forecast", "sensor_data", "sensor_aggregates", "meter_readings", "customers"))
Decided = tuple[RiskFeatures, bool]


def days_at_work(seed: int, people: int = 60, days: int = 5) -> Iterator[Decided]:
    """Yield requests and whether they were allowed, in order for each subject."""
    chance = Random(seed)  # noqa: S311 - a simulation, repeatable on purpose
    for number in range(people):
        name = f"person-{number:04}"
        is_service = number % 20 == 0
        usual = chance.sample(_ACTIONS, chance.randint(2, 5))
        for day in range(days):
            yield from _service_day(chance, name, day) if is_service else _day(chance, name, usual, day)


def abuse(kind: str, seed: int, requests: int = 400) -> Iterator[Decided]:
    """Yield what somebody does with a token that is not theirs."""
    chance = Random(seed)  # noqa: S311 - a simulation, repeatable on purpose
    hour, pause_us, denied = {"scraper": (11, 100_000, 0.02), "prober": (15, 2 * _SECOND_US, 0.8),
                              "hoarder": (1, 18 * _SECOND_US, 0.05)}[kind]
    at_us = _START_US + hour * US_PER_HOUR
    for number in range(requests):
        at_us += round(pause_us * chance.uniform(0.7, 1.3))
        action = chance.choice(_ACTIONS) if kind == "prober" else chance.choice(_ACTIONS[1:4])
        dataset = chance.choice(_DATASETS) if kind == "hoarder" else _DATASETS[5]
        path = f"/api/v1/meters/{number}" if kind != "prober" else f"/api/v1/{action}/{number % 40}"
        yield _request("thief", at_us, action, dataset, path=path), chance.random() >= denied


def _day(chance: Random, name: str, usual: list[str], day: int) -> Iterator[Decided]:
    for _ in range(chance.randint(1, 4)):
        is_night = chance.random() < 0.05  # noqa: PLR2004 - see the head
        hour = chance.choice((22, 23, 0, 5)) if is_night else chance.randint(6, 20)
        at_us = _START_US + day * _DAY_US + hour * US_PER_HOUR + chance.randint(0, 1_800) * _SECOND_US
        for _ in range(chance.randint(10, 60)):
            at_us += round(chance.expovariate(1 / 9) * _SECOND_US)
            action = chance.choice(usual) if chance.random() < 0.9 else chance.choice(_ACTIONS)  # noqa: PLR2004
            dataset = chance.choice(_DATASETS[:5]) if chance.random() < 0.5 else ""  # noqa: PLR2004
            path = f"/api/v1/{action}/{chance.randint(0, 12)}"
            method = "POST" if chance.random() < 0.06 else "GET"  # noqa: PLR2004
            yield _request(name, at_us, action, dataset, path=path, method=method), chance.random() >= 0.02  # noqa: PLR2004


def _service_day(chance: Random, name: str, day: int) -> Iterator[Decided]:
    at_us = _START_US + day * _DAY_US + chance.randint(0, 20) * US_PER_HOUR
    for _ in range(200):
        at_us += round(chance.uniform(4, 6) * _SECOND_US)
        yield _request(name, at_us, "ingest.write", "", path="/api/v1/ingest/meter", method="POST"), True


def _request(  # noqa: PLR0913 - a request's parts
    name: str, at_us: int, action: str, dataset: str, *, path: str, method: str = "GET",
) -> RiskFeatures:
    return RiskFeatures(name, "198.51.100.7", "synthetic", at_us, action, dataset, path, method)
