"""JSON in and out: strict bodies, query numbers, and how runs look from outside."""

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
import orjson
from starlette.responses import Response

from shared_kernel.clock import to_iso
from shared_kernel.errors import InvalidInputError, UnprocessableError
from shared_kernel.strict_json import parse_strict
from soar_playbooks.domain.run import ApprovalRecord, JournalEntry, Run, StepRecord
from soar_playbooks.store.runs import RunStory

Body = TypeVar("Body")


def answer(body: object, status: int = 200) -> Response:
    """Return a JSON response."""
    return Response(orjson.dumps(body), status, media_type="application/json")


def body_of(raw: bytes, kind: type[Body]) -> Body:
    """Return the body as `kind`; unknown fields and wrong types are refused."""
    try:
        return msgspec.convert(parse_strict(raw or b"{}"), kind)
    except msgspec.ValidationError as cause:
        raise UnprocessableError(f"the body is not understood: {cause}") from cause


def number_of(query: Mapping[str, str], name: str, highest: int) -> int | None:
    """Return a whole number from 1 to `highest`, or None when it is not given."""
    text = query.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(highest)) and 1 <= int(text) <= highest):
        raise InvalidInputError(f"the parameter {name!r} must be a whole number from 1 to {highest}")
    return int(text)


def summary(run: Run) -> dict[str, Any]:
    """Return a run as lists show it."""
    return {
        "run_id": run.run_id, "number": run.number, "playbook": run.playbook, "status": run.status,
        "reason": run.reason, "targets": run.plan.targets, "version_hash": run.plan.version_hash,
        "requested_by": {"id": run.requester.subject, "name": run.requester.name},
        "alert": {"id": run.alert_id, "seq": run.alert_seq} if run.alert_key else None,
        "created_at": to_iso(run.created_at_us), "finished_at": _moment(run.finished_at_us),
    }


def whole(story: RunStory) -> dict[str, Any]:
    """Return a run with its plan, steps, approval and journal."""
    run = story.run
    calls = zip(run.plan.calls, story.steps, strict=True)
    return summary(run) | {
        "plan": {"hash": run.plan_hash, "calls": len(run.plan.calls)},
        "steps": [
            {"step": call.step, "connector": call.connector, "target": call.target, "params": call.params}
            | _progress(record) for call, record in calls
        ],
        "approval": _approval(story.approval) if story.approval else None,
        "journal": [_line(entry) for entry in story.journal],
        "playbook_content": orjson.loads(story.content) if story.content else None,
    }


def _progress(record: StepRecord) -> dict[str, Any]:
    return {
        "position": record.position, "state": record.state, "attempts": record.attempts, "error": record.error,
        "result": record.result, "intended_at": _moment(record.intended_at_us),
        "finished_at": _moment(record.finished_at_us),
    }


def _approval(approval: ApprovalRecord) -> dict[str, Any]:
    return {
        "state": approval.state, "plan_hash": approval.plan_hash, "requested_by": approval.requested_by,
        "expires_at": to_iso(approval.expires_at_us), "decided_by": approval.decided_by,
        "decided_by_name": approval.decided_by_name, "decided_at": _moment(approval.decided_at_us),
        "comment": approval.comment,
    }


def _line(entry: JournalEntry) -> dict[str, Any]:
    return {"seq": entry.seq, "at": to_iso(entry.at_us), "position": entry.position, "what": entry.what,
            "detail": entry.detail}


def _moment(at_us: int | None) -> str | None:
    return to_iso(at_us) if at_us is not None else None
