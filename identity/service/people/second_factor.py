"""Taking the second factor of a login, or the further one of a live session.

A try is counted before it is looked at, by step (five) and by person (ten in fifteen minutes, a known device for
itself), so that neither parallel guesses nor fresh logins add any. A code is used up in the transaction that lets its
holder in.
"""

import hashlib
import hmac
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from identity.domain.opaque import Kind, read, sha256
from identity.domain.people import recovery_codes, totp
from identity.domain.people.assurance import methods
from identity.domain.people.challenges import Ceremony
from identity.domain.people.factors import METHODS, Factors, LoginStep
from identity.domain.people.login_policy import ATTEMPT_MEMORY_US, MAX_STEP_TRIES, shut_out_until_us
from identity.domain.records import User
from identity.service.foundation import Foundation
from identity.service.people.admission import LOGINS, Admission, Entry
from identity.service.people.arrivals import Arrival, Arrivals
from identity.service.people.factors.passkeys import PasskeyRefusedError, Passkeys
from identity.service.people.factors.totp import TotpApps
from identity.service.people.notices import Notices
from identity.service.people.outcomes import SignedIn, Visit
from identity.service.people.step_opening import StepOpening
from identity.store.database import Tables
from shared_kernel.context import RequestContext
from shared_kernel.errors import ForbiddenError
from shared_kernel.ids import uuid7

_MAIL_DIGITS = 8
_AT_ANY_DEVICE = "factor"


class StepRefusedError(ForbiddenError):
    """The factor was not right, or too many were tried."""

    def __init__(self, reason: str) -> None:
        super().__init__("this is not right, or not allowed now: try again")
        self.reason = reason


class StepEndedError(ForbiddenError):
    """The step is over: used, too old, tried too often, or its person is locked."""

    def __init__(self) -> None:
        super().__init__("this sign-in has ended: start again")


@dataclass(frozen=True, slots=True)
class Waiting:
    """A step that is due, and what can be shown."""

    step: LoginStep
    user: User
    arrival: Arrival
    factors: Factors
    methods: tuple[str, ...]

    @property
    def bucket(self) -> tuple[str, bytes]:
        """By what wrong factors of this person are counted."""
        device = self.arrival.device
        return f"device:{device.id}" if device else _AT_ANY_DEVICE, sha256(f"factor:{self.user.id}")


Proof = tuple[str, tuple[str, ...]]
"""The method and what it adds to the amr."""
_Prove = Callable[[Tables, Waiting], Awaitable[Proof]]


class StepDesk:
    """Takes second factors."""

    def __init__(self, foundation: Foundation, *, arrivals: Arrivals, admission: Admission, opening: StepOpening,  # noqa: PLR0913 - what a step needs
                 notices: Notices, apps: TotpApps, passkeys: Passkeys) -> None:
        self._foundation = foundation
        self._arrivals = arrivals
        self._admission = admission
        self._opening = opening
        self._notices = notices
        self._apps = apps
        self._passkeys = passkeys

    async def waiting(self, cookie: str | None, *, visit: Visit, context: RequestContext) -> Waiting:
        """Return the step behind a browser's cookie; raise StepEndedError."""
        opaque, now_us = read(cookie, Kind.STEP) if cookie else None, self._foundation.now_us()
        if opaque is None:
            raise StepEndedError
        async with self._foundation.database.read() as tables:
            step = await tables.login_steps.due(opaque, now_us, max_tries=MAX_STEP_TRIES)
            user = await tables.users.get(step.user_id) if step else None
            if step is None or user is None:
                raise StepEndedError
            arrival = await self._arrivals.recognise(tables, user, visit, context=context, now_us=now_us)
            factors = await tables.factors.of(user.id)
        return Waiting(step, user, arrival, factors, self._opening.methods(user, arrival.standing))

    def passkey_options(self, waiting: Waiting, *, browser: str) -> str:
        """Return what the browser's passkeys are asked."""
        return self._passkeys.second_factor_options(
            waiting.user.id, waiting.factors.passkeys, browser=browser, now_us=self._foundation.now_us())

    async def mail_code(self, waiting: Waiting) -> None:
        """Mail a code to a person who has no factor, once a step."""
        if "mail" not in waiting.methods:
            return
        code = f"{secrets.randbelow(10**_MAIL_DIGITS):0{_MAIL_DIGITS}}"
        async with self._foundation.database.begin() as tables:
            if await tables.login_steps.set_mail_code(waiting.step.id, _mailed(waiting.step.id, code)):
                await self._notices.tell(tables, waiting.user, "login_code", code=code)

    async def take_code(self, waiting: Waiting, code: str, *, visit: Visit, context: RequestContext) -> SignedIn:
        """Let the person in by a code of any kind; raise StepRefusedError or StepEndedError."""
        typed = code.strip()

        async def prove(tables: Tables, waiting: Waiting) -> Proof:
            for method in waiting.methods:
                if method in _CODES and await _CODES[method](self, tables, waiting, typed):
                    return method, METHODS[method]
            raise StepRefusedError("bad_credentials")

        return await self._take(waiting, prove, visit, context)

    async def take_passkey(self, waiting: Waiting, answer: str, *, browser: str, visit: Visit,
                           context: RequestContext) -> SignedIn:
        """Let the person in by a passkey; raise StepRefusedError or StepEndedError."""

        async def prove(tables: Tables, waiting: Waiting) -> Proof:
            shown = await self._passkeys.shown(
                tables, answer, Ceremony.SECOND_FACTOR, browser=browser, now_us=self._foundation.now_us(),
                user_id=waiting.user.id)
            return "passkey", methods(shown.passkey.amr(is_verified=shown.is_verified), ("mfa",))

        return await self._take(waiting, prove, visit, context)

    async def _take(self, waiting: Waiting, prove: _Prove, visit: Visit, context: RequestContext) -> SignedIn:
        await self._count(waiting, context)
        try:
            async with self._foundation.database.begin() as tables:
                method, amr = await prove(tables, waiting)
                now_us = self._foundation.now_us()
                is_ours = await tables.login_steps.claim(waiting.step.id, now_us)
                if not is_ours or not await tables.users.is_still_active(waiting.user.id):
                    raise StepEndedError
                await tables.login_attempts.clear(*waiting.bucket)
                signed_in = await self._let_in(tables, waiting, method, amr, visit=visit, context=context)
        except (StepRefusedError, PasskeyRefusedError) as error:
            await self._seal_refusal(waiting, error.reason, context)
            raise StepRefusedError(error.reason) from error
        await self._admission.welcome(signed_in, context)
        return signed_in

    async def _count(self, waiting: Waiting, context: RequestContext) -> None:
        now_us = self._foundation.now_us()
        async with self._foundation.database.begin() as tables:
            if not await tables.login_steps.count_try(waiting.step.id, max_tries=MAX_STEP_TRIES):
                raise StepEndedError
            attempt_id = uuid7()
            await tables.login_attempts.add(attempt_id, *waiting.bucket, now_us)
            before = await tables.login_attempts.before(attempt_id, *waiting.bucket, now_us - ATTEMPT_MEMORY_US)
        if now_us < shut_out_until_us(before):
            await self._seal_refusal(waiting, "locked", context)
            raise StepRefusedError("locked")

    async def _let_in(self, tables: Tables, waiting: Waiting, method: str, amr: tuple[str, ...], *,  # noqa: PLR0913 - a login's parts
                      visit: Visit, context: RequestContext) -> SignedIn:
        step, user = waiting.step, waiting.user
        if step.session_id is None:
            bucket = (waiting.arrival.bucket(context), sha256(user.name))
            entry = Entry(user, waiting.arrival, methods(step.amr, amr), visit, method, bucket)
            return await self._admission.admit(tables, entry, context)
        cookie = read(visit.session, Kind.SESSION) if visit.session else None
        session = await tables.sessions.live(cookie, self._foundation.now_us()) if cookie else None
        if session is None or session.id != step.session_id:
            raise StepEndedError
        return await self._admission.strengthen(tables, session, methods(session.amr, amr), visit=visit,
                                                method=method, context=context)

    async def _seal_refusal(self, waiting: Waiting, reason: str, context: RequestContext) -> None:
        action = "user_login" if waiting.step.session_id is None else "step_up"
        told = reason if reason in {"locked", "bad_credentials"} else "bad_credentials"
        await self._foundation.journal.seal(
            action, context=context, user={"id": waiting.user.id, "name": waiting.user.name}, reason=told,
            outcome="failure",
            grid={"login": {"step": "second_factor", "why": reason, "tries": waiting.step.tries + 1}})
        LOGINS.labels(told).inc()

    async def is_totp(self, tables: Tables, waiting: Waiting, code: str) -> bool:
        """Whether it is an app's code, used up now."""
        return totp.is_code(code) and await self._apps.take(
            tables, waiting.factors.totps, code, self._foundation.now_us())

    async def is_recovery_code(self, tables: Tables, waiting: Waiting, code: str) -> bool:
        """Whether it is a recovery code, used up now."""
        return recovery_codes.is_code(code) and await tables.factors.use_recovery_code(
            waiting.user.id, recovery_codes.digest(waiting.user.id, code), self._foundation.now_us())

    async def is_mailed(self, _: Tables, waiting: Waiting, code: str) -> bool:
        """Whether it is the code that was mailed for this step."""
        stored = waiting.step.mail_code_hash
        return stored is not None and hmac.compare_digest(stored, _mailed(waiting.step.id, code))


_CODES: dict[str, Callable[[StepDesk, Tables, Waiting, str], Awaitable[bool]]] = {
    "totp": StepDesk.is_totp,
    "recovery": StepDesk.is_recovery_code,
    "mail": StepDesk.is_mailed,
}


def _mailed(step_id: str, code: str) -> bytes:
    return hashlib.sha256(f"{step_id}\0{code}".encode()).digest()
