"""What a person is told about their own account: by mail, and through CAEP to whoever listens."""

from collections.abc import Mapping
from typing import Any

from identity.domain.records import User
from identity.service.people.mailing import Mailing
from identity.store.database import Tables
from shared_kernel.clock import to_iso
from shared_kernel.context import RequestContext


class Notices:
    """Queues what a person must hear of, inside the transaction in which it happens."""

    def __init__(self, mailing: Mailing, *, can_mail: bool) -> None:
        self._mailing = mailing
        self._can_mail = can_mail

    def can_reach(self, user: User) -> bool:
        """Whether a mail can reach the person."""
        return self._can_mail and user.is_email_verified and user.email is not None

    async def tell(self, tables: Tables, user: User, template: str, **fields: object) -> None:
        """Queue a mail when there is somewhere to send it."""
        if self.can_reach(user):
            await self._mailing.queue(tables, user=user, template=template, fields=fields)


def about(context: RequestContext, now_us: int, **more: str) -> Mapping[str, Any]:
    """Return what a mail says of where something came from."""
    return {"address": context.source_ip, "browser": context.user_agent[:200], "at": to_iso(now_us), **more}
