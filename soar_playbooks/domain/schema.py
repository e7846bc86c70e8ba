"""The strict schema of a playbook file: every key known, every reference meaningful, every mistake with its place.

    name, title, description      texts; the name is the file's
    start: {rules: [..] | any, people: bool | [roles]}
    targets: {field: user.name, max: 5}
    approval: none | another-person
    steps: [{name, connector, params: {key: text}, timeout_s}]

What is left out: start.people true, targets.max 5, approval none, timeout_s 10.
"""

import re
from collections.abc import Mapping
from typing import Any

from soar_playbooks.domain.errors import PlaybookError
from soar_playbooks.domain.playbook import (
    DEFAULT_MAX_TARGETS,
    DEFAULT_TIMEOUT_S,
    MAX_STEPS,
    MAX_TIMEOUT_S,
    Approval,
    Playbook,
    Step,
    canonical,
)
from soar_playbooks.domain.template import REFERENCES, unknown_references

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_FIELD = re.compile(r"[a-z][a-z0-9_.]{0,62}")
_MAX_RADIUS = 1_000


def playbook_from(document: object, name: str, connectors: frozenset[str] | None = None) -> Playbook:
    """Return the playbook; raise PlaybookError at the first mistake.

    `name` is the file's stem; `connectors` are those installed, None when that is not known here.
    """
    top = _mapping(document, "the file", required={"name", "title", "start", "targets", "steps"},
                   optional={"description", "approval"})
    start = _mapping(top["start"], "start", required={"rules"}, optional={"people"})
    targets = _mapping(top["targets"], "targets", required={"field"}, optional={"max"})
    return Playbook(
        name=_named(top["name"], name),
        title=_text(top["title"], "title", 120),
        description=_text(top.get("description", ""), "description", 2_000),
        rules=_rules(start["rules"]),
        people=_people(start.get("people", True)),
        target_field=_matching(_FIELD, targets["field"], "targets.field"),
        max_targets=_whole(targets.get("max", DEFAULT_MAX_TARGETS), "targets.max", _MAX_RADIUS),
        approval=_approval(top.get("approval", Approval.NONE)),
        steps=_steps(top["steps"], connectors),
        content=canonical(top),
    )


def _named(value: object, name: str) -> str:
    if _matching(_NAME, value, "name") != name:
        raise PlaybookError("name", f"{value!r} must be the file's name, {name!r}")
    return name


def _rules(value: object) -> frozenset[str] | None:
    if value == "any":
        return None
    if not isinstance(value, list):
        raise PlaybookError("start.rules", "a list of rule ids, or the word any, is wanted here")
    return frozenset(_text(rule, "start.rules", 120) for rule in value)


def _people(value: object) -> frozenset[str] | None:
    if isinstance(value, list):
        return frozenset(_text(role, "start.people", 64) for role in value)
    return None if _flag(value, "start.people") else frozenset()


def _approval(value: object) -> Approval:
    try:
        return Approval(str(value))
    except ValueError:
        raise PlaybookError("approval", f"{value!r} is not one of {', '.join(Approval)}") from None


def _steps(value: object, connectors: frozenset[str] | None) -> tuple[Step, ...]:
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_STEPS:
        raise PlaybookError("steps", f"a list of 1 to {MAX_STEPS} steps is wanted here")
    steps = tuple(_step(step, f"steps[{index}]", connectors) for index, step in enumerate(value))
    names = [step.name for step in steps]
    if len(set(names)) != len(names):
        raise PlaybookError("steps", "two steps have the same name")
    return steps


def _step(value: object, place: str, connectors: frozenset[str] | None) -> Step:
    step = _mapping(value, place, required={"name", "connector"}, optional={"params", "timeout_s"})
    connector = _matching(_NAME, step["connector"], f"{place}.connector")
    if connectors is not None and connector not in connectors:
        installed = ", ".join(sorted(connectors))
        raise PlaybookError(f"{place}.connector", f"{connector!r} is not installed: use one of {installed}")
    return Step(
        name=_matching(_NAME, step["name"], f"{place}.name"), connector=connector,
        params=_params(step.get("params", {}), f"{place}.params"),
        timeout_s=_whole(step.get("timeout_s", DEFAULT_TIMEOUT_S), f"{place}.timeout_s", MAX_TIMEOUT_S),
    )


def _params(value: object, place: str) -> dict[str, str]:
    if not isinstance(value, dict):
        raise PlaybookError(place, "a mapping is wanted here")
    for key, text in value.items():
        if unknown := unknown_references(_text(text, f"{place}.{key}", 2_000)):
            known = ", ".join(f"${{{name}}}" for name in REFERENCES)
            raise PlaybookError(f"{place}.{key}", f"the reference {unknown[0]!r} means nothing: use {known}")
    return {_matching(_FIELD, key, place): text for key, text in value.items()}


def _mapping(value: object, place: str, *, required: set[str], optional: set[str]) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise PlaybookError(place, "a mapping is wanted here")
    if missing := sorted(required - value.keys()):
        raise PlaybookError(place, f"the key {missing[0]!r} is missing")
    if unknown := sorted(map(str, value.keys() - required - optional)):
        raise PlaybookError(place, f"the key {unknown[0]!r} is not known: use {', '.join(sorted(required | optional))}")
    return value


def _text(value: object, place: str, longest: int) -> str:
    if not isinstance(value, str) or len(value) > longest:
        raise PlaybookError(place, f"a text of up to {longest} characters is wanted here")
    return value


def _matching(pattern: re.Pattern[str], value: object, place: str) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise PlaybookError(place, f"{value!r} does not look like {pattern.pattern}")
    return value


def _flag(value: object, place: str) -> bool:
    if not isinstance(value, bool):
        raise PlaybookError(place, "true or false is wanted here")
    return value


def _whole(value: object, place: str, highest: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= highest:
        raise PlaybookError(place, f"a whole number from 1 to {highest} is wanted here")
    return value
