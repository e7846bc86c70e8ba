"""Approvals: decided once, under a row lock, sealed before the transaction commits."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import asyncpg

from soar_playbooks.domain.errors import AlreadyDecidedError, UnknownRunError
from soar_playbooks.domain.run import ApprovalRecord, ApprovalState, Run, RunStatus
from soar_playbooks.store.connection import connection, transaction
from soar_playbooks.store.rows import RUN_COLUMNS, approval_of, run_of

_DECIDE = """
    UPDATE soar_playbooks.approvals
    SET state = $2, decided_by = $3, decided_by_name = $4, decided_at_us = $5, comment = $6 WHERE run_id = $1
"""
_MOVE = """
    UPDATE soar_playbooks.runs SET status = $2, next_at = clock_timestamp(),
        reason = coalesce($3, reason), finished_at_us = $4 WHERE run_id = $1
"""
_NOTE = "INSERT INTO soar_playbooks.journal (run_id, what, at_us, detail) VALUES ($1, $2, $3, $4)"
_NEXT: dict[ApprovalState, RunStatus] = {
    ApprovalState.GRANTED: RunStatus.READY,
    ApprovalState.DENIED: RunStatus.DENIED,
    ApprovalState.EXPIRED: RunStatus.EXPIRED,
}


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided, by whom, with which words."""

    state: ApprovalState
    by: str
    by_name: str
    at_us: int
    comment: str = ""


Judge = Callable[[Run, ApprovalRecord], Awaitable[Decision]]


class ApprovalStore:
    """Keeps approvals."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def decide(self, run_id: str, judge: Judge) -> Run:
        """Let `judge` refuse (by raising) or decide, and seal; then keep the decision and move the run."""
        async with transaction(self._pool) as lent:
            run = await _locked(lent, run_id)
            row = await lent.fetchrow("SELECT * FROM soar_playbooks.approvals WHERE run_id = $1 FOR UPDATE", run_id)
            if row is None:
                raise AlreadyDecidedError(run.status)
            decision = await judge(run, approval_of(row))
            await _keep(lent, run_id, decision)
        return run

    async def overdue(self, now_us: int) -> list[str]:
        """Return the runs whose approval was not given in time."""
        async with connection(self._pool) as lent:
            rows = await lent.fetch(
                "SELECT run_id FROM soar_playbooks.approvals WHERE state = 'pending' AND expires_at_us <= $1", now_us,
            )
        return [row["run_id"] for row in rows]


async def _locked(lent: asyncpg.Connection, run_id: str) -> Run:
    row = await lent.fetchrow(
        f"SELECT {RUN_COLUMNS} FROM soar_playbooks.runs WHERE run_id = $1 FOR UPDATE", run_id,  # noqa: S608 - a constant
    )
    if row is None:
        raise UnknownRunError(run_id)
    return run_of(row)


async def _keep(lent: asyncpg.Connection, run_id: str, decision: Decision) -> None:
    status = _NEXT[decision.state]
    ended = None if status is RunStatus.READY else decision.at_us
    why = None if status is RunStatus.READY else f"approval {decision.state}: {decision.comment}".rstrip(": ")
    await lent.execute(
        _DECIDE, run_id, decision.state, decision.by, decision.by_name, decision.at_us, decision.comment,
    )
    await lent.execute(_MOVE, run_id, status, why, ended)
    await lent.execute(_NOTE, run_id, f"approval:{decision.state}", decision.at_us, decision.by_name)
