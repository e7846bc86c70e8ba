"""Questions of others, decided by the policy that decides about our own requests."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from policy_engine.http.authzen.answers import Answer, from_decision, from_unaskable
from policy_engine.http.authzen.circumstances import Circumstances, circumstances_of, to_context
from policy_engine.http.authzen.city import City
from policy_engine.http.authzen.messages import Evaluation, Evaluations
from policy_engine.http.authzen.subjects import Asked, asked_subject
from policy_engine.http.authzen.targets import Target, target_of
from policy_engine.http.authzen.unaskable import UnaskableError
from policy_engine.service import Question

BREATHE_EVERY = 16
"""Decisions are made on the event loop: after so many, others have their turn."""


@dataclass(frozen=True, slots=True)
class Answered:
    """A question and its answer."""

    asked: Evaluation
    answer: Answer


async def answered(asked: Evaluation, city: City) -> Answered:
    """Decide one evaluation; what cannot be asked is denied with the reason."""
    try:
        subject = await asked_subject(asked.subject, city.directory)
        told = circumstances_of(asked, city.clock.now_us())
        answer = await decided(subject, target_of(asked.action, asked.resource, city), told, city)
    except UnaskableError as error:
        answer = from_unaskable(error, city.policy.revision)
    return Answered(asked, answer)


async def decided(subject: Asked, target: Target, told: Circumstances, city: City) -> Answer:
    """Put a question to policy."""
    question = Question(subject.attributes, target.action, target.resource, to_context(told, subject, city))
    return from_decision(await city.policy.decide(question), fulfils=told.fulfils, notes=subject.notes)


async def all_answered(asked: Evaluations, city: City) -> list[Answered]:
    """Decide in order, until the end that the semantic knows; what follows is left out of the answer."""
    found: list[Answered] = []
    for at, evaluation in enumerate(asked.items, 1):
        found.append(await answered(evaluation, city))
        if asked.semantic.ends_with(allow=found[-1].answer.allow):
            break
        await breathe(at)
    return found


async def breathe(count: int) -> None:
    """Let others have their turn after every few decisions."""
    if count % BREATHE_EVERY == 0:
        await asyncio.sleep(0)


def allowed(found: Iterable[Answered]) -> int:
    """Return how many were allowed."""
    return sum(each.answer.allow for each in found)
