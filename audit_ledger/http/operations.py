"""What the house's routes take and give: one table, held against the routes by a test."""

from collections.abc import Mapping
from typing import Any

from audit_ledger.domain.audit.finding import Kind, Mode, Verdict
from audit_ledger.http.routes import MAX_PAGE
from audit_ledger.service.copies.status import State
from audit_ledger.service.intake import ACTION
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

_HASH = {"type": "string", "pattern": "^[0-9a-f]{64}$", "description": "SHA-256 in hexadecimal"}
_PATH = {"type": "array", "items": _HASH, "description": "RFC 6962 proof nodes, leaf to root"}
_NOTE, _TILE = "text/plain", "application/octet-stream"


def _many(item: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": item}


_HEAD = record({"size": COUNT, "entry_hash": _HASH}, title="LedgerHead")
_ENTRY = record(
    {"seq": COUNT, "recorded_at": TIME, "prev_hash": _HASH, "entry_hash": _HASH,
     "event": {"type": "object", "description": "the event; sealed fields are opened"}},
    {"payload": {"type": "string", "contentEncoding": "base64", "description": "the exact bytes that were hashed"}},
    "LedgerEntry")
_PROOF = record({"seq": COUNT, "size": COUNT, "leaf_hash": _HASH, "root": _HASH, "path": _PATH}, title="InclusionProof")
_CONSISTENCY = record({"old": COUNT, "new": COUNT, "path": _PATH}, title="ConsistencyProof")
_NEW_EVENT = record({"event": record({"action": {"type": "string", "pattern": f"^{ACTION}$", "maxLength": 128}}, {
    "outcome": {"enum": ["success", "failure", "unknown"]}, "reason": TEXT, "category": TEXTS, "type": TEXTS,
})}, title="NewEvent")
_APPENDED = record({"seq": COUNT, "entry_hash": _HASH, "entry": TEXT, "receipt": TEXT, "repeated": FLAG},
                   title="AppendedEntry")
_FINDING = record(
    {"kind": {"enum": [str(kind) for kind in Kind]}, "seq": COUNT, "last_seq": COUNT, "detail": TEXT,
     "action": MAYBE_TEXT, "event_time": MAYBE_TEXT}, title="LedgerFinding")
_REPORT = record({
    "verdict": {"enum": [verdict.name.lower() for verdict in Verdict]}, "exit_code": {"type": "integer"},
    "stream": TEXT, "size": COUNT, "since": COUNT, "root": _HASH, "mode": {"enum": [str(mode) for mode in Mode]},
    "stale": FLAG, "stale_because": MAYBE_TEXT, "findings": _many(_FINDING), "dropped_findings": COUNT,
    "checkpoints_good": COUNT, "anchored_size": COUNT, "holds_to": COUNT, "duration_ms": COUNT,
}, title="LedgerReport")
_VERIFICATION = record({"state": {"enum": ["none", "running", "done"]}, "done": COUNT, "total": COUNT,
                        "report": {"anyOf": [_REPORT, {"type": "null"}]}}, title="LedgerVerification")
_TREE = record({"size": COUNT, "root": _HASH, "peaks": _many(record(
    {"level": COUNT, "index": COUNT, "hash": _HASH, "first": COUNT, "last": COUNT}))}, title="LedgerTree")
_WITNESSES = record({"quorum_size": COUNT, "late_s": COUNT, "is_late": FLAG, "items": _many(record(
    {"name": TEXT, "size": COUNT}, {"url": MAYBE_TEXT, "at": MAYBE_TEXT, "error": MAYBE_TEXT, "doubt": MAYBE_TEXT}))},
                    title="Witnesses")
_COPIES = record({"items": _many(record(
    {"name": TEXT, "state": {"enum": [str(state) for state in State]}, "size": COUNT, "published": COUNT,
     "backlog": COUNT}, {"reason": MAYBE_TEXT, "divergence": {"type": ["object", "null"]}}))}, title="LedgerCopies")
_REPAIR = record({"name": TEXT, "size": COUNT, "found": _many(ANY), "entries": COUNT, "seq": MAYBE_COUNT},
                 title="LedgerRepair")
_NEW_ERASURE = record({"subject": TEXT, "reason": TEXT}, title="NewErasure")
_ERASED = record({"subject": TEXT, "keys": TEXTS, "entries": COUNT}, title="Erased")
_POSITION = {"seq": COUNT}

OPERATIONS: Mapping[tuple[str, str], Operation] = {
    ("GET", "/api/v1/ledger/head"): Operation("How long the ledger is, and the hash of its last entry", _HEAD),
    ("GET", "/api/v1/ledger/entries"): Operation(
        "A range of entries: newest first, or in order with `after`", listing(_ENTRY),
        query={"after": COUNT, "before": COUNT, "limit": {**COUNT, "description": f"at most {MAX_PAGE} are given"}}),
    ("POST", "/api/v1/ledger/entries"): Operation(
        "Seal an event of a service; answered when it is durable (200: it was sealed before, under this key)",
        _APPENDED, _NEW_EVENT, 201, fields={"Idempotency-Key": {"type": "string", "maxLength": 255}},
        also={200: _APPENDED}),
    ("GET", "/api/v1/ledger/entries/{seq}"): Operation(
        "One entry, with the exact bytes that were hashed", _ENTRY, path=_POSITION),
    ("GET", "/api/v1/ledger/entries/{seq}/proof"): Operation(
        "The inclusion proof of one entry", _PROOF, query={"size": COUNT}, path=_POSITION),
    ("GET", "/api/v1/ledger/entries/{seq}/receipt"): Operation(
        "The entry's proof under a signed checkpoint, to keep (C2SP tlog-proof)", _NOTE, path=_POSITION),
    ("GET", "/api/v1/ledger/consistency"): Operation(
        "The proof that one tree extends another", _CONSISTENCY, query={"old": COUNT, "new": COUNT}),
    ("GET", "/api/v1/ledger/checkpoint"): Operation("The newest signed checkpoint (C2SP signed note)", _NOTE),
    ("GET", "/api/v1/ledger/verify"): Operation("The verification that runs, or the last one", _VERIFICATION),
    ("POST", "/api/v1/ledger/verify"): Operation("Rehash everything now", _REPORT),
    ("GET", "/api/v1/ledger/tree"): Operation(
        "The perfect subtrees, largest first, that fold into the root", _TREE, query={"size": COUNT}),
    ("GET", "/api/v1/ledger/witnesses"): Operation("The witnesses of the policy, as last heard of", _WITNESSES),
    ("GET", "/api/v1/ledger/copies"): Operation("The copies (tiles, MongoDB) and how far they are", _COPIES),
    ("POST", "/api/v1/ledger/copies/{name}/repair"): Operation("Put proven bytes where a copy differs", _REPAIR),
    ("GET", "/api/v1/ledger/bundle"): Operation(
        "Entries with proofs and checkpoints, as a zip that verifies without this product", "application/zip",
        query={"from": COUNT, "until": COUNT, "entry": COUNT}),
    ("POST", "/api/v1/ledger/erasures"): Operation(
        "Destroy the keys of a subject's sealed fields", _ERASED, _NEW_ERASURE),
    ("GET", "/api/v1/ledger/erasures"): Operation(
        "What was erased, newest first", listing(ANY), query={"before": COUNT}),
    ("GET", "/tlog/checkpoint"): Operation("The tile log's checkpoint (C2SP tlog-tiles)", _NOTE),
    ("GET", "/tlog/tile/entries/{index:path}"): Operation(
        "An entry bundle: leaf data, each after its uint16 length", _TILE),
    ("GET", "/tlog/tile/{level}/{index:path}"): Operation("A tile of hashes, 32 bytes each", _TILE),
}
"""By method and path."""
