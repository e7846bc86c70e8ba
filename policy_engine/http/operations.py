"""What the house's routes take and give; those of AuthZEN are described beside them (`authzen.operations`)."""

from collections.abc import Mapping

from shared_kernel.operation import (
    ANY,
    COUNT,
    FLAG,
    MAYBE_COUNT,
    MAYBE_TEXT,
    TEXT,
    TEXTS,
    TIME,
    Operation,
    listing,
    record,
)

_POLICY = record({
    "revision": TEXT, "evaluator": TEXT, "loaded_at": MAYBE_TEXT, "refused": MAYBE_TEXT, "name": TEXT,
    "built_at": MAYBE_TEXT, "sequence": MAYBE_COUNT, "version": COUNT, "stale": MAYBE_TEXT}, title="Policy")
_BUNDLE = record({
    "version": COUNT, "revision": TEXT, "name": TEXT, "sequence": COUNT, "built_at": TIME, "published_by": TEXT,
    "published_at": TIME, "active_from": TIME}, title="PublishedBundle")
_QUESTION = record({"subject": ANY, "action": TEXT, "resource": ANY, "context": ANY}, title="PolicyQuestion")
_DECISION = record({"allow": FLAG, "reasons": TEXTS, "obligations": ANY, "revision": TEXT, "ttl_s": COUNT},
                   title="PolicyDecision")

OPERATIONS: Mapping[tuple[str, str], Operation] = {
    ("GET", "/api/v1/policy"): Operation("The policy that decides", _POLICY),
    ("POST", "/api/v1/policy/evaluate"): Operation("Ask the policy a question, without effect", _DECISION, _QUESTION),
    ("GET", "/api/v1/policy/bundles"): Operation("The bundles published last, newest first", listing(_BUNDLE)),
    ("POST", "/api/v1/policy/bundles"): Operation(
        "Let a signed bundle decide in every process", _BUNDLE, "application/gzip", status=201),
    ("GET", "/api/v1/policy/risk"): Operation("What scores risk, and how it fares", ANY),
    ("GET", "/api/v1/policy/risk/{subject}"): Operation("What is usual for a subject", ANY),
    ("DELETE", "/api/v1/policy/risk/{subject}"): Operation(
        "Make a subject unknown again: a new place or device is confirmed"),
}
