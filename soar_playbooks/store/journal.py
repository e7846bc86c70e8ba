"""The journal: leases, intents and outcomes. Each method is one statement, so one commit; only the holder writes.

Leases are told by the database's clock, the one clock all workers share.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import asyncpg
import orjson

from soar_playbooks.domain.errors import LeaseLostError, SwitchedOffError
from soar_playbooks.domain.run import Run, RunStatus, StepRecord, StepState, scopes_of
from soar_playbooks.store.connection import connection
from soar_playbooks.store.rows import RUN_COLUMNS, run_of, step_of

_CLAIM = f"""
    UPDATE soar_playbooks.runs
    SET lease_owner = $1, lease_until = clock_timestamp() + make_interval(secs => $2)
    WHERE run_id IN (
        SELECT run_id FROM soar_playbooks.runs
        WHERE status = 'ready' AND next_at <= clock_timestamp()
            AND (lease_until IS NULL OR lease_until < clock_timestamp())
        ORDER BY next_at LIMIT $3 FOR UPDATE SKIP LOCKED)
    RETURNING {RUN_COLUMNS}
"""  # noqa: S608 - a constant
_INTEND = """
    WITH held AS (
        UPDATE soar_playbooks.runs
        SET lease_until = greatest(lease_until, clock_timestamp() + make_interval(secs => $6))
        WHERE run_id = $1 AND lease_owner = $2 AND status = 'ready' AND NOT EXISTS (
            SELECT FROM soar_playbooks.switches WHERE is_on AND scope = ANY($7))
        RETURNING run_id),
    step AS (
        UPDATE soar_playbooks.steps SET state = 'intended', intended_at_us = $4, resumptions = $5
        FROM held WHERE steps.run_id = held.run_id AND position = $3 RETURNING steps.run_id)
    INSERT INTO soar_playbooks.journal (run_id, position, what, at_us)
    SELECT run_id, $3, 'intent', $4 FROM step RETURNING seq
"""
_CONCLUDE = """
    WITH held AS (
        SELECT run_id, NOT EXISTS (SELECT FROM soar_playbooks.switches WHERE is_on AND scope = ANY($12)) AS may_go_on
        FROM soar_playbooks.runs WHERE run_id = $1 AND lease_owner = $2 AND status = 'ready' FOR NO KEY UPDATE),
    step AS (
        UPDATE soar_playbooks.steps
        SET state = $4, attempts = $5, result = $6, error = $7, finished_at_us = $8
        FROM held WHERE steps.run_id = held.run_id AND position = $3 RETURNING steps.run_id),
    following AS (
        UPDATE soar_playbooks.steps SET state = 'intended', intended_at_us = $8
        FROM held WHERE may_go_on AND steps.run_id = held.run_id AND position = $10 AND state = 'planned'
        RETURNING steps.run_id),
    lease AS (
        UPDATE soar_playbooks.runs
        SET lease_until = greatest(lease_until, clock_timestamp() + make_interval(secs => $11))
        FROM following WHERE runs.run_id = following.run_id),
    noted AS (
        INSERT INTO soar_playbooks.journal (run_id, position, what, at_us, detail)
        SELECT run_id, $3, $9, $8, coalesce($7, '') FROM step
        UNION ALL SELECT run_id, $10, 'intent', $8, '' FROM following)
    SELECT (SELECT count(*) FROM step) AS concluded, (SELECT count(*) FROM following) AS intended
"""
_FINISH = """
    WITH held AS (
        UPDATE soar_playbooks.runs SET status = $3, reason = $4, finished_at_us = $5, lease_owner = NULL
        WHERE run_id = $1 AND lease_owner = $2 AND status = 'ready' RETURNING run_id)
    INSERT INTO soar_playbooks.journal (run_id, what, at_us, detail)
    SELECT run_id, 'finished:' || $3, $5, $4 FROM held RETURNING seq
"""
_POSTPONE = """
    UPDATE soar_playbooks.runs SET lease_owner = NULL, lease_until = NULL,
        next_at = clock_timestamp() + make_interval(secs => $3)
    WHERE run_id = $1 AND lease_owner = $2
"""
_RELEASE = "UPDATE soar_playbooks.runs SET lease_owner = NULL, lease_until = NULL WHERE lease_owner = $1"


@dataclass(frozen=True, slots=True)
class Claim:
    """A run held by this worker, with its steps as far as they got."""

    run: Run
    steps: tuple[StepRecord, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a call ended; `what` is the journal's word for it."""

    state: StepState
    what: str
    attempts: int = 0
    result: Mapping[str, Any] | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Following:
    """The call that comes next, and how long its lease must last."""

    position: int
    lease_s: float


class JournalStore:
    """What one worker, known as `owner`, writes."""

    def __init__(self, pool: asyncpg.Pool, owner: str) -> None:
        self._pool, self._owner = pool, owner

    async def claim(self, limit: int, lease_s: float) -> list[Claim]:
        """Take up to `limit` runs nobody holds."""
        async with connection(self._pool) as lent:
            runs = [run_of(row) for row in await lent.fetch(_CLAIM, self._owner, lease_s, limit)]
            if not runs:
                return []
            rows = await lent.fetch(
                "SELECT * FROM soar_playbooks.steps WHERE run_id = ANY($1) ORDER BY run_id, position",
                [run.run_id for run in runs],
            )
        steps: dict[str, list[StepRecord]] = {run.run_id: [] for run in runs}
        for row in rows:
            steps[row["run_id"]].append(step_of(row))
        return [Claim(run, tuple(steps[run.run_id])) for run in runs]

    async def intend(self, run: Run, position: int, *, resumptions: int, at_us: int, lease_s: float) -> None:
        """Write the intent, unless a kill switch is on (SwitchedOffError) or the lease is gone (LeaseLostError)."""
        scopes = list(scopes_of(run.playbook))
        async with connection(self._pool) as lent:
            written = await lent.fetchval(
                _INTEND, run.run_id, self._owner, position, at_us, resumptions, lease_s, scopes,
            )
            if written is not None:
                return
            switched = await lent.fetchval(
                "SELECT scope FROM soar_playbooks.switches WHERE is_on AND scope = ANY($1) LIMIT 1", scopes,
            )
        raise SwitchedOffError(switched) if switched else LeaseLostError(run.run_id)

    async def conclude(
        self, run: Run, position: int, outcome: Outcome, at_us: int, *, following: Following | None = None,
    ) -> bool:
        """Write an outcome and, unless a kill switch is on, the next call's intent; answer whether that was written.

        LeaseLostError when somebody else holds the run.
        """
        result = _text(outcome.result) if outcome.result is not None else None
        ahead = (following.position, following.lease_s) if following else (None, 0.0)
        async with connection(self._pool) as lent:
            written = await lent.fetchrow(
                _CONCLUDE, run.run_id, self._owner, position, outcome.state, outcome.attempts, result, outcome.error,
                at_us, outcome.what, *ahead, list(scopes_of(run.playbook)),
            )
        if not written["concluded"]:
            raise LeaseLostError(run.run_id)
        return bool(written["intended"])

    async def finish(self, run: Run, status: RunStatus, reason: str, at_us: int) -> None:
        """End a run and give its lease back."""
        async with connection(self._pool) as lent:
            if await lent.fetchval(_FINISH, run.run_id, self._owner, status, reason, at_us) is None:
                raise LeaseLostError(run.run_id)

    async def postpone(self, run: Run, wait_s: float) -> None:
        """Give the run back, to be taken again after a while."""
        async with connection(self._pool) as lent:
            await lent.execute(_POSTPONE, run.run_id, self._owner, wait_s)

    async def release(self) -> None:
        """Give back every run this worker holds."""
        async with connection(self._pool) as lent:
            await lent.execute(_RELEASE, self._owner)


def _text(result: Mapping[str, Any]) -> str:
    """Return a result as JSON that jsonb takes, whatever a connector put in."""
    text = orjson.dumps(result, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
    return text if "\\u0000" not in text else '{"unkept": "the result holds a null character"}'
