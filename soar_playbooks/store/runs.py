"""Opening runs and reading them back. The key (playbook, alert) is unique: a trigger delivered again opens nothing."""

from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

from soar_playbooks.domain.run import ApprovalRecord, JournalEntry, Run, StepRecord
from soar_playbooks.store.connection import connection, transaction
from soar_playbooks.store.rows import RUN_COLUMNS, approval_of, entry_of, requester_text, run_of, step_of

_KEEP_VERSION = """
    INSERT INTO soar_playbooks.versions (version_hash, name, content, first_run_at_us) VALUES ($1, $2, $3, $4)
    ON CONFLICT DO NOTHING
"""
_OPEN = """
    INSERT INTO soar_playbooks.runs (run_id, playbook, version_hash, alert_key, alert_seq, alert_id, status, reason,
        plan_hash, requester, created_at_us, finished_at_us)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
    ON CONFLICT DO NOTHING RETURNING run_id
"""
_PLAN_STEPS = """
    INSERT INTO soar_playbooks.steps (run_id, position) SELECT $1, generate_series(0, $2 - 1)
"""
_ASK = """
    INSERT INTO soar_playbooks.approvals (run_id, plan_hash, state, expires_at_us, requested_by)
    VALUES ($1, $2, $3, $4, $5)
"""
_NOTE = "INSERT INTO soar_playbooks.journal (run_id, what, at_us, detail) VALUES ($1, $2, $3, $4)"
_ADVANCE = """
    INSERT INTO soar_playbooks.positions (source, next_seq) VALUES ($1, $2)
    ON CONFLICT (source) DO UPDATE SET next_seq = greatest(soar_playbooks.positions.next_seq, excluded.next_seq)
"""


@dataclass(frozen=True, slots=True)
class NewRun:
    """A run to open: with the playbook's content (None when there was none), and the approval it waits for."""

    run: Run
    content: str | None
    approval: ApprovalRecord | None = None


@dataclass(frozen=True, slots=True)
class RunStory:
    """Everything kept of one run."""

    run: Run
    steps: tuple[StepRecord, ...]
    approval: ApprovalRecord | None
    journal: tuple[JournalEntry, ...]
    content: str | None


class RunStore:
    """Keeps runs."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def position(self, source: str) -> int:
        """Return the next seq wanted from a source."""
        async with connection(self._pool) as lent:
            row = await lent.fetchrow("SELECT next_seq FROM soar_playbooks.positions WHERE source = $1", source)
        return int(row["next_seq"]) if row else 0

    async def known(self, run_ids: Sequence[str]) -> set[str]:
        """Return which of these runs exist."""
        async with connection(self._pool) as lent:
            rows = await lent.fetch("SELECT run_id FROM soar_playbooks.runs WHERE run_id = ANY($1)", list(run_ids))
        return {row["run_id"] for row in rows}

    async def open(self, several: Sequence[NewRun], *, source: str | None = None, position: int = 0) -> None:
        """Open runs, and remember how far their source was read, in one transaction."""
        async with transaction(self._pool) as lent:
            for new in several:
                await _open(lent, new)
            if source is not None:
                await lent.execute(_ADVANCE, source, position)

    async def story(self, run_id: str) -> RunStory | None:
        """Return everything kept of a run, or None."""
        async with transaction(self._pool) as lent:
            row = await lent.fetchrow(f"SELECT {RUN_COLUMNS} FROM soar_playbooks.runs WHERE run_id = $1", run_id)  # noqa: S608 - a constant
            if row is None:
                return None
            run = run_of(row)
            steps = await lent.fetch("SELECT * FROM soar_playbooks.steps WHERE run_id = $1 ORDER BY position", run_id)
            approval = await lent.fetchrow("SELECT * FROM soar_playbooks.approvals WHERE run_id = $1", run_id)
            journal = await lent.fetch("SELECT * FROM soar_playbooks.journal WHERE run_id = $1 ORDER BY seq", run_id)
            content = await lent.fetchval(
                "SELECT content FROM soar_playbooks.versions WHERE version_hash = $1", run.plan.version_hash,
            )
        return RunStory(
            run, tuple(map(step_of, steps)), approval_of(approval) if approval else None,
            tuple(map(entry_of, journal)), content,
        )

    async def latest(self, before: int | None, limit: int) -> list[Run]:
        """Return runs, newest first, with numbers below `before`."""
        sql = f"""
            SELECT {RUN_COLUMNS} FROM soar_playbooks.runs WHERE $1::bigint IS NULL OR number < $1
            ORDER BY number DESC LIMIT $2
        """  # noqa: S608 - a constant
        async with connection(self._pool) as lent:
            rows = await lent.fetch(sql, before, limit)
        return [run_of(row) for row in rows]


async def _open(lent: asyncpg.Connection, new: NewRun) -> None:
    run = new.run
    if new.content is not None:
        await lent.execute(_KEEP_VERSION, run.plan.version_hash, run.playbook, new.content, run.created_at_us)
    opened = await lent.fetchval(
        _OPEN, run.run_id, run.playbook, run.plan.version_hash, run.alert_key, run.alert_seq, run.alert_id, run.status,
        run.reason, run.plan_hash, requester_text(run.requester), run.created_at_us, run.finished_at_us,
    )
    if opened is None:
        return
    await lent.execute("INSERT INTO soar_playbooks.plans VALUES ($1, $2)", run.run_id, run.plan.content)
    await lent.execute(_PLAN_STEPS, run.run_id, len(run.plan.calls))
    await lent.execute(_NOTE, run.run_id, f"opened:{run.status}", run.created_at_us, run.reason)
    if new.approval is not None:
        asked = new.approval
        await lent.execute(
            _ASK, run.run_id, asked.plan_hash, asked.state, asked.expires_at_us, asked.requested_by,
        )
