"""The why of a decision: it is asked again of the very bundle that made it, rule by rule, and of changed questions.

1. The bundle of the sealed revision is found again; kept bundles are named by their content.
2. The question is put together again; its digest must be the sealed one.
3. The bundle answers again; whatever differs from the sealed answer is named: tampering, or a defect of ours.
4. Each rule's value is asked; one thing is changed at a time, then two, until the answer turns.
5. The bundle that decides now is asked the same.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol

from policy_engine.adapters.replay_machine import UNDEFINED, ReplayMachine
from policy_engine.domain.bundle import Bundle, RefusedBundleError
from policy_engine.domain.counterfactuals import Change, pairs, risks_below, single, worse
from policy_engine.domain.decision import Decision, from_answer
from policy_engine.domain.question import Question, digest_of, to_document, to_input
from policy_engine.domain.rules import Rule, rules_of
from shared_kernel.errors import NotFoundError

MOST_CHANGES = 12
NOT_KEPT = ("the bundle {revision} that decided is not kept any more, or is not what its name says: the decision "
            "cannot be asked again")

NOT_TAKEN = "the bundle {revision} that decided is not taken any more ({why}): the decision cannot be asked again"


class UnknownRevisionError(NotFoundError):
    """No bundle of this revision is kept."""

    def __init__(self, revision: str) -> None:
        super().__init__(f"no bundle of the revision {revision[:64]!r} is kept: only what has decided can be asked")


class Keeper(Protocol):
    """Where bundles are kept for good."""

    async def find(self, revision: str) -> Bundle | None:
        """Return the bundle of a revision, None when there is none that is what its name says."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """What the ledger says of a decision; `unfulfilled` are demands of the policy's *yes* that made it a *no*."""

    question: Question
    digest: str
    revision: str
    allow: bool
    reasons: tuple[str, ...]
    obligations: Mapping[str, Mapping[str, Any]]
    unfulfilled: frozenset[str] = frozenset()

    @property
    def passed(self) -> bool:
        """Whether the request passed."""
        return self.allow and not self.unfulfilled

    def would_pass(self, decision: Decision) -> bool:
        """Whether it would pass with another decision, at the same place."""
        return decision.allow and self.unfulfilled.isdisjoint(decision.obligations)


@dataclass(frozen=True, slots=True)
class Met:
    """A rule as it came out: what it says, and whether anything held."""

    rule: Rule
    holds: bool
    value: Any


@dataclass(frozen=True, slots=True)
class Turned:
    """A change that turns the answer, and the answer then."""

    change: Change
    decision: Decision


@dataclass(frozen=True, slots=True)
class Why:
    """All of it. `replayed` is None, and `obstacle` says why, when the decision cannot be asked again."""

    replayed: Decision | None = None
    obstacle: str | None = None
    differences: tuple[str, ...] = ()
    rules: tuple[Met, ...] = ()
    turned: tuple[Turned, ...] = ()
    now: Decision | None = None

    @property
    def agrees(self) -> bool | None:
        """Whether the answer is the sealed one; None when it could not be asked for."""
        return None if self.replayed is None else not self.differences


class Explainer:
    """Asks again. `current` gives the bundle that decides now."""

    def __init__(self, kept: Keeper, current: Callable[[], Bundle | None]) -> None:
        self._kept = kept
        self._current = current

    async def explain(self, sealed: Sealed) -> Why:
        """Return why; raise UnavailableError when the kept bundles cannot be read."""
        bundle = await self._kept.find(sealed.revision)
        return await asyncio.to_thread(_explained, sealed, bundle, self._current())

    async def answer(self, question: Question, revision: str) -> Decision:
        """Return what a kept bundle says; raise UnknownRevisionError when it is not kept."""
        bundle = await self._kept.find(revision)
        if bundle is None:
            raise UnknownRevisionError(revision)
        return await asyncio.to_thread(_answered, bundle, question, revision)


def _explained(sealed: Sealed, bundle: Bundle | None, current: Bundle | None) -> Why:
    """Do all of it in one thread, because a machine belongs to the one that made it."""
    if bundle is None:
        return Why(obstacle=NOT_KEPT.format(revision=sealed.revision[:12]), now=_now(sealed, current))
    try:
        return _replayed(sealed, bundle, current)
    except RefusedBundleError as error:
        return Why(obstacle=NOT_TAKEN.format(revision=sealed.revision[:12], why=error.why), now=_now(sealed, current))


def _replayed(sealed: Sealed, bundle: Bundle, current: Bundle | None) -> Why:
    with ReplayMachine(bundle) as machine:
        replayed = _asked(machine, sealed.question, sealed.revision)
        rules = tuple(_met(machine, rule) for rule in rules_of(bundle.policies).values())
        turned = _turned(machine, bundle, sealed)
    is_same = current is not None and current.revision == bundle.revision
    return Why(replayed, None, tuple(_differences(sealed, replayed)), rules, turned,
               replayed if is_same else _now(sealed, current))


def _now(sealed: Sealed, current: Bundle | None) -> Decision | None:
    try:
        return None if current is None else _answered(current, sealed.question, current.revision)
    except RefusedBundleError:
        return None


def _answered(bundle: Bundle, question: Question, revision: str) -> Decision:
    with ReplayMachine(bundle) as machine:
        return _asked(machine, question, revision)


def _asked(machine: ReplayMachine, question: Question, revision: str) -> Decision:
    document = to_document(question)
    return from_answer(machine.answer(document), revision, digest=digest_of(document))


def _met(machine: ReplayMachine, rule: Rule) -> Met:
    value = machine.value(rule.name)
    holds = value is not UNDEFINED and value is not False and value not in ([], {}, "")
    return Met(rule, holds, None if value is UNDEFINED else value)


def _differences(sealed: Sealed, replayed: Decision) -> Iterator[str]:
    """Name what is not as it was sealed."""
    if replayed.digest != sealed.digest:
        yield "the question is not the one that was answered: its digest differs"
    for name, was, would in (
        ("answer", sealed.allow, replayed.allow), ("reasons", list(sealed.reasons), list(replayed.reasons)),
        ("obligations", dict(sealed.obligations), dict(replayed.obligations)),
    ):
        if was != would:
            yield f"sealed {name}: {was}; asked again: {would}"


def _turned(machine: ReplayMachine, bundle: Bundle, sealed: Sealed) -> tuple[Turned, ...]:
    """Return the changes that turn the answer: single ones, else pairs; of a risk the least change."""
    whole = to_input(sealed.question)
    question = Question(whole["subject"], whole["action"], whole["resource"], whole["context"])
    if sealed.passed:
        return tuple(_turning(machine, worse(question), sealed))
    found = list(islice(_turning(machine, single(question, bundle.data), sealed), MOST_CHANGES))
    if any(turned.change.kind == "risk" for turned in found):
        least = next(_turning(machine, risks_below(question), sealed))
        found = [turned for turned in found if turned.change.kind != "risk"] + [least]
    return tuple(found or islice(_turning(machine, pairs(question, bundle.data), sealed), MOST_CHANGES))


def _turning(machine: ReplayMachine, changes: Iterator[Change], sealed: Sealed) -> Iterator[Turned]:
    for change in changes:
        decision = _asked(machine, change.question, sealed.revision)
        if sealed.would_pass(decision) is not sealed.passed:
            yield Turned(change, decision)
