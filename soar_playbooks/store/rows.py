"""Rows into the house's values."""

from dataclasses import asdict
from typing import Any

import asyncpg
import orjson

from soar_playbooks.domain.plan import Plan
from soar_playbooks.domain.run import (
    ApprovalRecord,
    ApprovalState,
    JournalEntry,
    Run,
    RunStatus,
    StepRecord,
    StepState,
)
from soar_playbooks.domain.trigger import Requester

RUN_COLUMNS = (
    "run_id, playbook, status, reason, plan_hash, requester, created_at_us, alert_key, alert_seq, alert_id, number,"
    " finished_at_us, (SELECT plan FROM soar_playbooks.plans WHERE plans.run_id = runs.run_id) AS plan"
)


def run_of(row: asyncpg.Record) -> Run:
    """Return a run of RUN_COLUMNS."""
    about = dict(row) | {
        "status": RunStatus(row["status"]), "plan": Plan.from_document(orjson.loads(row["plan"])),
        "requester": Requester(**orjson.loads(row["requester"])),
    }
    return Run(**about)


def step_of(row: asyncpg.Record) -> StepRecord:
    """Return a step of all columns."""
    about: dict[str, Any] = {name: value for name, value in row.items() if name != "run_id"}
    result = orjson.loads(row["result"]) if row["result"] else None
    return StepRecord(**about | {"state": StepState(row["state"]), "result": result})


def approval_of(row: asyncpg.Record) -> ApprovalRecord:
    """Return an approval of all columns."""
    about = {name: value for name, value in row.items() if name != "run_id"}
    return ApprovalRecord(**about | {"state": ApprovalState(row["state"])})


def entry_of(row: asyncpg.Record) -> JournalEntry:
    """Return a journal line."""
    return JournalEntry(row["seq"], row["position"], row["what"], row["at_us"], row["detail"])


def requester_text(requester: Requester) -> str:
    """Return a requester as JSON."""
    return orjson.dumps(asdict(requester)).decode()
