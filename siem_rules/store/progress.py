"""How far each source was consumed, the open windows, and the one transaction that keeps them with the alerts."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import asyncpg

from shared_kernel.events import Event
from siem_rules.domain.engine import Kept
from siem_rules.domain.errors import StalePositionError
from siem_rules.domain.window import Member
from siem_rules.store.connection import transaction

_MOVE = """
INSERT INTO siem_rules.progress AS p (source, next_seq, watermark_us, late) VALUES ($1, $3, $4, $5)
ON CONFLICT (source) DO UPDATE SET next_seq = $3, watermark_us = $4, late = p.late + $5 WHERE p.next_seq = $2
RETURNING next_seq
"""
_REMEMBER = """
INSERT INTO siem_rules.members (member_id, correlation, source, group_values, at_us, event_id, part, value, seqs, facts)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING
"""
_FORGET = "DELETE FROM siem_rules.members WHERE correlation = $1 AND source = $2 AND at_us < $3"
_RAISE = """
INSERT INTO siem_rules.alerts (alert_id, key, rule_id, rule_text, severity, raised_at_us, changed_at_us, event)
VALUES ($1, $2, $3, $4, $5, $6, $6, $7) ON CONFLICT DO NOTHING RETURNING alert_id
"""


@dataclass(frozen=True, slots=True)
class NewAlert:
    """An alert to keep, with the event that will tell it."""

    alert_id: str
    key: str
    rule_id: str
    rule_text: str
    severity: str
    raised_at_us: int
    event: Event


@dataclass(frozen=True, slots=True)
class Batch:
    """Everything a consumed batch leaves behind."""

    source: str
    position: int
    next_position: int
    watermark_us: int | None
    late: int
    members: Sequence[Kept]
    horizons: Mapping[str, int]
    alerts: Sequence[NewAlert]


@dataclass(frozen=True, slots=True)
class SourceProgress:
    """How far a source was consumed."""

    source: str
    next_seq: int
    watermark_us: int | None
    late: int


class ProgressStore:
    """Tables `progress` and `members`, and the insertion of alerts."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def sources(self) -> list[SourceProgress]:
        """Return the progress of every source seen."""
        async with transaction(self._pool) as connection:
            rows = await connection.fetch(
                "SELECT source, next_seq, watermark_us, late FROM siem_rules.progress ORDER BY source",
            )
        return [SourceProgress(**row) for row in rows]

    async def members(self) -> list[Kept]:
        """Return the open windows."""
        async with transaction(self._pool) as connection:
            rows = await connection.fetch("SELECT * FROM siem_rules.members")
        return [_to_kept(row) for row in rows]

    async def keep(self, batch: Batch) -> frozenset[str]:
        """Keep a batch in one transaction and return the ids of the alerts that were not raised before."""
        async with transaction(self._pool) as connection:
            moved = await connection.fetchval(
                _MOVE, batch.source, batch.position, batch.next_position, batch.watermark_us, batch.late,
            )
            if moved is None:
                raise StalePositionError(batch.source)
            if batch.members:
                await connection.executemany(_REMEMBER, [_to_row(kept) for kept in batch.members])
            if batch.horizons:
                await connection.executemany(
                    _FORGET, [(key, batch.source, horizon) for key, horizon in batch.horizons.items()],
                )
            return frozenset([
                alert_id for alert in batch.alerts
                if (alert_id := await connection.fetchval(_RAISE, *_alert_row(alert))) is not None
            ])

    async def forget_rules(self, kept_correlations: frozenset[str]) -> None:
        """Drop the windows of correlations that are no longer loaded."""
        async with transaction(self._pool) as connection:
            await connection.execute(
                "DELETE FROM siem_rules.members WHERE NOT correlation = ANY($1::text[])", sorted(kept_correlations),
            )


def _alert_row(alert: NewAlert) -> tuple[str | int, ...]:
    return (alert.alert_id, alert.key, alert.rule_id, alert.rule_text, alert.severity, alert.raised_at_us,
            json.dumps(alert.event, ensure_ascii=False))


def _to_row(kept: Kept) -> tuple[object, ...]:
    member = kept.member
    identity = json.dumps([kept.correlation, kept.source, kept.group, member.event_id, member.part])
    return (hashlib.sha256(identity.encode()).digest(), kept.correlation, kept.source, list(kept.group), member.at_us,
            member.event_id, member.part, member.value, list(member.seqs), json.dumps(dict(member.facts)))


def _to_kept(row: asyncpg.Record) -> Kept:
    return Kept(row["correlation"], row["source"], tuple(row["group_values"]), Member(
        at_us=row["at_us"], event_id=row["event_id"], part=row["part"], value=row["value"], seqs=tuple(row["seqs"]),
        facts=json.loads(row["facts"]),
    ))
