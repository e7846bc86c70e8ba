"""What follows from the end of sessions, inside the transaction that ends them: clients and receivers are told.

Nothing is sent here: rows are queued, and stand or fall with the end of the session itself.
"""

from collections.abc import Sequence

from identity.domain.records import Session
from identity.domain.signals.events import Initiator, session_revoked
from identity.store.database import Tables


async def queue_logouts(tables: Tables, session_ids: Sequence[str], now_us: int) -> int:
    """Queue a back-channel logout to every client that got tokens in these sessions; answer how many."""
    return await tables.logout_deliveries.queue(session_ids, now_us) if session_ids else 0


async def tell_session_ended(tables: Tables, session: Session, *, reason: str, initiator: Initiator,
                             now_us: int) -> None:
    """Tell clients and receivers that one session ended."""
    await queue_logouts(tables, [session.id], now_us)
    await tables.signal_events.emit(session_revoked(reason, initiator, session.id), session.user_id, now_us)


async def tell_all_sessions_ending(tables: Tables, *, user_id: str, reason: str, initiator: Initiator,
                                   now_us: int) -> None:
    """Tell clients and receivers that every session of a person ends; to be called before they are ended."""
    await queue_logouts(tables, await tables.logout_deliveries.live_sessions_of(user_id, now_us), now_us)
    await tables.signal_events.emit(session_revoked(reason, initiator), user_id, now_us)
