"""The outbox: a mail is written in the transaction of what it tells of, and leaves it when a server took it."""

from collections.abc import Sequence

import asyncpg

from identity.domain.people.mails import Mail
from identity.store.documents import from_json, to_json

_COLUMNS = "id, user_id, recipient, template, language, fields, created_at_us, tries"


class Mails:
    """Reads and writes identity.mails."""

    def __init__(self, executor: asyncpg.Pool) -> None:
        self._executor = executor

    async def add(self, mail: Mail) -> None:
        """Put a mail into the outbox, due at once."""
        await self._executor.execute(
            """INSERT INTO identity.mails
            (id, user_id, recipient, template, language, fields, created_at_us, due_at_us)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $7)""",
            mail.id, mail.user_id, mail.recipient, mail.template, mail.language, to_json(mail.fields),
            mail.created_at_us)

    async def claim(self, now_us: int, until_us: int, limit: int) -> Sequence[Mail]:
        """Return mails that are due, claimed until `until_us`: whoever dies meanwhile has only delayed them."""
        rows = await self._executor.fetch(
            f"""UPDATE identity.mails SET due_at_us = $2, tries = tries + 1 WHERE id IN (
            SELECT id FROM identity.mails WHERE sent_at_us IS NULL AND given_up_at_us IS NULL AND due_at_us <= $1
            ORDER BY due_at_us LIMIT $3 FOR UPDATE SKIP LOCKED) RETURNING {_COLUMNS}""",  # noqa: S608 - a constant
            now_us, until_us, limit)
        return [Mail(row["id"], row["user_id"], row["recipient"], row["template"], row["language"],
                     from_json(row["fields"]), row["created_at_us"], row["tries"]) for row in rows]

    async def sent(self, mail_id: str, now_us: int) -> None:
        """Note that a server took a mail; what it said is no longer ours to keep."""
        await self._executor.execute(
            "UPDATE identity.mails SET sent_at_us = $2, last_error = NULL, fields = '{}' WHERE id = $1",
            mail_id, now_us)

    async def failed(self, mail_id: str, error: str, due_at_us: int) -> None:
        """Note why a mail stays, and when it is tried again."""
        await self._executor.execute(
            "UPDATE identity.mails SET due_at_us = $3, last_error = $2 WHERE id = $1", mail_id, error, due_at_us)

    async def given_up(self, mail_id: str, error: str, now_us: int) -> None:
        """Note that a mail will never be sent."""
        await self._executor.execute(
            "UPDATE identity.mails SET given_up_at_us = $3, last_error = $2, fields = '{}' WHERE id = $1",
            mail_id, error, now_us)

    async def recent(self, recipient: str, templates: Sequence[str], since_us: int) -> int:
        """Return how many mails of some kinds an address was sent lately."""
        return int(await self._executor.fetchval(
            """SELECT count(*) FROM identity.mails
            WHERE recipient = $1 AND template = ANY($2) AND created_at_us > $3""",
            recipient, list(templates), since_us))

    async def standing(self) -> tuple[int, int, str | None]:
        """Return how many mails wait, how many were given up, and the newest reason."""
        row = await self._executor.fetchrow(
            """SELECT count(*) FILTER (WHERE sent_at_us IS NULL AND given_up_at_us IS NULL) AS waiting,
            count(*) FILTER (WHERE given_up_at_us IS NOT NULL AND user_id IS NOT NULL) AS given_up,
            (SELECT last_error FROM identity.mails WHERE last_error IS NOT NULL AND user_id IS NOT NULL
             ORDER BY created_at_us DESC LIMIT 1) AS last_error FROM identity.mails""")
        return row["waiting"], row["given_up"], row["last_error"]
