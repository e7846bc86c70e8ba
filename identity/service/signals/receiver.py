"""Events from others take effect: sessions end, accounts are locked, within the request that brings them.

Each token once: a repeated one is answered as the first and does nothing. It is remembered after its effect, so that
one whose answer never came takes effect when it is sent again. An event about somebody we do not know is
taken and does nothing, as RFC 8935 wants it.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from prometheus_client import Counter

from identity.domain.jose.foreign import CLIENT_ALGORITHMS, peeked, verified
from identity.domain.naming import account_name, is_account_name
from identity.domain.oauth.errors import InvalidTokenError
from identity.domain.records import User
from identity.domain.signals.received import (
    MAX_AGE_S,
    Effect,
    Names,
    ReceivedEvent,
    RefusedSetError,
    TrustedTransmitter,
    read_event,
)
from identity.domain.signals.tokens import SET_TYPE
from identity.service.foundation import SECOND_US, Foundation
from identity.service.people.accounts import Accounts, LastAdministratorError, UnknownSessionError
from identity.store.database import Tables
from identity.store.seen_proofs import ProofKind
from shared_kernel.context import RequestContext

_REMEMBERED_S = MAX_AGE_S + 3_600
_TYPES = frozenset({SET_TYPE, f"application/{SET_TYPE}"})
_received = Counter("gridwarden_identity_signals_received_total", "Security events received", ["effect"])
_refused = Counter("gridwarden_identity_signals_refused_total", "Security event tokens refused", ["code"])


class SignalReceiver:
    """Takes security event tokens by push (RFC 8935)."""

    def __init__(self, foundation: Foundation, accounts: Accounts, trusted: Sequence[TrustedTransmitter]) -> None:
        self._foundation, self._accounts = foundation, accounts
        self._trusted = {transmitter.issuer: transmitter for transmitter in trusted}

    async def receive(self, token: str, context: RequestContext) -> None:
        """Let an event take effect; raise RefusedSetError for a token that cannot be used."""
        try:
            event, trusted = await self._read(token)
        except RefusedSetError as error:
            _refused.labels(error.code).inc()
            raise
        digest = hashlib.sha256(f"set\0{event.issuer}\0{event.token_id}".encode()).digest()
        async with self._foundation.database.read() as tables:
            if await tables.seen_proofs.was_shown(ProofKind.ASSERTION, digest):
                return
            user = await self._person(tables, event.subject, trusted)
        _received.labels(event.effect if user else Effect.NOTHING).inc()
        await self._foundation.journal.seal(
            "signal_received", context=context, reason=event.reason,
            user={"id": user.id, "name": user.name} if user else {"id": "unknown", "name": "unknown"},
            grid={"signals": {"issuer": event.issuer, "event": event.kind, "jti": event.token_id,
                              "effect": str(event.effect), "is_known": user is not None}})
        if user is not None:
            await self._take_effect(event, user, context)
        async with self._foundation.database.read() as tables:
            await tables.seen_proofs.claim(ProofKind.ASSERTION, digest,
                                           self._foundation.now_us() + _REMEMBERED_S * SECOND_US)

    async def _read(self, token: str) -> tuple[ReceivedEvent, TrustedTransmitter]:
        try:
            looked = peeked(token)
        except InvalidTokenError as cause:
            raise RefusedSetError("invalid_request", cause.detail) from cause
        trusted = self._trusted.get(str(looked.claims.get("iss")))
        if trusted is None:
            raise RefusedSetError("invalid_issuer", "this issuer is not trusted here")
        try:
            keys = await self._foundation.client_keys.at(trusted.jwks_uri, kid=looked.header.get("kid"))
            checked = verified(token, keys, algorithms=CLIENT_ALGORITHMS, types=_TYPES)
        except InvalidTokenError as cause:
            raise RefusedSetError("invalid_key", cause.detail) from cause
        return read_event(checked.claims, trusted, self._foundation.now_us() // SECOND_US), trusted

    async def _person(self, tables: Tables, subject: Mapping[str, Any], trusted: TrustedTransmitter) -> User | None:
        """Return whom a subject identifier means (RFC 9493), None when it is nobody we know."""
        kind = subject.get("format")
        if kind == "complex":
            return await self._person(tables, subject.get("user", {}), trusted)
        if kind == "aliases":
            found = [await self._person(tables, each, trusted) for each in subject["identifiers"]]
            return next((user for user in found if user is not None), None)
        if kind == "email":
            return await tables.users.with_email(subject["email"].lower())
        if kind == "iss_sub" and subject["iss"] == self._foundation.mint.issuer:
            return await tables.users.get(subject["sub"])
        if kind == "iss_sub" and subject["iss"] == trusted.issuer:
            return await _named(tables, subject["sub"], trusted.subjects)
        return None

    async def _take_effect(self, event: ReceivedEvent, user: User, context: RequestContext) -> None:
        by = f"signal from {event.issuer}"
        if event.effect is Effect.LOCK:
            try:
                await self._accounts.lock(user.id, reason=event.reason, by=by, context=context)
            except LastAdministratorError:  # nobody could unlock anybody any more: they go out all the same
                await self._accounts.revoke_sessions(user.id, by=by, context=context)
        elif event.effect is Effect.END_SESSIONS:
            await self._end_sessions(event, user, by, context)

    async def _end_sessions(self, event: ReceivedEvent, user: User, by: str, context: RequestContext) -> None:
        """End the one session that is named and ours, otherwise all."""
        session = event.subject.get("session") if event.subject.get("format") == "complex" else None
        if isinstance(session, dict) and isinstance(session.get("id"), str):
            try:
                await self._accounts.end_session(user.id, session["id"], by=by, context=context)
            except UnknownSessionError:
                pass
            else:
                return
        await self._accounts.revoke_sessions(user.id, by=by, context=context)


async def _named(tables: Tables, sub: str, names: Names) -> User | None:
    if names is Names.ID:
        return await tables.users.get(sub)
    if names is Names.NAME and is_account_name(account_name(sub)):
        return await tables.users.named(account_name(sub))
    return None
