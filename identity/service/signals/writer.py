"""From an event that waits to the signed token a receiver gets."""

from identity.domain.signals.streams import Stream
from identity.domain.signals.subjects import stream_subject, subject_of
from identity.domain.signals.tokens import SET_ALGORITHM, SET_TYPE, set_claims
from identity.service.foundation import SECOND_US, Foundation
from identity.store.signals.events import StoredEvent


class SetWriter:
    """Writes security event tokens: the same event is always the same token but for its signature."""

    def __init__(self, foundation: Foundation) -> None:
        self._foundation = foundation

    async def written(self, stream: Stream, event: StoredEvent) -> str:
        """Return the token of an event for the receiver of a stream."""
        mint, payload = self._foundation.mint, event.payload
        user_id = payload.get("user_id")
        subject = stream_subject(stream.id) if user_id is None else subject_of(
            mint.issuer, user_id, email=payload.get("email"), session_id=payload.get("session_id"))
        claims = set_claims(
            issuer=mint.issuer, audience=stream.audience, token_id=event.id,
            issued_at_s=event.created_at_us // SECOND_US, subject=subject, kind=payload["type"],
            event=payload["event"], txn=payload["txn"])
        return await mint.sign(claims, token_type=SET_TYPE, algorithm=SET_ALGORITHM)
