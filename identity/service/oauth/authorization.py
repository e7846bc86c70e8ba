"""The authorization endpoint: from a browser's request to a code, by way of the pages that are due."""

from dataclasses import dataclass

from prometheus_client import Counter

from identity.domain.oauth.asked import Pairs
from identity.domain.oauth.authorization import AuthorizationRequest
from identity.domain.oauth.due import HOPELESS, REFUSALS, Consented, Due, Moment, due
from identity.domain.oauth.errors import AuthorizationError
from identity.domain.oauth.parameters import scope_text
from identity.domain.oauth.pushed_request import StoredRequest
from identity.domain.oauth.responses import AuthorizationResponse, ResponsePlace, code_response, error_response
from identity.domain.opaque import Kind, mint
from identity.domain.people.interactions import Wishes
from identity.domain.records import Client, Grant, GrantTerms, Session, StoredCode
from identity.service.clients.registry import Registry
from identity.service.foundation import SECOND_US, Foundation
from identity.service.oauth.arrivals import Arrival, Arrivals
from identity.service.people.login import LoginDesk
from identity.store.database import Tables
from shared_kernel.context import RequestContext
from shared_kernel.ids import uuid7

_ANSWERS = Counter("gridwarden_identity_authorizations_total", "Answers of the authorization endpoint", ["answer"])


@dataclass(frozen=True, slots=True)
class Waiting:
    """A request that is in order. `due` is the page that must come first; None means that a code may be given.

    `query` brings the request back after a page; `session` is the browser's, if it has one.
    """

    due: Due | None
    request: AuthorizationRequest
    query: str
    session: Session | None
    pushed: StoredRequest | None
    is_resumed: bool

    @property
    def wishes(self) -> Wishes:
        """What the pages shall know of the request."""
        request = self.request
        return Wishes(acr_values=request.acr.values, is_step_up=self.due is Due.STEP_UP, login_hint=request.login_hint,
                      ui_locales=request.ui_locales, form_target=request.redirect_uri)


@dataclass(frozen=True, slots=True)
class AlreadyAnswered:
    """This very request was answered before, and its code is redeemed or it was denied: there is nothing to do."""

    client: Client


Outcome = AuthorizationResponse | Waiting | AlreadyAnswered


@dataclass(frozen=True, slots=True)
class Visit:
    """How a browser comes with a request: its cookie and, after a page, when it first came and what it answered."""

    cookie: str | None
    asked_at_us: int | None = None
    answered: frozenset[str] = frozenset()


class AuthorizationDesk:
    """Answers authorization requests."""

    def __init__(self, foundation: Foundation, registry: Registry, login_desk: LoginDesk) -> None:
        self._foundation = foundation
        self._login_desk = login_desk
        self._arrivals = Arrivals(foundation, registry)

    async def answer(self, pairs: Pairs, visit: Visit) -> Outcome:
        """Return what must happen next; raise UntrustedRedirectError while nobody may be redirected."""
        found = await self._looked_at(pairs, visit)
        if isinstance(found, Waiting) and found.due is None and found.session is not None:
            return await self._granted(found, found.session)
        if isinstance(found, Waiting):
            _ANSWERS.labels("page").inc()
        return found

    async def decide_consent(self, pairs: Pairs, visit: Visit, *, is_allowed: bool, context: RequestContext) -> Outcome:
        """Carry out what the person chose; a consent is sealed before it stands. Other pages may be due again."""
        found = await self._looked_at(pairs, visit)
        if not isinstance(found, Waiting) or found.session is None or found.due not in {None, Due.CONSENT}:
            return found
        if not is_allowed:
            return await self._denied(found)
        if found.due is Due.CONSENT:
            await self._consented(found.request, found.session, context)
        return await self._granted(found, found.session)

    async def _looked_at(self, pairs: Pairs, visit: Visit) -> AuthorizationResponse | Waiting:
        is_resumed = visit.asked_at_us is not None
        arrival = await self._arrivals.receive(pairs, is_resumed=is_resumed)
        try:
            self._check_reference(arrival, visit)
            request, query = await self._arrivals.read(arrival)
        except AuthorizationError as error:
            return self._refused(arrival.place, error.code, error.description)
        session = await self._login_desk.session(visit.cookie)
        reason = await self._due(request, session, visit)
        if reason is not None and (reason in HOPELESS or "none" in request.prompts):
            return self._refused(request.place, *REFUSALS[reason])
        return Waiting(reason, request, query, session, arrival.pushed, is_resumed)

    async def _consented(self, request: AuthorizationRequest, session: Session, context: RequestContext) -> None:
        async with self._foundation.database.begin() as tables:
            await tables.consents.add(
                session.user_id, request.client.id, scopes=request.disclosed_scopes, resources=request.resources,
                details=request.authorization_details, now_us=self._foundation.now_us())
            await self._foundation.journal.seal(
                "consent_granted", context=context, user={"id": session.user_id, "name": session.user_name},
                grid={"oauth": {"client_id": request.client.id, "scope": scope_text(request.scopes),
                                "sid": session.id, **_beyond_scope(request)}})

    def _check_reference(self, arrival: Arrival, visit: Visit) -> None:
        """A pushed request serves one arrival in time; our own pages may bring it back (FAPI 2.0 5.3.2.2 note 3)."""
        pushed = arrival.pushed
        if pushed is None or visit.asked_at_us is not None:
            return
        if pushed.used_at_us is not None or pushed.expires_at_us <= self._foundation.now_us():
            raise AuthorizationError("invalid_request_uri", "this request_uri was used or has expired: push anew")

    async def _due(self, request: AuthorizationRequest, session: Session | None, visit: Visit) -> Due | None:
        if session is None:
            return Due.LOGIN
        consented = Consented()
        if not request.client.first_party:
            async with self._foundation.database.read() as tables:
                consented = await tables.consents.of(session.user_id, request.client.id)
        return due(Moment(request, session, self._foundation.now_us(), visit.asked_at_us, visit.answered, consented))

    async def _granted(self, waiting: Waiting, session: Session) -> Outcome:
        """Issue a code; a pushed request is claimed first. The grant lives as long as the code until that is redeemed.

        Whoever clicks twice gets a second code in the place of the first, as long as that was not redeemed.
        """
        request = waiting.request
        now_us, code = self._foundation.now_us(), mint(Kind.CODE)
        expires_at_us = now_us + self._foundation.lifetimes.code_s * SECOND_US
        grant = Grant(uuid7(), request.client.id, session.user_id, None if request.is_offline else session.id,
                      request.scopes, now_us, expires_at_us, _terms(request, session))
        stored = StoredCode(code.id, grant.id, request.client.id, request.redirect_uri, request.code_challenge,
                            request.nonce, expires_at_us, request.jkt)
        async with self._foundation.database.begin() as tables:
            is_ours = await self._claimed(tables, waiting, session, grant)
            if is_ours:
                await tables.grants.add(grant)
                await tables.codes.add(code, stored)
        if is_ours:
            _ANSWERS.labels("code").inc()
            return code_response(request.place, self._foundation.mint.issuer, code.text)
        if waiting.is_resumed:
            return AlreadyAnswered(request.client)
        return self._refused(request.place, "invalid_request_uri", "this request_uri was used: push anew")

    async def _claimed(self, tables: Tables, waiting: Waiting, session: Session, grant: Grant) -> bool:
        now_us, pushed = self._foundation.now_us(), waiting.pushed
        if pushed is None or await tables.pushed_requests.claim(pushed.id, grant.id, now_us):
            return True
        if not waiting.is_resumed:
            return False
        old = await tables.pushed_requests.take_over(pushed.id, session.user_id, grant.id, now_us)
        if old is not None:
            await tables.grants.revoke(old, "answered_again", now_us)
        return old is not None

    async def _denied(self, waiting: Waiting) -> Outcome:
        """Tell the client no. A pushed request is used up by that, and one that was used already cannot be denied."""
        if waiting.pushed is not None:
            async with self._foundation.database.read() as tables:
                if not await tables.pushed_requests.claim(waiting.pushed.id, None, self._foundation.now_us()):
                    return AlreadyAnswered(waiting.request.client)
        return self._refused(waiting.request.place, "access_denied", "the person said no")

    def _refused(self, place: ResponsePlace, code: str, description: str) -> AuthorizationResponse:
        _ANSWERS.labels(code).inc()
        return error_response(place, self._foundation.mint.issuer, code, description)


def _terms(request: AuthorizationRequest, session: Session) -> GrantTerms:
    return GrantTerms(
        resources=request.resources, authorization_details=request.authorization_details, claims=request.claims,
        jkt=request.jkt, authenticated_at_us=session.authenticated_at_us, amr=session.amr, acr=session.acr,
        is_offline=request.is_offline, sid=session.id if request.is_offline else None)


def _beyond_scope(request: AuthorizationRequest) -> dict[str, object]:
    types = sorted({str(detail["type"]) for detail in request.authorization_details})
    found = {"resources": list(request.resources), "authorization_details": types,
             "claims": sorted(request.disclosed_scopes - request.scopes)}
    return {name: value for name, value in found.items() if value}
