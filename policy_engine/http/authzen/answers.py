"""A decision in the words of AuthZEN 1.0, section 5.5: `decision`, and why in `context`.

An allow with obligations is only an allow for whoever carries them out (XACML 3.0 section 7.18): an enforcement point
that reads nothing but `decision` would otherwise show what was to be masked. It says what it carries out in the
request's `context.obligations`; `notify` is ours.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from policy_engine.http.authzen.unaskable import UnaskableError
from policy_engine.service import Decision

OURS = frozenset({"notify"})


@dataclass(frozen=True, slots=True)
class Answer:
    """One decision, with what is told of it."""

    allow: bool
    context: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Return the member values of section 6.2."""
        return {"decision": self.allow, "context": dict(self.context)}


def from_decision(decision: Decision, *, fulfils: frozenset[str], notes: tuple[str, ...]) -> Answer:
    """Return the answer; an obligation that nobody would carry out makes it a *no*."""
    missing = sorted(decision.obligations.keys() - fulfils - OURS) if decision.allow else []
    unmet = tuple(f"this is allowed only with the obligation {name}: name it in context.obligations when you carry it "
                  f"out" for name in missing)
    reasons = [*unmet, *decision.reasons, *notes]
    context: dict[str, Any] = {"reason": reasons[0] if reasons else "", "reasons": reasons,
                               "revision": decision.revision}
    if decision.obligations:
        context["obligations"] = [{"id": name, name: dict(parameters)}
                                  for name, parameters in decision.obligations.items()]
    context |= _step_up(decision.obligations.get("step_up"))
    return Answer(decision.allow and not missing, context)


def from_unaskable(error: UnaskableError, revision: str) -> Answer:
    """Return the *no* of a question that could not be put (7.2.1)."""
    return Answer(allow=False, context={
        "reason": error.detail, "reasons": [error.detail], "revision": revision,
        "error": {"status": error.status, "message": error.detail},
    })


def _step_up(demanded: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return how to log in again, as the specification's third example of 5.5 says it."""
    if demanded is None:
        return {}
    names = {"acr": "acr_values", "max_age": "max_age"}
    return {names[name]: value for name, value in demanded.items() if name in names and value is not None}
