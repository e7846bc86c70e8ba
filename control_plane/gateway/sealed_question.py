"""The question in a sealed decision: what the event does not say already, and the way back to the whole of it.

    grid.question = {"digest", "kind", "hour", and unless empty "scopes", "client", "acr", "amr", "age", "loopback",
                     "labels": {label: [column ...]}, "label"}

Id, roles, address, path, method, dataset, action, purpose and risk stand elsewhere in the event, once. Who was erased
has no address any more, and their question cannot be put together again. `digest` says whether it was put together
right; it leaves the address out, for 2^32 addresses are tried in a minute.
"""

from collections.abc import Mapping
from typing import Any

from control_plane.gateway.verdict import Verdict
from policy_engine.service import Question

_SHORT = (("scopes", "scopes"), ("client", "client_id"), ("acr", "acr"), ("amr", "amr"))


class ErasedQuestionError(LookupError):
    """The caller's address is no longer readable, and without it the question cannot be asked again."""


def about_the_policy(verdict: Verdict) -> dict[str, Any]:
    """Return what the policy said of its answer beside yes or no."""
    told: dict[str, Any] = {"ttl_s": verdict.ttl_s}
    if verdict.bundle_age_s is not None:
        told["bundle_age_s"] = verdict.bundle_age_s
    if verdict.unfulfilled:
        told["unfulfilled"] = list(verdict.unfulfilled)
    return told


def rest_of(question: Question, digest: str) -> dict[str, Any]:
    """Return what of a question the event does not say elsewhere."""
    subject, resource, context = question.subject, question.resource, question.context
    rest: dict[str, Any] = {"digest": digest, "kind": subject["kind"], "hour": context["hour_utc"]}
    for short, name in _SHORT:
        if subject[name]:
            rest[short] = subject[name]
    if subject["auth_age_s"] is not None:
        rest["age"] = subject["auth_age_s"]
    if context["loopback"]:
        rest["loopback"] = True
    if resource["dataset"] is not None:
        labels: dict[str, list[str]] = {}
        for column, label in resource["columns"].items():
            labels.setdefault(label, []).append(column)
        rest |= {"label": resource["classification"], "labels": labels}
    return rest


def question_of(event: Mapping[str, Any]) -> Question | None:
    """Return the question a sealed decision answers, None when no policy was asked.

    Raises ErasedQuestionError when the caller's address was erased.
    """
    grid = event.get("grid", {})
    rest = grid.get("question")
    if rest is None:
        return None
    address, user, decision, resource = (
        event.get("source", {}).get("ip"), event.get("user", {}), grid["decision"], grid["resource"])
    if address is None:
        raise ErasedQuestionError
    return Question(
        subject={
            "id": user["id"], "kind": rest["kind"], "roles": user["roles"], "scopes": rest.get("scopes", []),
            "client_id": rest.get("client"), "acr": rest.get("acr"), "amr": rest.get("amr", []),
            "auth_age_s": rest.get("age"),
        },
        action=decision["action"],
        resource={
            "path": event["url"]["path"], "method": resource["method"], "dataset": resource.get("dataset"),
            "classification": rest.get("label"),
            "columns": {column: label for label, columns in rest.get("labels", {}).items() for column in columns},
        },
        context={
            "source_ip": address, "purpose": decision.get("purpose"), "risk": decision["risk"],
            "hour_utc": rest["hour"], "loopback": rest.get("loopback", False),
        },
    )
