"""What a person's sessions leave behind: ended with their grants, and everybody who relied on them told.

All of it inside the caller's transaction; after its commit the caller forgets cached states.
"""

from identity.domain.records import Session, User
from identity.domain.signals.events import Initiator
from identity.service.foundation import Foundation
from identity.service.oauth.session_ends import tell_all_sessions_ending, tell_session_ended
from identity.store.database import Tables


class Endings:
    """Ends sessions."""

    def __init__(self, foundation: Foundation) -> None:
        self._foundation = foundation

    async def all_of(self, tables: Tables, user: User, reason: str, initiator: Initiator) -> int:
        """End every session of a person and every grant, also those that outlive sessions; answer how many sessions."""
        now_us = self._foundation.now_us()
        await tell_all_sessions_ending(tables, user_id=user.id, reason=reason, initiator=initiator, now_us=now_us)
        ended = await tables.sessions.end_all_of(user.id, now_us)
        await tables.grants.revoke_of_user(user.id, reason, now_us)
        return ended

    async def others(self, tables: Tables, session: Session, reason: str) -> int:
        """End every session of this one's person but this one, with all grants but its own; answer how many."""
        now_us = self._foundation.now_us()
        ended = 0
        for other in await tables.logout_deliveries.live_sessions_of(session.user_id, now_us):
            if other != session.id and await self.one(tables, session.user_id, other, reason, Initiator.USER):
                ended += 1
        await tables.account_views.revoke_grants_beside(session.user_id, session.id, reason, now_us)
        return ended

    async def one(self, tables: Tables, user_id: str, session_id: str, reason: str, initiator: Initiator) -> bool:
        """End one session of a person; False when they have none of this id."""
        now_us = self._foundation.now_us()
        ended = await tables.account_views.session_of(user_id, session_id, now_us)
        if ended is None or not await tables.sessions.end(session_id, now_us):
            return False
        await tell_session_ended(tables, ended, reason=reason, initiator=initiator, now_us=now_us)
        await tables.grants.revoke_of_session(session_id, reason, now_us)
        return True
