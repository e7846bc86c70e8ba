"""Logging in with a password: every refusal costs the same and says the same.

Steps: 1 count the attempt, 2 verify the password and, beside it, score the risk, 3 the first reason to refuse wins,
4 a new session, sealed before it stands. An attempt that could not be sealed is not counted.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog
from prometheus_client import Counter

from identity.domain.naming import account_name, is_account_name, network_of, shown_name
from identity.domain.oauth.errors import LoginRefusedError
from identity.domain.opaque import Kind, Opaque, mint, read, sha256
from identity.domain.people.login_policy import ATTEMPT_WINDOW_US, MAX_ATTEMPTS, REFUSED_RISK, UNKNOWN_RISK
from identity.domain.records import Session, User
from identity.service.foundation import SECOND_US, Foundation
from identity.service.journal import described
from identity.service.people.passwords import Passwords
from identity.store.database import Tables
from shared_kernel.context import RequestContext
from shared_kernel.ids import uuid7

LoginRisk = Callable[[str, str, str], Awaitable[int]]
"""(user_id, source_ip, user_agent) -> 0..100."""
LoginAccepted = Callable[[str, str, str], Awaitable[None]]

_LOGINS = Counter("gridwarden_identity_logins_total", "Password logins by outcome", ["reason"])
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Attempt:
    """One try: whose account, from where, and whether there were too many before."""

    id: str
    name: str
    address: str
    account: bytes
    user: User | None
    is_one_too_many: bool


class LoginDesk:
    """Turns a name and a password into a session."""

    def __init__(self, foundation: Foundation, passwords: Passwords, *, risk: LoginRisk | None,
                 accepted: LoginAccepted | None) -> None:
        self._foundation = foundation
        self._passwords = passwords
        self._risk = risk
        self._accepted = accepted

    async def login(self, name: str, password: str, *, previous: str | None,
                    context: RequestContext) -> tuple[Opaque, Session]:
        """Return a new session and its cookie; raise LoginRefusedError. The browser's previous session ends."""
        attempt = await self._begin(name, context)
        try:
            reason = await self._reason_to_refuse(attempt, password, context)
            cookie, session = await self._admit_or_refuse(attempt, reason, previous, context)
        except LoginRefusedError:
            raise
        except BaseException:
            await self._forget(attempt)
            raise
        _LOGINS.labels("success").inc()
        await self._tell_accepted(session.user_id, context)
        return cookie, session

    async def session(self, cookie: str | None) -> Session | None:
        """Return the live session behind a cookie's text."""
        opaque = read(cookie, Kind.SESSION) if cookie else None
        if opaque is None:
            return None
        async with self._foundation.database.read() as tables:
            return await tables.sessions.live(opaque, self._foundation.now_us())

    async def _begin(self, name: str, context: RequestContext) -> _Attempt:
        now_us, wanted = self._foundation.now_us(), account_name(name)
        attempt_id, address, account = uuid7(), network_of(context.source_ip), sha256(wanted)
        async with self._foundation.database.begin() as tables:
            await tables.login_attempts.add(attempt_id, address, account, now_us)
            tries = await tables.login_attempts.count(address, account, now_us - ATTEMPT_WINDOW_US)
            user = await tables.users.named(wanted if is_account_name(wanted) else "")
        return _Attempt(attempt_id, name, address, account, user, tries > MAX_ATTEMPTS)

    async def _reason_to_refuse(self, attempt: _Attempt, password: str, context: RequestContext) -> str | None:
        user = attempt.user
        is_right, risk = await asyncio.gather(
            self._passwords.verify(user.password_hash if user else None, password), self._risk_of(user, context))
        doubts = (
            (attempt.is_one_too_many, "locked"),
            (not is_right, "bad_credentials"),
            (user is not None and not user.is_active, "locked"),
            (risk >= REFUSED_RISK, "risk"),
        )
        return next((reason for applies, reason in doubts if applies), None)

    async def _risk_of(self, user: User | None, context: RequestContext) -> int:
        if user is None or self._risk is None:
            return 0
        try:
            return await self._risk(user.id, context.source_ip, context.user_agent)
        except Exception as error:  # noqa: BLE001 - whatever the model raises, its silence is no consent
            _log.warning("login_risk_unknown", error=type(error).__name__, request_id=context.request_id)
            return UNKNOWN_RISK

    async def _refuse(self, attempt: _Attempt, reason: str, context: RequestContext) -> None:
        known = {"id": attempt.user.id} if attempt.user else {}
        await self._foundation.journal.seal(
            "user_login", context=context, user={**known, "name": shown_name(attempt.name)}, reason=reason,
            outcome="failure", grid={"login": {"throttled": attempt.is_one_too_many}})
        _LOGINS.labels(reason).inc()

    async def _admit_or_refuse(self, attempt: _Attempt, reason: str | None, previous: str | None,
                               context: RequestContext) -> tuple[Opaque, Session]:
        if reason is None and attempt.user is not None:
            return await self._admit(attempt, attempt.user, previous, context)
        await self._refuse(attempt, reason or "bad_credentials", context)
        raise LoginRefusedError

    async def _admit(self, attempt: _Attempt, user: User, previous: str | None,
                     context: RequestContext) -> tuple[Opaque, Session]:
        now_us, cookie = self._foundation.now_us(), mint(Kind.SESSION)
        session = Session(cookie.id, user.id, user.name, now_us,
                          now_us + self._foundation.lifetimes.session_s * SECOND_US)
        async with self._foundation.database.begin() as tables:
            if not await tables.users.is_still_active(user.id):
                await self._refuse(attempt, "locked", context)
                raise LoginRefusedError
            await self._end_previous(tables, previous, now_us)
            await tables.sessions.add(cookie, session, source_ip=context.source_ip, user_agent=context.user_agent)
            await tables.login_attempts.clear(attempt.address, attempt.account)
            await self._foundation.journal.seal("user_login", context=context, user=described(user),
                                                grid={"oauth": {"sid": session.id}})
        self._foundation.states.forget()
        return cookie, session

    async def _end_previous(self, tables: Tables, previous: str | None, now_us: int) -> None:
        """A browser has one session: the one it came with ends, so that nobody keeps a foothold in it."""
        cookie = read(previous, Kind.SESSION) if previous else None
        old = await tables.sessions.live(cookie, now_us) if cookie else None
        if old is not None:
            await tables.sessions.end(old.id, now_us)
            await tables.grants.revoke_of_session(old.id, "new_login", now_us)

    async def _forget(self, attempt: _Attempt) -> None:
        async with self._foundation.database.read() as tables:
            await tables.login_attempts.forget(attempt.id)

    async def _tell_accepted(self, user_id: str, context: RequestContext) -> None:
        if self._accepted is None:
            return
        try:
            await self._accepted(user_id, context.source_ip, context.user_agent)
        except Exception as error:  # noqa: BLE001 - learning from a login must not undo it
            _log.warning("login_not_observed", error=type(error).__name__, request_id=context.request_id)
