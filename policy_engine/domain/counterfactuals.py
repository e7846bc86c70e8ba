"""What would have to be different: the question with one thing changed, or two, in words a person can act upon.

Tried are the roles, purposes, scopes and logins that the bundle's own tables name, a lower risk, and having signed in.
Nothing else is claimed: another address or hour is not tried, for nobody should be told to come back at night.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

from policy_engine.domain.question import Question

NOTHING_NEW = 0
_API = "api"


@dataclass(frozen=True, slots=True)
class Change:
    """The question as it would be, and what is different in it: `kind` groups, `words` tell."""

    kind: str
    words: str
    question: Question


def single(question: Question, data: Mapping[str, Any]) -> Iterator[Change]:
    """Yield the question with one thing changed for the better."""
    subject = question.subject
    if subject["kind"] == "anonymous":
        yield Change("sign_in", "signed in, without any role", _with_subject(
            question, id="somebody", kind="person", scopes=[_API], auth_age_s=NOTHING_NEW))
        return
    for role in sorted(_roles(data) - set(subject["roles"])):
        yield Change("role", f"with the role {role}", _with_subject(question, roles=[*subject["roles"], role]))
    for purpose in sorted(_keys(data, "purposes") - {question.context["purpose"]}):
        yield Change("purpose", f"for the purpose {purpose}", _with_context(question, purpose=purpose))
    if subject["kind"] == "person" and _API not in subject["scopes"]:
        yield Change("scope", f"by an application with the scope {_API}",
                     _with_subject(question, scopes=[*subject["scopes"], _API]))
    if subject["kind"] == "person":
        yield from _logins(question, data)
    if question.context["risk"] > 0:
        yield Change("risk", "at a risk of 0", _with_context(question, risk=0))


def pairs(question: Question, data: Mapping[str, Any], *, most: int = 600) -> Iterator[Change]:
    """Yield the question with two things of different kinds changed, `most` of them."""
    ones = list(single(question, data))
    tried = 0
    for first, second in combinations(ones, 2):
        if first.kind == second.kind:
            continue
        tried += 1
        if tried > most:
            return
        yield Change(f"{first.kind}+{second.kind}", f"{first.words} and {second.words}",
                     _both(question, first.question, second.question))


def risks_below(question: Question) -> Iterator[Change]:
    """Yield the question at every lower risk, the highest first."""
    for risk in range(question.context["risk"] - 1, -1, -1):
        yield Change("risk", f"at a risk of {risk} or less", _with_context(question, risk=risk))


def worse(question: Question) -> Iterator[Change]:
    """Yield the question with one thing taken away, or worse: what a *yes* rests on."""
    for role in question.subject["roles"]:
        kept = [one for one in question.subject["roles"] if one != role]
        yield Change("role", f"without the role {role}", _with_subject(question, roles=kept))
    if question.context["purpose"] is not None:
        yield Change("purpose", "without a stated purpose", _with_context(question, purpose=None))
    if question.subject["kind"] == "person" and question.subject["auth_age_s"] is not None:
        yield Change("login", "with a login of yesterday", _with_subject(question, auth_age_s=86_400))
    yield Change("risk", "at a risk of 100", _with_context(question, risk=100))


def _logins(question: Question, data: Mapping[str, Any]) -> Iterator[Change]:
    yield Change("login", "after logging in again", _with_subject(question, auth_age_s=NOTHING_NEW))
    for acr in sorted(_keys(data, "acr_ranks") - {question.subject["acr"]}):
        yield Change("login", f"after logging in again as {acr}",
                     _with_subject(question, auth_age_s=NOTHING_NEW, acr=acr))


def _with_subject(question: Question, **changed: Any) -> Question:  # noqa: ANN401 - attributes of a question
    return replace(question, subject={**question.subject, **changed})


def _with_context(question: Question, **changed: Any) -> Question:  # noqa: ANN401 - the same
    return replace(question, context={**question.context, **changed})


def _both(question: Question, first: Question, second: Question) -> Question:
    """Return the question with the changes of two, which concern different attributes."""
    sections = ({name: value for name, value in getattr(second, section).items()
                 if value != getattr(question, section)[name]} for section in ("subject", "context"))
    subject, context = sections
    return replace(first, subject={**first.subject, **subject}, context={**first.context, **context})


def _roles(data: Mapping[str, Any]) -> set[str]:
    tables = _table(data, "by_role").values()
    return {role for roles in tables if isinstance(roles, list) for role in roles if isinstance(role, str)}


def _keys(data: Mapping[str, Any], name: str) -> set[str]:
    return set(_table(data, name))


def _table(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    access = data.get("access")
    found = access.get(name) if isinstance(access, Mapping) else None
    return found if isinstance(found, Mapping) else {}
