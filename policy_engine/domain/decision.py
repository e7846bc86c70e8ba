"""The decision, and how an engine's answer becomes one: whatever is not exactly a decision is a *no* with a reason."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

FULFILLABLE = frozenset({"mask", "notify"})
"""Obligations this product carries out. An allow with any other is a *no* (XACML 3.0 section 7.18)."""

_PARTS = frozenset({"allow", "reasons", "obligations", "ttl_s"})
MAX_TTL_S = 3_600


@dataclass(frozen=True, slots=True)
class Decision:
    """Yes or no, why, under which obligations, by which revision of the policy, good for how long."""

    allow: bool
    reasons: tuple[str, ...]
    obligations: Mapping[str, Mapping[str, Any]]
    revision: str
    ttl_s: int


def denied(reason: str, revision: str) -> Decision:
    """Return a *no* that must not be reused."""
    return Decision(allow=False, reasons=(reason,), obligations={}, revision=revision, ttl_s=0)


def from_answer(answer: object, revision: str) -> Decision:
    """Return the decision an engine's parsed JSON answer states, or a *no* that names what is wrong with it."""
    fault = _fault(answer)
    if fault or not isinstance(answer, dict):
        return denied(f"the policy engine's answer is malformed ({fault}): denied", revision)
    if answer["allow"] and (unknown := answer["obligations"].keys() - FULFILLABLE):
        return denied(f"the policy demands {', '.join(sorted(unknown))}, which cannot be fulfilled: denied", revision)
    return Decision(answer["allow"], tuple(answer["reasons"]), answer["obligations"], revision, answer["ttl_s"])


def _fault(answer: object) -> str | None:
    if not isinstance(answer, dict):
        return f"{type(answer).__name__} instead of an object"
    if answer.keys() != _PARTS:
        return f"its parts must be {', '.join(sorted(_PARTS))}"
    checks = (
        (type(answer["allow"]) is bool, "allow is not true or false"),
        (_are_sentences(answer["reasons"]), "reasons are not sentences"),
        (_are_obligations(answer["obligations"]), "obligations are not objects by name"),
        (type(answer["ttl_s"]) is int and 0 <= answer["ttl_s"] <= MAX_TTL_S, "ttl_s is not a number of seconds"),
    )
    return next((fault for holds, fault in checks if not holds), None)


def _are_sentences(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, str) and item for item in value)


def _are_obligations(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(parameters, dict) for parameters in value.values())
