"""Searches (AuthZEN 1.0, section 8): the subjects, resources or actions for which the decision would be *yes*.

Every result is a decision of the policy that decides now. One call decides at most MAX_TRIED questions; what it did not
come to is behind the next token, so a page may hold fewer results than wanted, or none.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from policy_engine.http.authzen.circumstances import Circumstances, circumstances_of
from policy_engine.http.authzen.city import City, KnownSubject
from policy_engine.http.authzen.evaluating import breathe, decided
from policy_engine.http.authzen.messages import Entity, Evaluation
from policy_engine.http.authzen.pages import Page
from policy_engine.http.authzen.subjects import KINDS, TYPES, about, asked_subject
from policy_engine.http.authzen.targets import action_names, resource_ids, target_of
from policy_engine.http.authzen.unaskable import UnaskableError

MAX_TRIED = 500
_BATCH = 100

Trial = Callable[[], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class Candidate:
    """Something that may be a result: where it stands in the order, how it is told, and how to find out."""

    place: str
    result: Mapping[str, Any]
    is_allowed: Trial


@dataclass(frozen=True, slots=True)
class Found:
    """The results of one page; `after` is where the next begins, None when there is none. `why` tells why nothing."""

    results: tuple[Mapping[str, Any], ...]
    after: str | None
    tried: int
    why: str | None = None


Source = Callable[[str, int], Awaitable[Sequence[Candidate]]]
Search = Callable[[Evaluation, Page, City], Awaitable[Found]]


async def subjects(asked: Evaluation, page: Page, city: City) -> Found:
    """Return known subjects of the type that may do the action on the resource."""
    kind = KINDS.get(asked.subject.type)
    if kind is None:
        raise UnaskableError(404, f"the subject type {asked.subject.type!r} is unknown: {', '.join(KINDS)} are known")
    told, target = circumstances_of(asked, city.clock.now_us()), target_of(asked.action, asked.resource, city)

    async def is_allowed(known: KnownSubject) -> bool:
        return known.is_active and (await decided(about(known, asked.subject), target, told, city)).allow

    async def source(after: str, limit: int) -> Sequence[Candidate]:
        return [Candidate(known.place, _told(known), lambda known=known: is_allowed(known))  # type: ignore[misc]
                for known in await city.directory.listed(kind, after, limit)]

    return await _page(source, page)


async def resources(asked: Evaluation, page: Page, city: City) -> Found:
    """Return the resources of the type on which the subject may do the action."""
    kind = asked.resource.type
    names = resource_ids(kind, asked.action, city)
    return await _tried(asked, page, city, {
        name: ({"type": kind, "id": name}, replace(asked, resource=Entity(kind, name, {}))) for name in names})


async def actions(asked: Evaluation, page: Page, city: City) -> Found:
    """Return the actions that the subject may do on the resource."""
    return await _tried(asked, page, city, {
        name: ({"name": name}, replace(asked, action=name)) for name in action_names(asked.resource, city)})


async def searched(search: Search, asked: Evaluation, page: Page, city: City) -> Found:
    """Search; what cannot be asked has no results, and the reason is told."""
    try:
        return await search(asked, page, city)
    except UnaskableError as error:
        return Found((), None, 0, error.detail)


async def _tried(asked: Evaluation, page: Page, city: City,
                 variants: Mapping[str, tuple[Mapping[str, Any], Evaluation]]) -> Found:
    """Search among variants of one question, named in order."""
    subject = await asked_subject(asked.subject, city.directory)
    told: Circumstances = circumstances_of(asked, city.clock.now_us())

    async def is_allowed(variant: Evaluation) -> bool:
        try:
            target = target_of(variant.action, variant.resource, city)
        except UnaskableError:
            return False
        return (await decided(subject, target, told, city)).allow

    async def source(after: str, limit: int) -> Sequence[Candidate]:
        names = [name for name in variants if name > after][:limit]
        return [Candidate(name, variants[name][0], lambda name=name: is_allowed(variants[name][1]))  # type: ignore[misc]
                for name in names]

    return await _page(source, page)


async def _page(source: Source, page: Page) -> Found:
    """Try candidates in order until the page is full, the candidates end, or enough were tried."""
    after, tried = page.after, 0
    results: list[Mapping[str, Any]] = []
    while tried < MAX_TRIED and len(results) < page.limit:
        batch = await source(after, _BATCH)
        for candidate in batch:
            tried, after = tried + 1, candidate.place
            if await candidate.is_allowed():
                results.append(candidate.result)
            await breathe(tried)
            if tried >= MAX_TRIED or len(results) >= page.limit:
                break
        else:
            if len(batch) < _BATCH:
                return Found(tuple(results), None, tried)
    has_more = bool(await source(after, 1))
    return Found(tuple(results), after if has_more else None, tried)


def _told(known: KnownSubject) -> Mapping[str, Any]:
    return {"type": TYPES[known.kind], "id": known.id, "properties": {"name": known.name}}
