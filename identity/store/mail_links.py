"""The table of links that were mailed: each is good once."""

import asyncpg

from identity.domain.opaque import Opaque
from identity.domain.people.mails import LinkPurpose, MailLink

_LIVE = "id = $1 AND secret_hash = $2 AND purpose = $3 AND used_at_us IS NULL AND expires_at_us > $4"


class MailLinks:
    """Reads and writes identity.mail_links."""

    def __init__(self, executor: asyncpg.Pool) -> None:
        self._executor = executor

    async def add(self, secret: Opaque, link: MailLink) -> None:
        """Keep the hash of a link that is about to be mailed; of somebody who is gone nothing is kept."""
        await self._executor.execute(
            """INSERT INTO identity.mail_links (id, secret_hash, user_id, purpose, email, expires_at_us)
            SELECT $1, $2, id, $4, $5, $6 FROM identity.users WHERE id = $3 FOR KEY SHARE""",
            link.id, secret.sha256, link.user_id, link.purpose, link.email, link.expires_at_us)

    async def live(self, secret: Opaque, purpose: LinkPurpose, now_us: int) -> MailLink | None:
        """Return the link while it can be used."""
        return _link(await self._executor.fetchrow(
            f"SELECT id, user_id, purpose, email, expires_at_us FROM identity.mail_links WHERE {_LIVE}",  # noqa: S608
            secret.id, secret.sha256, purpose, now_us))

    async def use(self, secret: Opaque, purpose: LinkPurpose, now_us: int) -> MailLink | None:
        """Use the link up, with every other of its person and purpose; None when it was used or is over."""
        link = _link(await self._executor.fetchrow(
            f"UPDATE identity.mail_links SET used_at_us = $4 WHERE {_LIVE} "  # noqa: S608 - a constant
            "RETURNING id, user_id, purpose, email, expires_at_us",
            secret.id, secret.sha256, purpose, now_us))
        if link is not None:
            await self.void(link.user_id, purpose, now_us)
        return link

    async def void(self, user_id: str, purpose: LinkPurpose, now_us: int) -> None:
        """Take the worth of every link of a person and purpose."""
        await self._executor.execute(
            """UPDATE identity.mail_links SET used_at_us = $3
            WHERE user_id = $1 AND purpose = $2 AND used_at_us IS NULL""", user_id, purpose, now_us)

    async def void_all(self, user_id: str, now_us: int) -> None:
        """Take the worth of every link of a person."""
        await self._executor.execute(
            "UPDATE identity.mail_links SET used_at_us = $2 WHERE user_id = $1 AND used_at_us IS NULL",
            user_id, now_us)


def _link(row: asyncpg.Record | None) -> MailLink | None:
    return row and MailLink(row["id"], row["user_id"], LinkPurpose(row["purpose"]), row["email"],
                            row["expires_at_us"])
