"""What the AuthZEN routes take and give, as JSON Schema: sections 5 to 9 of the Authorization API 1.0."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from policy_engine.http.authzen.messages import MAX_EVALUATIONS, MAX_ID, Semantic
from policy_engine.http.authzen.metadata import PATHS
from shared_kernel.endpoint import Endpoint
from shared_kernel.operation import ANY, COUNT, FLAG, MAYBE_COUNT, TEXT, Operation, Parts, record

_NAME: Parts = {"type": "string", "maxLength": MAX_ID}
_PROPERTIES: Parts = {"properties": ANY}
_TYPED = record({"type": _NAME}, _PROPERTIES, "AuthzenSearchedEntity")
_ENTITY = record({"type": _NAME, "id": _NAME}, _PROPERTIES, "AuthzenEntity")
_ACTION = record({"name": _NAME}, _PROPERTIES, "AuthzenAction")
_TUPLE: Mapping[str, Any] = {"subject": _ENTITY, "action": _ACTION, "resource": _ENTITY}
_CONTEXT: Parts = {"context": ANY}

_EVALUATION = record(_TUPLE, _CONTEXT, "AuthzenEvaluation")
_LIST: Parts = {"type": "array", "maxItems": MAX_EVALUATIONS, "items": record({}, {**_TUPLE, **_CONTEXT})}
_OPTIONS = record({}, {"evaluations_semantic": {"type": "string", "enum": [str(each) for each in Semantic]}})
_EVALUATIONS: Parts = {
    **record({}, {**_TUPLE, **_CONTEXT, "evaluations": _LIST, "options": _OPTIONS}, "AuthzenEvaluations"),
    "anyOf": [{"required": sorted(_TUPLE)},
              {"required": ["evaluations"], "properties": {"evaluations": {"type": "array", "minItems": 1}}}],
}
_DECISION = record({"decision": FLAG}, _CONTEXT, "AuthzenDecision")
_DECISIONS: Parts = {"anyOf": [_DECISION, record({"evaluations": {"type": "array", "items": _DECISION}})]}

_PAGE: Parts = {**_CONTEXT, "page": record({}, {"token": TEXT, "limit": {**MAYBE_COUNT, "minimum": 0}})}


def _found(item: Parts) -> dict[str, Any]:
    """Return the schema of a page of results."""
    page = record({"next_token": TEXT, "count": COUNT})
    return record({"page": page, "results": {"type": "array", "items": item}}, _CONTEXT)


_ROUTES: Mapping[str, tuple[str, Parts, Parts]] = {
    "access_evaluation_endpoint": (
        "May this subject do this action on this resource? (AuthZEN 1.0 section 6)", _EVALUATION, _DECISION),
    "access_evaluations_endpoint": ("The same of several at once (section 7)", _EVALUATIONS, _DECISIONS),
    "search_subject_endpoint": (
        "Who may (section 8.4)", record({**_TUPLE, "subject": _TYPED}, _PAGE), _found(_ENTITY)),
    "search_resource_endpoint": (
        "On what (section 8.5)", record({**_TUPLE, "resource": _TYPED}, _PAGE), _found(_ENTITY)),
    "search_action_endpoint": (
        "What one may (section 8.6)", record({"subject": _ENTITY, "resource": _ENTITY}, _PAGE), _found(_ACTION)),
}
_REQUEST_ID: Parts = {"X-Request-ID": {"type": "string", "minLength": 1, "maxLength": 256, "pattern": r"^[ -~]+$"}}
_METADATA = record({"policy_decision_point": TEXT, **dict.fromkeys(PATHS, TEXT)}, title="AuthzenMetadata")
_BY_PATH = {path: _ROUTES[name] for name, path in PATHS.items()}


def described(endpoints: Iterable[Endpoint]) -> tuple[Endpoint, ...]:
    """Return the AuthZEN routes with what they take and give."""
    return tuple(replace(each, operation=_operation(each)) for each in endpoints)


def _operation(endpoint: Endpoint) -> Operation:
    if endpoint.path not in _BY_PATH:
        return Operation("Where to ask (AuthZEN 1.0 section 9)", _METADATA, fields=_REQUEST_ID)
    summary, takes, gives = _BY_PATH[endpoint.path]
    return Operation(summary, gives, takes, fields=_REQUEST_ID)
