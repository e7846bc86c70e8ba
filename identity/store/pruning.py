"""Taking away what can matter no more, a batch at a time, so that no statement holds many locks for long."""

from collections.abc import Mapping

import asyncpg

from identity.domain.oauth.device import ATTEMPT_WINDOW_US as DEVICE_WINDOW_US
from identity.domain.people.login_policy import ATTEMPT_MEMORY_US, DEVICE_LIFETIME_US

_KEEP_US = 86_400 * 1_000_000
_HOUR_US = 3_600 * 1_000_000

DOOMED: Mapping[str, int] = {
    "grants": _KEEP_US, "sessions": _KEEP_US, "login_attempts": ATTEMPT_MEMORY_US,
    "device_codes": _KEEP_US, "device_attempts": DEVICE_WINDOW_US,
    "signal_events": 7 * _KEEP_US, "login_steps": 0, "devices": DEVICE_LIFETIME_US,
    "pushed_requests": _HOUR_US, "mails": 30 * _KEEP_US, "mail_links": _KEEP_US, "tries": _KEEP_US,
    "seen_assertions": 0, "seen_dpop_proofs": 0, "initial_access_tokens": 0,
}
"""Table -> how long after its end a row is kept; codes and refresh tokens fall with their grant."""

_MOMENT = dict.fromkeys(DOOMED, "expires_at_us") | {
    "login_attempts": "at_us", "device_attempts": "at_us", "devices": "seen_at_us", "signal_events": "created_at_us",
    "mails": "created_at_us", "tries": "at_us",
}


class Pruning:
    """Deletes ended rows."""

    def __init__(self, executor: asyncpg.Pool) -> None:
        self._executor = executor

    async def delete_batch(self, table: str, now_us: int, limit: int) -> int:
        """Delete up to `limit` rows of one of the DOOMED tables; answer how many went."""
        rows = await self._executor.fetch(
            f"""DELETE FROM identity.{table} WHERE ctid = ANY(ARRAY(
            SELECT ctid FROM identity.{table} WHERE {_MOMENT[table]} < $1 ORDER BY {_MOMENT[table]} LIMIT $2
            FOR UPDATE SKIP LOCKED)) RETURNING 1""",  # noqa: S608 - names from the tables above
            now_us - DOOMED[table], limit)
        return len(rows)
