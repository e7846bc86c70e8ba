"""Logging in with a password: every refusal costs the same and says the same.

Steps: 1 count the attempt, 2 verify the password and, beside it, score the risk, 3 the first reason to refuse wins,
4 a second factor where one is due, 5 a new session, sealed before it stands. An attempt that could not be sealed is
not counted.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from identity.domain.naming import account_name, is_account_name, shown_name
from identity.domain.oauth.errors import LoginRefusedError
from identity.domain.opaque import Kind, read, sha256
from identity.domain.people.login_policy import ATTEMPT_MEMORY_US, Assessment, shut_out_until_us
from identity.domain.records import Session, User
from identity.service.foundation import Foundation
from identity.service.people.admission import LOGINS, Admission, Entry
from identity.service.people.arrivals import Arrival, Arrivals
from identity.service.people.outcomes import LoginOutcome, Visit
from identity.service.people.passwords import Passwords
from identity.service.people.step_opening import StepOpening
from shared_kernel.context import RequestContext
from shared_kernel.ids import uuid7


@dataclass(frozen=True, slots=True)
class _Attempt:
    """One try: whose account, by which bucket it counts, whether there were too many before; whether it is as usual."""

    id: str
    name: str
    bucket: tuple[str, bytes]
    arrival: Arrival
    is_one_too_many: bool
    is_usual: bool

    @property
    def user(self) -> User | None:
        """The person of that name."""
        return self.arrival.user


class LoginDesk:
    """Turns a name and a password into a session, or into a step that is due."""

    def __init__(self, foundation: Foundation, passwords: Passwords, arrivals: Arrivals, admission: Admission,
                 opening: StepOpening) -> None:
        self._foundation = foundation
        self._passwords = passwords
        self._arrivals = arrivals
        self._admission = admission
        self._opening = opening

    async def login(self, name: str, password: str, *, visit: Visit, wanted: Sequence[str] = (),
                    context: RequestContext) -> LoginOutcome:
        """Return a session, or the step that is due; raise LoginRefusedError, one sentence for every cause."""
        attempt = await self._begin(name, visit, context)
        try:
            return await self._decide(attempt, password, visit, wanted, context)
        except LoginRefusedError:
            raise
        except BaseException:
            await self._forget(attempt)
            raise

    async def session(self, cookie: str | None) -> Session | None:
        """Return the live session behind a cookie's text."""
        opaque = read(cookie, Kind.SESSION) if cookie else None
        if opaque is None:
            return None
        async with self._foundation.database.read() as tables:
            return await tables.sessions.live(opaque, self._foundation.now_us())

    async def _begin(self, name: str, visit: Visit, context: RequestContext) -> _Attempt:
        """Count the attempt: a known device has a bucket of its own, so that no stranger can fill it."""
        now_us, wanted = self._foundation.now_us(), account_name(name)
        attempt_id, account = uuid7(), sha256(wanted)
        async with self._foundation.database.begin() as tables:
            user = await tables.users.named(wanted if is_account_name(wanted) else "")
            arrival = await self._arrivals.recognise(tables, user, visit, context=context, now_us=now_us)
            address = arrival.bucket(context)
            await tables.login_attempts.add(attempt_id, address, account, now_us)
            before = await tables.login_attempts.before(attempt_id, address, account, now_us - ATTEMPT_MEMORY_US)
            is_shut_out = now_us < shut_out_until_us(before)
            if is_shut_out:
                await tables.login_attempts.forget(attempt_id)
        return _Attempt(attempt_id, name, (address, account), arrival, is_shut_out,
                        not before and arrival.is_where_it_was(context))

    async def _decide(self, attempt: _Attempt, password: str, visit: Visit, wanted: Sequence[str],
                      context: RequestContext) -> LoginOutcome:
        user = attempt.user
        is_right, model_risk = await asyncio.gather(
            self._passwords.verify(user.password_hash if user else None, password),
            self._arrivals.model_risk(user, context))
        found = attempt.arrival.assessment(model_risk, wanted, self._foundation.now_us())
        reason = _reason_to_refuse(attempt, found, is_right=is_right)
        if reason is not None or user is None:
            await self._refuse(attempt, reason or "bad_credentials", context)
            raise LoginRefusedError
        if not found.reasons_to_step_up:
            return await self._admit(attempt, user, visit, context)
        step = await self._opening.after_password(user, attempt.arrival, found, context)
        if step is None:
            await self._refuse(attempt, "risk", context, no_factor=True)
            raise LoginRefusedError
        return step

    async def _admit(self, attempt: _Attempt, user: User, visit: Visit, context: RequestContext) -> LoginOutcome:
        async with self._foundation.database.begin() as tables:
            if not await tables.users.is_still_active(user.id):
                await self._refuse(attempt, "locked", context)
                raise LoginRefusedError
            entry = Entry(user, attempt.arrival, ("pwd",), visit, bucket=attempt.bucket, is_usual=attempt.is_usual)
            signed_in = await self._admission.admit(tables, entry, context)
        await self._admission.welcome(signed_in, context)
        return signed_in

    async def _refuse(self, attempt: _Attempt, reason: str, context: RequestContext, *,
                      no_factor: bool = False) -> None:
        known = {"id": attempt.user.id} if attempt.user else {}
        about = {"throttled": attempt.is_one_too_many} | ({"no_factor": True} if no_factor else {})
        await self._foundation.journal.seal(
            "user_login", context=context, user={**known, "name": shown_name(attempt.name)}, reason=reason,
            outcome="failure", grid={"login": about})
        LOGINS.labels(reason).inc()

    async def _forget(self, attempt: _Attempt) -> None:
        async with self._foundation.database.read() as tables:
            await tables.login_attempts.forget(attempt.id)


def _reason_to_refuse(attempt: _Attempt, found: Assessment, *, is_right: bool) -> str | None:
    user = attempt.user
    doubts = (
        (attempt.is_one_too_many, "locked"),
        (not is_right, "bad_credentials"),
        (user is not None and not user.is_active, "locked"),
        (found.is_refused, "risk"),
    )
    return next((reason for applies, reason in doubts if applies), None)
