"""The house's HTTP interface in OpenAPI 3.1: one table, held against the routes by a test."""

from collections.abc import Iterable, Mapping
from typing import Any

from audit_ledger.domain.audit.finding import Kind, Mode, Verdict
from audit_ledger.service.copies.status import State
from audit_ledger.service.intake import ACTION
from shared_kernel.endpoint import Endpoint

Operation = Mapping[str, Any]
_HASH = {"type": "string", "pattern": "^[0-9a-f]{64}$", "description": "SHA-256 in hexadecimal"}
_COUNT = {"type": "integer", "minimum": 0}
_TEXT = {"type": "string"}
_MAYBE = {"type": ["string", "null"]}
_PATH = {"type": "array", "items": _HASH, "description": "RFC 6962 proof nodes, leaf to root"}


def _object(required: Mapping[str, Any], optional: Mapping[str, Any] | None = None) -> dict[str, Any]:
    return {"type": "object", "properties": {**required, **(optional or {})}, "required": sorted(required)}


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


SCHEMAS: Mapping[str, Any] = {
    "Head": _object({"size": _COUNT, "entry_hash": _HASH}),
    "Entry": _object(
        {"seq": _COUNT, "recorded_at": {"type": "string", "format": "date-time"}, "prev_hash": _HASH,
         "entry_hash": _HASH, "event": {"type": "object", "description": "the event; sealed fields are opened"}},
        {"payload": {"type": "string", "contentEncoding": "base64", "description": "the exact bytes that were hashed"}},
    ),
    "Entries": _object({"items": {"type": "array", "items": _ref("Entry")}, "next": {"type": ["integer", "null"]}}),
    "Proof": _object({"seq": _COUNT, "size": _COUNT, "leaf_hash": _HASH, "root": _HASH, "path": _PATH}),
    "Consistency": _object({"old": _COUNT, "new": _COUNT, "path": _PATH}),
    "NewEvent": _object(
        {"event": _object({"action": {"type": "string", "pattern": f"^{ACTION}$", "maxLength": 128}}, {
            "outcome": {"enum": ["success", "failure", "unknown"]}, "reason": _TEXT,
            "category": {"type": "array", "items": _TEXT}, "type": {"type": "array", "items": _TEXT},
        })}),
    "Appended": _object({"seq": _COUNT, "entry_hash": _HASH, "entry": _TEXT, "receipt": _TEXT,
                         "repeated": {"type": "boolean"}}),
    "Finding": _object({"kind": {"enum": [str(kind) for kind in Kind]}, "seq": _COUNT, "last_seq": _COUNT,
                        "detail": _TEXT, "action": {"type": ["string", "null"]},
                        "event_time": {"type": ["string", "null"]}}),
    "Report": _object({
        "verdict": {"enum": [verdict.name.lower() for verdict in Verdict]}, "exit_code": {"type": "integer"},
        "stream": _TEXT, "size": _COUNT, "since": _COUNT, "root": _HASH, "mode": {"enum": [str(mode) for mode in Mode]},
        "stale": {"type": "boolean"}, "stale_because": _MAYBE,
        "findings": {"type": "array", "items": _ref("Finding")},
        "dropped_findings": _COUNT, "checkpoints_good": _COUNT, "anchored_size": _COUNT, "holds_to": _COUNT,
        "duration_ms": _COUNT,
    }),
    "Verification": _object({"state": {"enum": ["none", "running", "done"]}, "done": _COUNT, "total": _COUNT,
                             "report": {"anyOf": [_ref("Report"), {"type": "null"}]}}),
    "Tree": _object({"size": _COUNT, "root": _HASH, "peaks": {"type": "array", "items": _object(
        {"level": _COUNT, "index": _COUNT, "hash": _HASH, "first": _COUNT, "last": _COUNT})}}),
    "Witnesses": _object({"quorum_size": _COUNT, "late_s": _COUNT, "is_late": {"type": "boolean"},
                          "items": {"type": "array", "items": _object(
                              {"name": _TEXT, "size": _COUNT}, {"url": _MAYBE, "at": _MAYBE, "error": _MAYBE,
                                                                "doubt": _MAYBE})}}),
    "Copies": _object({"items": {"type": "array", "items": _object(
        {"name": _TEXT, "state": {"enum": [str(state) for state in State]}, "size": _COUNT, "published": _COUNT,
         "backlog": _COUNT}, {"reason": _MAYBE, "divergence": {"type": ["object", "null"]}})}}),
    "Repair": _object({"name": _TEXT, "size": _COUNT, "found": {"type": "array", "items": {"type": "object"}},
                       "entries": _COUNT, "seq": {"type": ["integer", "null"]}}),
    "NewErasure": _object({"subject": _TEXT, "reason": _TEXT}),
    "Erased": _object({"subject": _TEXT, "keys": {"type": "array", "items": _TEXT}, "entries": _COUNT}),
    "Erasures": _object({"items": {"type": "array", "items": {"type": "object"}},
                         "next": {"type": ["integer", "null"]}}),
    "Problem": _object({"type": _TEXT, "title": _TEXT, "status": {"type": "integer"}, "detail": _TEXT}),
}
"""The bodies."""


def _query(name: str, what: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": what, "schema": _COUNT}


def _json(schema: str) -> dict[str, Any]:
    return {"content": {"application/json": {"schema": _ref(schema)}}}


def _answers(what: str, schema: str, status: str = "200") -> dict[str, Any]:
    return {status: {"description": what, **_json(schema)}}


def _text(what: str, media: str = "text/plain") -> dict[str, Any]:
    return {"200": {"description": what, "content": {media: {"schema": _TEXT}}}}


OPERATIONS: Mapping[tuple[str, str], Operation] = {
    ("GET", "/api/v1/ledger/head"): {
        "summary": "How long the ledger is, and the hash of its last entry", "responses": _answers("The head", "Head")},
    ("GET", "/api/v1/ledger/entries"): {
        "summary": "A range of entries: newest first, or in order with `after`",
        "parameters": [_query("after", "first position, in order"), _query("before", "newest first, below this"),
                       _query("limit", "at most 500, 50 when left out")],
        "responses": _answers("Entries and the cursor of the next page", "Entries")},
    ("POST", "/api/v1/ledger/entries"): {
        "summary": "Seal an event of a service; answered when it is durable",
        "parameters": [{"name": "Idempotency-Key", "in": "header", "schema": {"type": "string", "maxLength": 255}}],
        "requestBody": {"required": True, **_json("NewEvent")},
        "responses": {**_answers("Sealed now", "Appended", "201"), **_answers("Sealed before under this key",
                                                                               "Appended")}},
    ("GET", "/api/v1/ledger/entries/{seq}"): {
        "summary": "One entry, with the exact bytes that were hashed", "responses": _answers("The entry", "Entry")},
    ("GET", "/api/v1/ledger/entries/{seq}/proof"): {
        "summary": "The inclusion proof of one entry", "parameters": [_query("size", "tree size; the head without it")],
        "responses": _answers("The proof", "Proof")},
    ("GET", "/api/v1/ledger/entries/{seq}/receipt"): {
        "summary": "The entry's proof under a signed checkpoint, to keep (C2SP tlog-proof)",
        "responses": _text("A tlog-proof")},
    ("GET", "/api/v1/ledger/consistency"): {
        "summary": "The proof that one tree extends another",
        "parameters": [_query("old", "size of the older tree"), _query("new", "size of the newer; the head without")],
        "responses": _answers("The proof", "Consistency")},
    ("GET", "/api/v1/ledger/checkpoint"): {
        "summary": "The newest signed checkpoint (C2SP signed note)", "responses": _text("A signed note")},
    ("GET", "/api/v1/ledger/verify"): {
        "summary": "The verification that runs, or the last one", "responses": _answers("Its state", "Verification")},
    ("POST", "/api/v1/ledger/verify"): {
        "summary": "Rehash everything now", "responses": _answers("What was found", "Report")},
    ("GET", "/api/v1/ledger/tree"): {
        "summary": "The perfect subtrees, largest first, that fold into the root",
        "parameters": [_query("size", "tree size; the head without it")], "responses": _answers("The tree", "Tree")},
    ("GET", "/api/v1/ledger/witnesses"): {
        "summary": "The witnesses of the policy, as last heard of", "responses": _answers("Witnesses", "Witnesses")},
    ("GET", "/api/v1/ledger/copies"): {
        "summary": "The copies (tiles, MongoDB) and how far they are", "responses": _answers("Copies", "Copies")},
    ("POST", "/api/v1/ledger/copies/{name}/repair"): {
        "summary": "Put proven bytes where a copy differs", "responses": _answers("What was changed", "Repair")},
    ("GET", "/api/v1/ledger/bundle"): {
        "summary": "Entries with proofs and checkpoints, as a zip that verifies without this product",
        "parameters": [_query("from", "first entry"), _query("until", "the entry after the last"),
                       _query("entry", "one entry with its own proof; may be given often")],
        "responses": _text("A bundle", "application/zip")},
    ("POST", "/api/v1/ledger/erasures"): {
        "summary": "Destroy the keys of a subject's sealed fields",
        "requestBody": {"required": True, **_json("NewErasure")}, "responses": _answers("Erased", "Erased")},
    ("GET", "/api/v1/ledger/erasures"): {
        "summary": "What was erased, newest first", "parameters": [_query("before", "below this entry")],
        "responses": _answers("Erasures", "Erasures")},
    ("GET", "/tlog/checkpoint"): {
        "summary": "The tile log's checkpoint (C2SP tlog-tiles)", "responses": _text("A signed note")},
    ("GET", "/tlog/tile/entries/{index:path}"): {
        "summary": "An entry bundle: leaf data, each after its uint16 length",
        "responses": _text("A bundle", "application/octet-stream")},
    ("GET", "/tlog/tile/{level}/{index:path}"): {
        "summary": "A tile of hashes, 32 bytes each", "responses": _text("A tile", "application/octet-stream")},
    ("GET", "/api/v1/ledger/openapi.json"): {
        "summary": "This document", "responses": {"200": {"description": "OpenAPI 3.1", "content": {
            "application/json": {"schema": {"type": "object"}}}}}},
}
"""By method and path."""


def described(endpoints: Iterable[Endpoint], version: str) -> dict[str, Any]:
    """Return the OpenAPI document of these routes; KeyError names a route that nobody has described."""
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        operation = dict(OPERATIONS[endpoint.method, endpoint.path])
        named = [{"name": part, "in": "path", "required": True, "schema": _COUNT if part == "seq" else _TEXT}
                 for part in _parts(endpoint.path)]
        operation["parameters"] = [*named, *operation.get("parameters", ())]
        operation["responses"] = {**operation["responses"], "default": {
            "description": "An RFC 9457 problem", "content": {"application/problem+json": {"schema": _ref("Problem")}}}}
        operation["x-gridwarden-action"] = endpoint.action
        operation["operationId"] = f"{endpoint.method.lower()} {endpoint.path}"
        paths.setdefault(_template(endpoint.path), {})[endpoint.method.lower()] = operation
    return {
        "openapi": "3.1.0", "info": {"title": "Gridwarden audit ledger", "version": version}, "paths": paths,
        "components": {"schemas": dict(SCHEMAS),
                       "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}}},
        "security": [{"bearer": []}],
    }


def _parts(path: str) -> list[str]:
    return [piece[1:-1].partition(":")[0] for piece in path.split("/") if piece.startswith("{")]


def _template(path: str) -> str:
    """Return the path without Starlette's converters."""
    return "/".join(f"{{{piece[1:-1].partition(':')[0]}}}" if piece.startswith("{") else piece
                    for piece in path.split("/"))
