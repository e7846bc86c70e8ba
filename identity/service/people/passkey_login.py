"""Logging in with a passkey alone: the authenticator has verified its holder, so it is two factors by itself."""

from identity.domain.oauth.errors import LoginRefusedError
from identity.domain.people.challenges import Ceremony
from identity.domain.people.login_policy import Assessment
from identity.domain.records import User
from identity.service.foundation import Foundation
from identity.service.people.admission import LOGINS, Admission, Entry
from identity.service.people.arrivals import Arrival, Arrivals
from identity.service.people.factors.passkeys import PasskeyRefusedError, Passkeys
from identity.service.people.outcomes import SignedIn, Visit
from identity.store.database import Tables
from shared_kernel.context import RequestContext


class PasskeyLoginDesk:
    """Turns a passkey into a session."""

    def __init__(self, foundation: Foundation, passkeys: Passkeys, arrivals: Arrivals, admission: Admission) -> None:
        self._foundation = foundation
        self._passkeys = passkeys
        self._arrivals = arrivals
        self._admission = admission

    def options(self, *, browser: str, form: str, asked_at_us: int) -> str:
        """Return what the browser's passkeys are asked: the same for everybody, so it tells about nobody."""
        return self._passkeys.sign_in_options(browser=browser, form=form, asked_at_us=asked_at_us)

    async def login(self, answer: str, *, browser: str, visit: Visit, context: RequestContext) -> SignedIn:
        """Return a session; raise LoginRefusedError, one sentence for every cause."""
        try:
            async with self._foundation.database.begin() as tables:
                signed_in = await self._admit(tables, answer, browser, visit, context)
        except PasskeyRefusedError as error:
            await self._seal_refusal(error, context)
            raise LoginRefusedError from error
        await self._admission.welcome(signed_in, context)
        return signed_in

    async def _admit(self, tables: Tables, answer: str, browser: str, visit: Visit,
                     context: RequestContext) -> SignedIn:
        now_us = self._foundation.now_us()
        shown = await self._passkeys.shown(tables, answer, Ceremony.SIGN_IN, browser=browser, now_us=now_us)
        user = await tables.users.get(shown.passkey.user_id)
        if user is None or not await tables.users.is_still_active(user.id):
            raise PasskeyRefusedError("locked", shown.passkey.user_id)
        arrival = await self._arrivals.recognise(tables, user, visit, context=context, now_us=now_us)
        if (await self._assessment(user, arrival, context)).is_refused:
            raise PasskeyRefusedError("risk", user.id)
        entry = Entry(user, arrival, shown.passkey.amr(is_verified=shown.is_verified), visit, "passkey")
        return await self._admission.admit(tables, entry, context)

    async def _assessment(self, user: User, arrival: Arrival, context: RequestContext) -> Assessment:
        model_risk = await self._arrivals.model_risk(user, context)
        return arrival.assessment(model_risk, (), self._foundation.now_us())

    async def _seal_refusal(self, error: PasskeyRefusedError, context: RequestContext) -> None:
        reason = error.reason if error.reason in {"locked", "risk"} else "bad_credentials"
        known = {"id": error.user_id} if error.user_id else {}
        await self._foundation.journal.seal(
            "user_login", context=context, user={**known, "name": "a passkey"}, reason=reason, outcome="failure",
            grid={"login": {"method": "passkey", "why": error.reason}})
        LOGINS.labels(reason).inc()
