"""A person's own factors: seen, added, renamed, removed, after a login not older than five minutes.

Who has a second factor must have shown one in that login: a stolen password, or a session left open, changes nothing.
Each change is sealed, mailed to the person and told to receivers of CAEP, in the transaction that makes it.
"""

from dataclasses import dataclass, field

from identity.domain.people import recovery_codes
from identity.domain.people.assurance import MFA, meets
from identity.domain.people.factors import MAX_FACTORS, Factors, Passkey
from identity.domain.people.login_policy import REAUTHENTICATION_US
from identity.domain.records import Session, User
from identity.domain.signals.events import Change, Credential, Initiator, credential_changed
from identity.service.foundation import Foundation
from identity.service.people.factors.passkeys import Passkeys
from identity.service.people.factors.totp import NewTotp, TotpApps
from identity.service.people.notices import Notices, about
from identity.store.database import Tables
from shared_kernel.context import RequestContext
from shared_kernel.errors import ConflictError, ForbiddenError, NotFoundError, UnprocessableError

MAX_NAME = 64
Codes = tuple[str, ...]


class ReauthenticationDueError(ForbiddenError):
    """The login is too old, or too weak, to change factors."""

    def __init__(self) -> None:
        super().__init__("sign in again, with your second factor if you have one, to change how you sign in")


class UnknownFactorError(NotFoundError):
    """The person has no such factor."""

    def __init__(self) -> None:
        super().__init__("you have no such factor")


class WrongCodeError(UnprocessableError):
    """The first code of a new app is not right."""

    def __init__(self) -> None:
        super().__init__("this code is not right: check the clock of your phone and try the next one")


@dataclass(frozen=True, slots=True)
class Added:
    """A factor was added; the first one comes with recovery codes, shown this once."""

    name: str
    recovery_codes: Codes = field(default=(), repr=False)


class FactorDesk:
    """Keeps factors."""

    def __init__(self, foundation: Foundation, notices: Notices, apps: TotpApps, passkeys: Passkeys) -> None:
        self._foundation = foundation
        self._notices = notices
        self._apps = apps
        self._passkeys = passkeys

    async def listed(self, user_id: str) -> Factors:
        """Return what a person has."""
        async with self._foundation.database.read() as tables:
            return await tables.factors.of(user_id)

    async def check(self, session: Session) -> Factors:
        """Return the person's factors; raise ReauthenticationDueError unless they may be changed now."""
        factors = await self.listed(session.user_id)
        is_fresh = self._foundation.now_us() - session.authenticated_at_us <= REAUTHENTICATION_US
        if not is_fresh or (factors.is_any and not meets(session.acr, (MFA,))):
            raise ReauthenticationDueError
        return factors

    async def begin_totp(self, session: Session) -> str:
        """Begin to enrol an app; answer its id."""
        factors = await self.check(session)
        _check_room(len(factors.totps))
        factor = self._apps.begin(session.user_id, self._foundation.now_us())
        async with self._foundation.database.begin() as tables:
            await tables.factors.add_totp(factor)
        return factor.id

    async def new_totp(self, session: Session, factor_id: str) -> NewTotp:
        """Return what to scan for an app being enrolled; raise UnknownFactorError once it is confirmed."""
        await self.check(session)
        async with self._foundation.database.read() as tables:
            factor = await tables.factors.unconfirmed_totp(factor_id, session.user_id)
        if factor is None:
            raise UnknownFactorError
        return self._apps.shown(factor, session.user_name)

    async def confirm_totp(self, session: Session, factor_id: str, code: str, *, name: str,
                           context: RequestContext) -> Added:
        """Make the app a factor by its first code; raise WrongCodeError."""
        factors, now_us, name = await self.check(session), self._foundation.now_us(), _name(name)
        async with self._foundation.database.begin() as tables:
            factor = await tables.factors.unconfirmed_totp(factor_id, session.user_id)
            if factor is None:
                raise UnknownFactorError
            step = self._apps.step_of(factor, code.strip(), now_us)
            if step is None:
                raise WrongCodeError
            if not await tables.factors.confirm_totp(factor_id, name, step):
                raise UnknownFactorError
            return await self._added(tables, session, factors, "totp", name, context=context)

    async def passkey_options(self, session: Session, *, browser: str) -> str:
        """Return what the browser is asked to make."""
        factors = await self.check(session)
        _check_room(len(factors.passkeys))
        async with self._foundation.database.read() as tables:
            user = await _person(tables, session)
        return self._passkeys.enrolment_options(user, factors.passkeys, browser=browser,
                                                now_us=self._foundation.now_us())

    async def add_passkey(self, session: Session, answer: str, *, name: str, browser: str,
                          context: RequestContext) -> Added:
        """Add the passkey a browser made; raise PasskeyRefusedError."""
        factors, now_us, name = await self.check(session), self._foundation.now_us(), _name(name)
        _check_room(len(factors.passkeys))
        async with self._foundation.database.begin() as tables:
            user = await _person(tables, session)
            passkey = await self._passkeys.enrolled(tables, answer, user, name=name, browser=browser, now_us=now_us)
            if not await tables.factors.add_passkey(passkey):
                raise ConflictError("this passkey is registered already")
            return await self._added(tables, session, factors, "passkey", name, context=context, passkey=passkey)

    async def rename(self, session: Session, kind: str, factor_id: str, *, name: str,
                     context: RequestContext) -> None:
        """Rename a factor."""
        await self.check(session)
        name = _name(name)
        async with self._foundation.database.begin() as tables:
            if not await tables.factors.rename(kind, factor_id, session.user_id, name):
                raise UnknownFactorError
            await self._seal(session, "factor_renamed", kind, name, context=context)

    async def remove(self, session: Session, kind: str, factor_id: str, *, context: RequestContext) -> None:
        """Remove a factor; with the last one go the recovery codes that stand in for it."""
        await self.check(session)
        now_us = self._foundation.now_us()
        async with self._foundation.database.begin() as tables:
            user = await _person(tables, session)
            name = await tables.factors.remove(kind, factor_id, session.user_id)
            if name is None:
                raise UnknownFactorError
            if not (await tables.factors.of(session.user_id)).is_any:
                await tables.factors.set_recovery_codes(session.user_id, [], now_us)
            await self._seal(session, "factor_removed", kind, name, context=context)
            await self._signal(tables, session, _CREDENTIALS[kind], Change.DELETE, name)
            await self._notices.tell(tables, user, "factor_removed", factor=name, **about(context, now_us))

    async def new_recovery_codes(self, session: Session, *, context: RequestContext) -> Codes:
        """Return fresh recovery codes, this once; the old ones are worth nothing any more."""
        factors = await self.check(session)
        if not factors.is_any:
            raise ConflictError("recovery codes stand in for a second factor: add one first")
        async with self._foundation.database.begin() as tables:
            user = await _person(tables, session)
            codes = await self._make_codes(tables, session, context)
            await self._notices.tell(tables, user, "recovery_codes_made",
                                     **about(context, self._foundation.now_us()))
        return codes

    async def _added(self, tables: Tables, session: Session, before: Factors, kind: str, name: str, *,  # noqa: PLR0913 - an addition's parts
                     context: RequestContext, passkey: Passkey | None = None) -> Added:
        user = await _person(tables, session)
        await self._seal(session, "factor_added", kind, name, context=context)
        await self._signal(tables, session, _CREDENTIALS[kind], Change.CREATE, name,
                           aaguid=passkey.aaguid if passkey else None)
        await self._notices.tell(tables, user, "factor_added", factor=name,
                                 **about(context, self._foundation.now_us()))
        return Added(name, () if before.is_any else await self._make_codes(tables, session, context))

    async def _make_codes(self, tables: Tables, session: Session, context: RequestContext) -> Codes:
        codes = recovery_codes.new_codes()
        hashes = [recovery_codes.digest(session.user_id, code) for code in codes]
        await tables.factors.set_recovery_codes(session.user_id, hashes, self._foundation.now_us())
        await self._seal(session, "recovery_codes_made", "recovery", "", context=context)
        await self._signal(tables, session, Credential.RECOVERY_CODES, Change.UPDATE, None)
        return codes

    async def _seal(self, session: Session, action: str, kind: str, name: str, *, context: RequestContext) -> None:
        await self._foundation.journal.seal(
            action, context=context, user={"id": session.user_id, "name": session.user_name},
            grid={"factor": {"kind": kind, "name": name}, "oauth": {"sid": session.id}})

    async def _signal(self, tables: Tables, session: Session, credential: Credential, change: Change,  # noqa: PLR0913 - a signal's parts
                      name: str | None, *, aaguid: str | None = None) -> None:
        signal = credential_changed(credential, change, Initiator.USER, name=name, aaguid=aaguid)
        await tables.signal_events.emit(signal, session.user_id, self._foundation.now_us())


_CREDENTIALS = {"totp": Credential.APP, "passkey": Credential.PASSKEY}
KINDS = frozenset(_CREDENTIALS)


async def _person(tables: Tables, session: Session) -> User:
    user = await tables.users.get(session.user_id)
    if user is None:
        raise UnknownFactorError
    return user


def _check_room(count: int) -> None:
    if count >= MAX_FACTORS:
        raise ConflictError(f"you have {MAX_FACTORS} of these already: remove one first")


def _name(text: str) -> str:
    name = text.strip()
    if not name.isprintable() or not 0 < len(name) <= MAX_NAME:
        raise UnprocessableError(f"a name has 1 to {MAX_NAME} printable characters")
    return name
