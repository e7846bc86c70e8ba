"""Requests of the AuthZEN Authorization API 1.0 as they are read: sections 5 (entities), 6, 7 and 8.

Required members missing or of another type make the whole request malformed (10.1.1: 400); unknown members are ignored,
as the same section demands.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from shared_kernel.errors import InvalidInputError

MAX_EVALUATIONS = 200
MAX_ID = 1_024
_PARTS = ("subject", "action", "resource", "context")

Json = Mapping[str, Any]


class MalformedRequestError(InvalidInputError):
    """The request is not one of this interface."""

    def __init__(self, member: str, wanted: str) -> None:
        super().__init__(f"{member} must be {wanted}")


class TooManyEvaluationsError(InvalidInputError):
    """More questions at once than are taken."""

    def __init__(self, count: int) -> None:
        super().__init__(f"evaluations holds {count} entries and at most {MAX_EVALUATIONS} are taken: ask in parts")


class Semantic(StrEnum):
    """When a list of evaluations ends (7.1.2.1)."""

    EXECUTE_ALL = "execute_all"
    DENY_ON_FIRST_DENY = "deny_on_first_deny"
    PERMIT_ON_FIRST_PERMIT = "permit_on_first_permit"

    def ends_with(self, *, allow: bool) -> bool:
        """Tell whether nothing behind a decision is evaluated."""
        return self is (Semantic.PERMIT_ON_FIRST_PERMIT if allow else Semantic.DENY_ON_FIRST_DENY)


@dataclass(frozen=True, slots=True)
class Entity:
    """A subject or resource; a search leaves out the `id` of what it looks for ("")."""

    type: str
    id: str
    properties: Json


@dataclass(frozen=True, slots=True)
class Evaluation:
    """May `subject` do `action` on `resource` in `context`? In an action search the action is ""."""

    subject: Entity
    action: str
    resource: Entity
    context: Json


@dataclass(frozen=True, slots=True)
class Evaluations:
    """Several questions of one call, and when to stop; `is_single` asks to be answered like one evaluation."""

    items: tuple[Evaluation, ...]
    semantic: Semantic
    is_single: bool


def evaluation_of(given: object, *, searched: str | None = None, where: str = "") -> Evaluation:
    """Return one evaluation; `searched` names the entity whose id, or that itself, is looked for."""
    asked = _object(given, where or "the body")
    action = "" if searched == "action" else _action(asked.get("action"), f"{where}action")
    return Evaluation(
        _entity(asked.get("subject"), f"{where}subject", needs_id=searched != "subject"), action,
        _entity(asked.get("resource"), f"{where}resource", needs_id=searched != "resource"),
        _optional(asked, "context", where),
    )


def evaluations_of(given: object) -> Evaluations:
    """Return the evaluations with the defaults filled in; without a list the request is a single one (7.1)."""
    asked = _object(given, "the body")
    entries = asked.get("evaluations", [])
    if not isinstance(entries, list):
        raise MalformedRequestError("evaluations", "a list")
    if len(entries) > MAX_EVALUATIONS:
        raise TooManyEvaluationsError(len(entries))
    semantic = _semantic(_optional(asked, "options", ""))
    if not entries:
        return Evaluations((evaluation_of(asked),), semantic, is_single=True)
    defaults = {part: asked[part] for part in _PARTS if part in asked}
    items = tuple(
        evaluation_of({**defaults, **_object(entry, f"evaluations[{at}]")}, where=f"evaluations[{at}].")
        for at, entry in enumerate(entries)
    )
    return Evaluations(items, semantic, is_single=False)


def _semantic(options: Json) -> Semantic:
    named = options.get("evaluations_semantic", Semantic.EXECUTE_ALL)
    if not isinstance(named, str) or named not in set(Semantic):
        raise MalformedRequestError("options.evaluations_semantic", f"one of {', '.join(Semantic)}")
    return Semantic(named)


def _entity(given: object, member: str, *, needs_id: bool) -> Entity:
    entity = _object(given, member)
    found = _text(entity.get("id"), f"{member}.id") if needs_id else ""
    return Entity(_text(entity.get("type"), f"{member}.type"), found, _optional(entity, "properties", f"{member}."))


def _action(given: object, member: str) -> str:
    action = _object(given, member)
    _optional(action, "properties", f"{member}.")
    return _text(action.get("name"), f"{member}.name")


def _optional(given: Json, name: str, where: str) -> Json:
    return _object(given[name], f"{where}{name}") if name in given else {}


def _object(given: object, member: str) -> Json:
    if not isinstance(given, dict):
        raise MalformedRequestError(member.rstrip("."), "an object")
    return given


def _text(given: object, member: str) -> str:
    if not isinstance(given, str) or len(given) > MAX_ID or "\x00" in given:
        raise MalformedRequestError(member, f"a text of at most {MAX_ID} characters")
    return given
