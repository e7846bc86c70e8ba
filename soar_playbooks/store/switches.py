"""Kill switches."""

from collections.abc import Sequence

import asyncpg

from soar_playbooks.domain.run import Switch
from soar_playbooks.store.connection import connection

_SET = """
    INSERT INTO soar_playbooks.switches (scope, is_on, set_by, reason, set_at_us) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (scope) DO UPDATE SET is_on = excluded.is_on, set_by = excluded.set_by, reason = excluded.reason,
        set_at_us = excluded.set_at_us
"""


class SwitchStore:
    """Keeps kill switches."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def set(self, switch: Switch) -> None:
        """Turn one on or off."""
        async with connection(self._pool) as lent:
            await lent.execute(_SET, switch.scope, switch.is_on, switch.set_by, switch.reason, switch.set_at_us)

    async def all(self) -> list[Switch]:
        """Return every switch ever set."""
        async with connection(self._pool) as lent:
            rows = await lent.fetch("SELECT * FROM soar_playbooks.switches ORDER BY scope")
        return [Switch(**row) for row in rows]

    async def first_on(self, scopes: Sequence[str]) -> str | None:
        """Return one of these scopes that is on, or None."""
        async with connection(self._pool) as lent:
            found = await lent.fetchval(
                "SELECT scope FROM soar_playbooks.switches WHERE is_on AND scope = ANY($1) LIMIT 1", list(scopes),
            )
        return str(found) if found else None
