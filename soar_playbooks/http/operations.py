"""What the house's routes take and give."""

from collections.abc import Mapping

from shared_kernel.operation import ANY, COUNT, FLAG, MAYBE_TEXT, TEXT, TIME, Operation, listing, record
from soar_playbooks.http.playbooks import StartBody, SwitchBody
from soar_playbooks.http.runs import RulingBody

_MANY = {"type": "array"}
_SUMMARY = {
    "run_id": TEXT, "number": COUNT, "playbook": TEXT, "status": TEXT, "reason": MAYBE_TEXT, "targets": _MANY,
    "version_hash": TEXT, "requested_by": record({"id": TEXT, "name": TEXT}), "alert": {"type": ["object", "null"]},
    "created_at": TIME, "finished_at": MAYBE_TEXT,
}
_RUN = record(_SUMMARY, title="RunSummary")
_STORY = record({
    **_SUMMARY, "plan": record({"hash": TEXT, "calls": COUNT}), "steps": {"type": "array", "items": ANY},
    "approval": {"type": ["object", "null"]}, "journal": {"type": "array", "items": record(
        {"seq": COUNT, "at": TIME, "position": {"type": ["integer", "null"]}, "what": TEXT, "detail": {}})},
    "playbook_content": {},
}, title="Run")
_SWITCH = record({"scope": TEXT, "on": FLAG, "by": TEXT, "reason": TEXT, "at": TIME}, title="KillSwitch")
_PLAYBOOK = record(
    {"name": TEXT, "source": TEXT, "problem": MAYBE_TEXT},
    {"title": TEXT, "description": TEXT, "version_hash": TEXT, "approval": TEXT, "rules": {}, "people": {},
     "max_targets": COUNT, "target_field": TEXT, "steps": {"type": "array", "items": record(
         {"name": TEXT, "connector": TEXT})}}, "Playbook")
_PAGE = {"before": {"type": "integer", "minimum": 1}, "limit": {"type": "integer", "minimum": 1, "maximum": 200}}

OPERATIONS: Mapping[tuple[str, str], Operation] = {
    ("GET", "/api/v1/playbooks/runs"): Operation("Runs, newest first", listing(_RUN), query=_PAGE),
    ("GET", "/api/v1/playbooks/runs/{run_id}"): Operation("One run with its steps and journal", _STORY),
    ("POST", "/api/v1/playbooks/runs/{run_id}/approve"): Operation("Approve the plan of a run", _STORY, RulingBody),
    ("POST", "/api/v1/playbooks/runs/{run_id}/deny"): Operation("Deny the plan of a run", _STORY, RulingBody),
    ("GET", "/api/v1/playbooks"): Operation(
        "Playbooks and kill switches", record({
            "items": {"type": "array", "items": _PLAYBOOK}, "next": {"type": "null"},
            "kill_switches": {"type": "array", "items": _SWITCH}})),
    ("POST", "/api/v1/playbooks/kill-switch"): Operation("Stop or allow all playbooks, or one", _SWITCH, SwitchBody),
    ("POST", "/api/v1/playbooks/{name}/runs"): Operation("Start a run", _RUN, StartBody, 201),
}
