"""What `risk explain` and `risk evaluate --drift` read from a home: histories, the active model, recent decisions."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from control_plane.cli.ledger.desk import at_desk
from control_plane.cli.risk_desk import RiskDesk, active_model, at_risk_desk, sample_ledger
from control_plane.config import load_settings
from policy_engine.adapters.countries import Countries
from policy_engine.adapters.risk_model_file import RefusedModelError
from policy_engine.domain import risk
from policy_engine.domain.history import History
from policy_engine.domain.risk import RiskScore
from policy_engine.domain.risk_behaviour import EDGES, FEATURES
from policy_engine.domain.risk_drift import ENOUGH, psi
from policy_engine.domain.risk_levels import HOURS, US_PER_HOUR, RiskFeatures, values_of
from policy_engine.service.risk_memory import Memory
from policy_engine.service.risk_scorer import usual_of
from shared_kernel.errors import NotFoundError

_PLACE, _AGENT = ("address", "subnet", "network", "country"), ("agent", "family", "system", "device")


@dataclass(frozen=True, slots=True)
class Explanation:
    """A score, what scored it, and what is usual."""

    score: RiskScore
    scored_by: str
    known: Mapping[str, Any]


def explained(  # noqa: PLR0913 - one keyword an option
    subject: str, *, ip: str | None, agent: str | None, hour: int | None, action: str | None, home: Path | None,
    url: str | None,
) -> Explanation:
    """Return how such a request would score now; what is not given is what the subject mostly shows."""
    countries = Countries(load_settings(home=home, database_url=url).geoip_db)

    async def work(desk: RiskDesk) -> Explanation:
        memory = Memory()
        memory.replace_all(await desk.histories.load())
        own = memory.of(subject)
        if not own.requests and (ip is None or agent is None):
            raise NotFoundError(f"nothing is known of {subject}: give --ip and --agent to see how a stranger scores")
        asked = values_of(
            RiskFeatures(subject, ip or "127.0.0.1", agent or "", (hour or 0) * US_PER_HOUR, action or ""),
            countries.find(ip) if ip else None)
        given = {"place": ip, "agent": agent, "hour": hour, "action": action}
        values = _usual(own, given) | _given(asked, given)
        return Explanation(risk.scored(values, own, memory.everyone), await _scored_by(desk), usual_of(subject, own))

    try:
        return at_risk_desk(home, url, work)
    finally:
        countries.close()


def drift_of(home: Path | None, url: str | None, last: int) -> dict[str, float]:
    """Return the stability index of each feature between the active model's sample and the newest decisions."""
    model = at_risk_desk(home, url, active_model)
    if model is None:
        raise NotFoundError("no model is active: train one with `gridwarden risk train --activate`")
    sample = at_desk(home, url, lambda desk: sample_ledger(desk, last, lambda _done, _total: None))
    bins = sample.bins()
    if len(bins) < ENOUGH:
        raise NotFoundError(f"{len(bins)} requests of signed-in subjects are in the ledger: {ENOUGH} are needed")
    found = {name: psi(model.density[number], [sum(row[number] == place for row in bins)
                                               for place in range(len(EDGES[number]) + 1)])
             for number, name in enumerate(FEATURES)}
    return {**found, "hour": psi(model.hours, [sample.hours[hour] for hour in range(HOURS)])}


async def _scored_by(desk: RiskDesk) -> str:
    try:
        model = await active_model(desk)
    except RefusedModelError as error:
        return error.detail
    if model is None:
        return "no trained model: histories alone decide"
    return f"histories; behaviour by model {model.digest[:12]}, which only a running gateway sees"


_LEVELS = {"place": _PLACE, "agent": _AGENT, "hour": ("hour",), "action": ("action", "group", "acted")}


def _given(asked: Mapping[str, str], given: Mapping[str, object]) -> dict[str, str]:
    return {level: asked[level] for feature, levels in _LEVELS.items() if given[feature] is not None
            for level in levels if level in asked}


def _usual(own: History, given: Mapping[str, object]) -> dict[str, str]:
    """Return the most frequent value of each level of what was not given; without an action none is assumed."""
    return {level: max(own.counts[level], key=lambda value: own.counts[level][value])
            for feature, levels in _LEVELS.items() if given[feature] is None and feature != "action"
            for level in levels if own.counts.get(level)}
