"""The decision, and how an engine's answer becomes one: whatever is not exactly a decision is a *no* with a reason.

A *no* may demand a login (`step_up`) or that somebody is told (`notify`): with the login it would be a *yes*. An answer
that allows and demands a login at once is that *no*.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from policy_engine.domain.demands import refuse_malformed
from shared_kernel.obligations import NOTIFY, STEP_UP, MalformedObligationError

LOG_IN_AGAIN = "log in again to go on: this needs a fresher or stronger login than the one you came with"

_OF_A_NO = frozenset({STEP_UP, NOTIFY})
_PARTS = frozenset({"allow", "reasons", "obligations", "ttl_s"})
MAX_TTL_S = 3_600


@dataclass(frozen=True, slots=True)
class Decision:
    """Yes or no, why, under which obligations, by which revision of the policy, good for how long.

    `digest` stands for the question as it was read (empty when none was), `bundle_age_s` says how long ago the bundle
    was built, None when it does not say.
    """

    allow: bool
    reasons: tuple[str, ...]
    obligations: Mapping[str, Mapping[str, Any]]
    revision: str
    ttl_s: int
    digest: str = ""
    bundle_age_s: int | None = None


def denied(reason: str, revision: str, *, digest: str = "", bundle_age_s: int | None = None) -> Decision:
    """Return a *no* that must not be reused."""
    return Decision(allow=False, reasons=(reason,), obligations={}, revision=revision, ttl_s=0, digest=digest,
                    bundle_age_s=bundle_age_s)


def from_answer(answer: object, revision: str, *, digest: str = "", bundle_age_s: int | None = None) -> Decision:
    """Return the decision an engine's parsed JSON answer states, or a *no* that names what is wrong with it."""
    fault = _fault(answer)
    if fault or not isinstance(answer, dict):
        return denied(f"the policy engine's answer is malformed ({fault}): denied", revision, digest=digest,
                      bundle_age_s=bundle_age_s)
    allow, reasons, obligations = answer["allow"], tuple(answer["reasons"]), answer["obligations"]
    if allow and STEP_UP in obligations:
        allow, reasons = False, (LOG_IN_AGAIN, *reasons)
        obligations = {name: demanded for name, demanded in obligations.items() if name in _OF_A_NO}
    return Decision(allow, reasons, obligations, revision, answer["ttl_s"] if allow else 0, digest, bundle_age_s)


def _fault(answer: object) -> str | None:
    if not isinstance(answer, dict):
        return f"{type(answer).__name__} instead of an object"
    if answer.keys() != _PARTS:
        return f"its parts must be {', '.join(sorted(_PARTS))}"
    for part, (holds, fault) in _FAULTS.items():
        if not holds(answer[part]):
            return fault
    return _unfulfillable(answer["obligations"], allow=answer["allow"])


def _unfulfillable(obligations: Mapping[str, Mapping[str, Any]], *, allow: bool) -> str | None:
    """Return why nobody can do what is demanded, None when somebody can."""
    if not obligations:
        return None
    if not allow and (odd := sorted(obligations.keys() - _OF_A_NO)):
        return f"a no demands {', '.join(odd)}"
    try:
        refuse_malformed(obligations)
    except MalformedObligationError as error:
        return f"it demands {error.name[:64]}, which cannot be fulfilled: {error.fault}"
    return None


def _are_sentences(value: object) -> bool:
    if not isinstance(value, list) or not value:
        return False
    for item in value:  # noqa: SIM110 - a generator would cost as much as the rest of the check
        if not isinstance(item, str) or not item:
            return False
    return True


def _are_obligations(value: object) -> bool:
    return value == {} or (
        isinstance(value, dict) and all(isinstance(parameters, dict) for parameters in value.values()))


def _are_seconds(value: object) -> bool:
    return type(value) is int and 0 <= value <= MAX_TTL_S


_FAULTS: Mapping[str, tuple[Callable[[object], bool], str]] = {
    "allow": (lambda value: value is True or value is False, "allow is not true or false"),
    "reasons": (_are_sentences, "reasons are not sentences"),
    "obligations": (_are_obligations, "obligations are not objects by name"),
    "ttl_s": (_are_seconds, "ttl_s is not a number of seconds"),
}
