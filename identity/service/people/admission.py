"""The end of every login and step-up: one transaction in which session, device, event and notices stand or fall.

The browser gets a new cookie each time (session fixation). A session that is renewed for the same person keeps its id,
the `sid` of ID tokens: what other applications were given under it lives on and still hears of its logout.
"""

from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, replace

import structlog
from prometheus_client import Counter

from identity.domain.opaque import Kind, Opaque, mint, read
from identity.domain.people.assurance import acr_of
from identity.domain.people.factors import Device
from identity.domain.records import Session, User
from identity.domain.signals.events import Initiator
from identity.service.foundation import SECOND_US, Foundation
from identity.service.journal import described
from identity.service.oauth.session_ends import tell_session_ended
from identity.service.people.arrivals import Arrival
from identity.service.people.notices import Notices, about
from identity.service.people.outcomes import SignedIn, Visit
from identity.store.database import Tables
from shared_kernel.context import RequestContext
from shared_kernel.ids import uuid7

LoginAccepted = Callable[[str, str, str, tuple[str, ...]], Awaitable[None]]
"""(user_id, source_ip, user_agent, amr)."""

LOGINS = Counter("gridwarden_identity_logins_total", "Logins by outcome", ["reason"])
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Entry:
    """Somebody who proved enough by `method`; `bucket` is the address and account whose failed tries are forgiven.

    `is_usual`: the person has logged in from this network before, and nobody has failed to lately.
    """

    user: User
    arrival: Arrival
    amr: tuple[str, ...]
    visit: Visit
    method: str = "password"
    bucket: tuple[str, bytes] | None = None
    is_usual: bool = False


class Admission:
    """Lets people in."""

    def __init__(self, foundation: Foundation, notices: Notices, *, accepted: LoginAccepted | None) -> None:
        self._foundation = foundation
        self._notices = notices
        self._accepted = accepted

    async def admit(self, tables: Tables, entry: Entry, context: RequestContext) -> SignedIn:
        """Begin a session, or renew the browser's own; sealed before the transaction ends."""
        now_us, user = self._foundation.now_us(), entry.user
        device, known_by = await self._see(tables, entry, context, now_us)
        previous = await self._previous(tables, entry, now_us)
        cookie = mint(Kind.SESSION, previous.id if previous else None)
        session = Session(cookie.id, user.id, user.name, now_us,
                          now_us + self._foundation.lifetimes.session_s * SECOND_US, entry.amr, acr_of(entry.amr),
                          device.id)
        if previous is None:
            await tables.sessions.add(cookie, session, source_ip=context.source_ip, user_agent=context.user_agent)
        else:
            await tables.sessions.renew(cookie, session)
        if entry.bucket is not None:
            await tables.login_attempts.clear(*entry.bucket)
        await self._tell(tables, entry, context, now_us)
        await self._foundation.journal.seal(
            "user_login", context=context, user=described(user),
            grid={"oauth": {"sid": session.id}, "login": {
                "amr": list(session.amr), "device": device.id, "method": entry.method,
                "known_device": entry.arrival.device is not None, "usual_network": entry.is_usual}})
        return SignedIn(cookie, session, known_by)

    async def strengthen(self, tables: Tables, session: Session, amr: tuple[str, ...], *, visit: Visit, method: str,  # noqa: PLR0913 - a step-up's parts
                         context: RequestContext) -> SignedIn:
        """Give a live session what a further factor showed; when the person logged in stays what it was."""
        cookie = mint(Kind.SESSION, session.id)
        stronger = replace(session, amr=amr, acr=acr_of(amr))
        await tables.sessions.renew(cookie, stronger)
        await self._foundation.journal.seal(
            "step_up", context=context, user={"id": session.user_id, "name": session.user_name},
            grid={"oauth": {"sid": session.id}, "login": {"amr": list(amr), "method": method}})
        brought = read(visit.device, Kind.BROWSER) if visit.device else None
        return SignedIn(cookie, stronger, brought or mint(Kind.BROWSER))

    async def welcome(self, signed_in: SignedIn, context: RequestContext) -> None:
        """After the transaction: forget what was cached, let the risk model learn."""
        self._foundation.states.forget()
        LOGINS.labels("success").inc()
        if self._accepted is None:
            return
        session = signed_in.session
        try:
            await self._accepted(session.user_id, context.source_ip, context.user_agent, session.amr)
        except Exception as error:  # noqa: BLE001 - learning from a login must not undo it
            _log.warning("login_not_observed", error=type(error).__name__, request_id=context.request_id)

    async def _see(self, tables: Tables, entry: Entry, context: RequestContext,
                   now_us: int) -> tuple[Device, Opaque]:
        """Remember the device. A cookie this person is not known by is replaced: somebody may have planted it."""
        known, given = entry.arrival.device, entry.visit.device
        brought = read(given, Kind.BROWSER) if given else None
        cookie = brought if known is not None and brought is not None else mint(Kind.BROWSER)
        if known is None and brought is not None:
            await tables.devices.rekey(brought, cookie)
        place = entry.arrival.place
        device = Device(known.id if known else uuid7(), entry.user.id, context.user_agent[:1_000], context.source_ip,
                        asdict(place) if place else None, known.created_at_us if known else now_us, now_us)
        await tables.devices.see(cookie, device)
        return device, cookie

    async def _previous(self, tables: Tables, entry: Entry, now_us: int) -> Session | None:
        """Return the browser's live session of this person; another person's ends here, with all its grants."""
        cookie = read(entry.visit.session, Kind.SESSION) if entry.visit.session else None
        old = await tables.sessions.live(cookie, now_us) if cookie else None
        if old is None or old.user_id == entry.user.id:
            return old
        await tell_session_ended(tables, old, reason="another person logged in", initiator=Initiator.USER,
                                 now_us=now_us)
        await tables.sessions.end(old.id, now_us)
        await tables.grants.revoke_of_session(old.id, "new_login", now_us)
        return None

    async def _tell(self, tables: Tables, entry: Entry, context: RequestContext, now_us: int) -> None:
        arrival = entry.arrival
        where = {"place": arrival.place.name} if arrival.place else {}
        for applies, what in ((arrival.is_new_device, "new_device"),
                              (arrival.is_impossible(now_us), "impossible_travel")):
            if applies:
                await self._foundation.journal.seal(what, context=context, user=described(entry.user))
                await self._notices.tell(tables, entry.user, what, **about(context, now_us, **where))
