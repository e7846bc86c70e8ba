"""The management of streams (SSF 1.0 section 8.1): a receiver has one, and sees and changes none but its own.

Every change is sealed before it stands.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NoReturn

from identity.domain.clients.remote_uris import Network
from identity.domain.people.sealed_secrets import derived_key, opened, sealed
from identity.domain.signals.events import VERIFICATION
from identity.domain.signals.streams import MIN_VERIFICATION_INTERVAL_S, Status, Stream, StreamSettings
from identity.domain.signals.subjects import digest_of, well_formed_subject
from identity.domain.signals.wishes import check_supplied_by_us, chosen_settings
from identity.service.foundation import SECOND_US, Foundation
from identity.store.database import Tables
from shared_kernel.context import RequestContext
from shared_kernel.errors import InvalidInputError, NotFoundError, TooManyRequestsError
from shared_kernel.ids import uuid7

_MAX_STATE = 1_024
_MAX_SUBJECTS = 10_000
_MAX_REASON = 300
Document = Mapping[str, Any]


class UnknownStreamError(NotFoundError):
    """The receiver has no such stream; that somebody else has is none of its business."""

    def __init__(self) -> None:
        super().__init__("this receiver has no such stream")


class VerifiedJustNowError(TooManyRequestsError):
    """Verification was asked for sooner than `min_verification_interval` allows (SSF 1.0 8.1.4.2)."""

    def __init__(self) -> None:
        super().__init__(f"ask for a verification at most every {MIN_VERIFICATION_INTERVAL_S} s")
        self.headers = {"Retry-After": str(MIN_VERIFICATION_INTERVAL_S)}


class StreamDesk:
    """Manages streams for the receivers that own them; `client_id` is the caller's."""

    def __init__(self, foundation: Foundation, *, form_key: bytes, networks: tuple[Network, ...] = ()) -> None:
        self._foundation = foundation
        self._key = derived_key(form_key, "signal receivers")
        self._networks = networks

    async def create(self, client_id: str, asked: Document, context: RequestContext) -> dict[str, Any]:
        """Create the receiver's stream; raise StreamExistsError (409), InvalidInputError (400)."""
        now_us = self._foundation.now_us()
        settings = self._chosen(client_id, asked, StreamSettings())
        stream = Stream(uuid7(), client_id, (client_id,), settings, Status.ENABLED, None, now_us, now_us, now_us)
        async with self._foundation.database.begin() as tables:
            await tables.signal_streams.add(stream)
            await self._seal("created", stream, context)
        return self._shown(stream)

    async def read(self, client_id: str, stream_id: str | None) -> dict[str, Any] | list[dict[str, Any]]:
        """Return one configuration, or without an id all the receiver has (SSF 1.0 8.1.1.2)."""
        async with self._foundation.database.read() as tables:
            if stream_id is not None:
                return self._shown(await self._own(tables, client_id, stream_id))
            stream = await tables.signal_streams.of_client(client_id)
        return [] if stream is None else [self._shown(stream)]

    async def change(self, client_id: str, asked: Document, context: RequestContext, *,
                     is_whole: bool) -> dict[str, Any]:
        """Update what is named, or with `is_whole` also take back what is not (SSF 1.0 8.1.1.3, 8.1.1.4)."""
        async with self._foundation.database.begin() as tables:
            stream = await self._own(tables, client_id, _stream_id(asked))
            check_supplied_by_us(asked, self._shown(stream))
            settings = self._chosen(client_id, asked, StreamSettings() if is_whole else stream.settings)
            changed = replace(stream, settings=settings, updated_at_us=self._foundation.now_us())
            await tables.signal_streams.put(changed)
            await tables.signal_events.due_now(stream.id, self._foundation.now_us())
            await self._seal("updated", changed, context)
        return self._shown(changed)

    async def delete(self, client_id: str, stream_id: str | None, context: RequestContext) -> None:
        """Delete a stream and what waits in it."""
        if stream_id is None:
            raise InvalidInputError("the parameter stream_id is missing")
        async with self._foundation.database.begin() as tables:
            stream = await self._own(tables, client_id, stream_id)
            await tables.signal_streams.delete(stream.id)
            await self._seal("deleted", stream, context)

    async def status(self, client_id: str, stream_id: str | None) -> dict[str, str]:
        """Return whether events flow."""
        if stream_id is None:
            raise InvalidInputError("the parameter stream_id is missing")
        async with self._foundation.database.read() as tables:
            return (await self._own(tables, client_id, stream_id)).to_status()

    async def set_status(self, client_id: str, asked: Document, context: RequestContext) -> dict[str, str]:
        """Let events flow, wait or go (SSF 1.0 8.1.2.2)."""
        status, reason = _status(asked), asked.get("reason")
        if reason is not None and not isinstance(reason, str):
            raise InvalidInputError("reason must be a text")
        async with self._foundation.database.begin() as tables:
            stream = await self._own(tables, client_id, _stream_id(asked))
            now_us = self._foundation.now_us()
            changed = replace(stream, status=status, status_reason=reason and reason[:_MAX_REASON],
                              updated_at_us=now_us)
            await tables.signal_streams.put(changed)
            if status is Status.DISABLED:
                await tables.signal_events.drop_all(stream.id)
            elif status is Status.ENABLED:
                await tables.signal_events.due_now(stream.id, now_us)
            await self._seal(str(status), changed, context)
        return changed.to_status()

    async def name_subject(self, client_id: str, asked: Document, context: RequestContext, *,
                           is_removed: bool) -> None:
        """Add or remove a subject. Whether we know them is not told (SSF 1.0 9.1): the answer is the same."""
        subject = well_formed_subject(asked.get("subject"))
        if not isinstance(asked.get("verified", True), bool):
            raise InvalidInputError("verified must be true or false")
        async with self._foundation.database.begin() as tables:
            stream = await self._own(tables, client_id, _stream_id(asked))
            if await tables.signal_streams.subjects(stream.id) >= _MAX_SUBJECTS:
                raise InvalidInputError(f"a stream has at most {_MAX_SUBJECTS} subjects: all people are in it anyway")
            await tables.signal_streams.name_subject(
                stream.id, digest_of(subject, self._foundation.mint.issuer), subject, is_removed=is_removed,
                now_us=self._foundation.now_us())
            await self._seal("subject removed" if is_removed else "subject added", stream, context)

    async def verify(self, client_id: str, asked: Document) -> None:
        """Queue a verification event with the receiver's state (SSF 1.0 8.1.4.2)."""
        state = asked.get("state")
        if state is not None and (not isinstance(state, str) or len(state) > _MAX_STATE):
            raise InvalidInputError(f"state must be a text of at most {_MAX_STATE} characters")
        now_us = self._foundation.now_us()
        async with self._foundation.database.begin() as tables:
            stream = await self._own(tables, client_id, _stream_id(asked))
            last_us = stream.verified_at_us
            if last_us is not None and now_us - last_us < MIN_VERIFICATION_INTERVAL_S * SECOND_US:
                raise VerifiedJustNowError
            await tables.signal_streams.put(replace(stream, verified_at_us=now_us))
            if stream.status is not Status.DISABLED:
                event = {} if state is None else {"state": state}
                await tables.signal_events.about_stream(stream.id, VERIFICATION, event, now_us)

    def authorization_of(self, stream: Stream) -> str | None:
        """Return what the receiver wants in the Authorization header of pushes."""
        text = stream.settings.sealed_authorization
        if text is None:
            return None
        return opened(urlsafe_b64decode(text), key=self._key, owner=stream.client_id).decode()

    async def _own(self, tables: Tables, client_id: str, stream_id: str) -> Stream:
        """Return the caller's stream; whoever manages it is seen."""
        stream = await tables.signal_streams.of_client(client_id, seen_at_us=self._foundation.now_us())
        if stream is None or stream.id != stream_id:
            raise UnknownStreamError
        return stream

    def _chosen(self, client_id: str, asked: Document, current: StreamSettings) -> StreamSettings:
        def seal(text: str) -> str:
            return urlsafe_b64encode(sealed(text.encode(), key=self._key, owner=client_id)).decode()
        return chosen_settings(asked, current, allowed=self._networks, seal=seal)

    def _shown(self, stream: Stream) -> dict[str, Any]:
        issuer = self._foundation.mint.issuer
        return stream.to_configuration(issuer, f"{issuer}/signals/poll/{stream.id}")

    async def _seal(self, change: str, stream: Stream, context: RequestContext) -> None:
        await self._foundation.journal.seal(
            "signal_stream_changed", context=context,
            grid={"signals": {"change": change, "stream_id": stream.id, "client_id": stream.client_id,
                              "status": str(stream.status), "method": stream.settings.method}})


def _stream_id(asked: Document) -> str:
    found = asked.get("stream_id")
    if not isinstance(found, str) or not found:
        _refuse("stream_id is missing")
    return found


def _status(asked: Document) -> Status:
    try:
        return Status(str(asked.get("status")))
    except ValueError:
        _refuse("status must be enabled, paused or disabled")


def _refuse(why: str) -> NoReturn:
    raise InvalidInputError(why)
