"""The table of browsers between the password and the second factor."""

import asyncpg

from identity.domain.opaque import Opaque
from identity.domain.people.factors import LoginStep

_COLUMNS = "id, user_id, session_id, amr, why, tries, expires_at_us, mail_code_hash"


class LoginSteps:
    """Reads and writes identity.login_steps."""

    def __init__(self, executor: asyncpg.Pool) -> None:
        self._executor = executor

    async def add(self, cookie: Opaque, step: LoginStep, now_us: int) -> None:
        """Begin a step that only the cookie's holder can take."""
        await self._executor.execute(
            """INSERT INTO identity.login_steps
            (id, secret_hash, user_id, session_id, amr, why, created_at_us, expires_at_us)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8)""",
            step.id, cookie.sha256, step.user_id, step.session_id, list(step.amr), list(step.why), now_us,
            step.expires_at_us)

    async def due(self, cookie: Opaque, now_us: int, *, max_tries: int) -> LoginStep | None:
        """Return the step behind a cookie while it can be taken and its person may log in."""
        return _step(await self._executor.fetchrow(
            f"""SELECT {_COLUMNS} FROM identity.login_steps
            WHERE id = $1 AND secret_hash = $2 AND used_at_us IS NULL AND expires_at_us > $3 AND tries < $4
            AND user_id IN (SELECT id FROM identity.users WHERE status = 'active')""",  # noqa: S608 - a constant
            cookie.id, cookie.sha256, now_us, max_tries))

    async def count_try(self, step_id: str, *, max_tries: int) -> bool:
        """Count a try before it is looked at, so that parallel guesses all count; answer whether it may be made."""
        return bool(await self._executor.fetchval(
            """UPDATE identity.login_steps SET tries = tries + 1
            WHERE id = $1 AND used_at_us IS NULL AND tries < $2 RETURNING true""", step_id, max_tries))

    async def claim(self, step_id: str, now_us: int) -> bool:
        """Use the step up; answer whether it was still to be taken."""
        return bool(await self._executor.fetchval(
            "UPDATE identity.login_steps SET used_at_us = $2 WHERE id = $1 AND used_at_us IS NULL RETURNING true",
            step_id, now_us))

    async def set_mail_code(self, step_id: str, code_hash: bytes) -> bool:
        """Remember the mailed code, once a step; answer whether this is the first."""
        return bool(await self._executor.fetchval(
            """UPDATE identity.login_steps SET mail_code_hash = $2
            WHERE id = $1 AND used_at_us IS NULL AND mail_code_hash IS NULL RETURNING true""", step_id, code_hash))


def _step(row: asyncpg.Record | None) -> LoginStep | None:
    return row and LoginStep(row["id"], row["user_id"], row["session_id"], tuple(row["amr"]), tuple(row["why"]),
                             row["tries"], row["expires_at_us"], row["mail_code_hash"])
