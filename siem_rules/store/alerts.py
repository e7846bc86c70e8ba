"""The alert queue: what was found, whether the ledger knows, and where the people are with it."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import asyncpg

from shared_kernel.events import Event
from siem_rules.domain.alert import TRANSITIONS, Status
from siem_rules.domain.errors import StatusTransitionError, UnknownAlertError
from siem_rules.store.connection import transaction

_LIST = """
SELECT * FROM siem_rules.alerts
WHERE ($1::text IS NULL OR status = $1) AND ($2::text IS NULL OR severity = $2) AND ($3::text IS NULL OR rule_id = $3)
  AND ($4::bigint IS NULL OR ordinal < $4)
ORDER BY ordinal DESC LIMIT $5
"""
_CHANGE = """
UPDATE siem_rules.alerts SET status = $2, reason = $3, owner = $4, changed_at_us = $5 WHERE alert_id = $1 RETURNING *
"""


@dataclass(frozen=True, slots=True)
class StoredAlert:
    """An alert as the queue holds it; `sealed_seq` is None until the ledger has it."""

    ordinal: int
    alert_id: str
    key: str
    rule_id: str
    rule_text: str
    severity: str
    status: str
    owner: str | None
    reason: str | None
    raised_at_us: int
    changed_at_us: int
    event: Event
    sealed_seq: int | None


@dataclass(frozen=True, slots=True)
class AlertFilter:
    """Which alerts are asked for; None asks for all."""

    status: str | None = None
    severity: str | None = None
    rule_id: str | None = None
    before: int | None = None


@dataclass(frozen=True, slots=True)
class StatusChange:
    """Who moves an alert where, and why."""

    alert_id: str
    status: Status
    reason: str | None
    by: str
    at_us: int


class AlertStore:
    """Table `alerts`."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def find(self, wanted: AlertFilter, limit: int) -> list[StoredAlert]:
        """Return at most `limit` alerts, newest first."""
        async with transaction(self._pool) as connection:
            rows = await connection.fetch(
                _LIST, wanted.status, wanted.severity, wanted.rule_id, wanted.before, limit,
            )
        return [_to_alert(row) for row in rows]

    async def get(self, alert_id: str) -> StoredAlert:
        """Return one alert; raise UnknownAlertError."""
        async with transaction(self._pool) as connection:
            row = await connection.fetchrow("SELECT * FROM siem_rules.alerts WHERE alert_id = $1", alert_id)
        if row is None:
            raise UnknownAlertError(alert_id)
        return _to_alert(row)

    async def unsealed(self, limit: int) -> list[StoredAlert]:
        """Return the oldest alerts that the ledger does not have yet."""
        async with transaction(self._pool) as connection:
            rows = await connection.fetch(
                "SELECT * FROM siem_rules.alerts WHERE sealed_seq IS NULL ORDER BY ordinal LIMIT $1", limit,
            )
        return [_to_alert(row) for row in rows]

    async def mark_sealed(self, alert_id: str, seq: int) -> None:
        """Remember where the ledger holds the alert; the first place stands."""
        async with transaction(self._pool) as connection:
            await connection.execute(
                "UPDATE siem_rules.alerts SET sealed_seq = $2 WHERE alert_id = $1 AND sealed_seq IS NULL",
                alert_id, seq,
            )

    async def change_status(
        self, change: StatusChange, seal: Callable[[StoredAlert], Awaitable[None]],
    ) -> StoredAlert:
        """Move an alert, with `seal` run before the change is committed: when it raises, nothing changed."""
        async with transaction(self._pool) as connection:
            present = await connection.fetchval(
                "SELECT status FROM siem_rules.alerts WHERE alert_id = $1 FOR UPDATE", change.alert_id,
            )
            if present is None:
                raise UnknownAlertError(change.alert_id)
            if change.status not in TRANSITIONS[Status(present)]:
                raise StatusTransitionError(present, change.status)
            row = await connection.fetchrow(
                _CHANGE, change.alert_id, change.status, change.reason, change.by, change.at_us,
            )
            changed = _to_alert(row)
            await seal(changed)
        return changed


def _to_alert(row: asyncpg.Record) -> StoredAlert:
    return StoredAlert(**{**row, "event": json.loads(row["event"])})
