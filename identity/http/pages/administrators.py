"""The door to the administrators' pages: the role, and both factors of whoever has two."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from identity.domain.people.assurance import MFA, meets
from identity.domain.people.interactions import Purpose, StaleInteractionError
from identity.domain.records import Session
from identity.http.pages.front import Front
from identity.http.pages.members import Members
from identity.http.pages.rendering import see_other
from shared_kernel.context import RequestContext, context_of
from shared_kernel.errors import ConflictError, NotFoundError, UnprocessableError
from shared_kernel.principal import Principal, PrincipalKind, Role

Fields = dict[str, str]
_STATUS: tuple[tuple[type[Exception], int], ...] = (
    (NotFoundError, 404), (ConflictError, 409), (UnprocessableError, 422))


@dataclass(frozen=True, slots=True)
class Administrator:
    """Somebody who may administer, at one page; `principal` is who acts in the ledger."""

    session: Session
    principal: Principal
    context: RequestContext


Show = Callable[[Administrator], Awaitable[Response]]
Act = Callable[[Administrator, Fields], Awaitable[str | Response]]
Again = Callable[[Administrator, str, int, Fields], Awaitable[Response]]


class Administrators:
    """Lets administrators in, and shows everybody else the way."""

    def __init__(self, front: Front) -> None:
        self.front = front
        self._members = Members(front)

    async def shown(self, request: Request, show: Show) -> Response:
        """Show a page to an administrator; others log in, step up, or are told that it is not for them."""
        session = await self._members.session(request)
        after = request.url.path.removeprefix(self.front.base)
        if session is None:
            return self._members.to_login(request, after)
        refusal = await self._refusal(request, session, after)
        if isinstance(refusal, Response):
            return refusal
        try:
            return await show(refusal)
        except NotFoundError as error:
            return self.front.sorry(request, error.detail, 404)

    async def acted(self, request: Request, act: Act, again: Again | None = None) -> Response:
        """Carry out a sealed form; `act` answers where to go (303), a failure is shown on the page it stood on."""
        try:
            fields, session = await self._members.posted(request, Purpose.PEOPLE)
        except StaleInteractionError:
            return self.front.stale(request)
        found = await self._refusal(request, session, "/people")
        if isinstance(found, Response):
            return found
        try:
            outcome = await act(found, fields)
        except (ConflictError, NotFoundError, UnprocessableError) as error:
            status = next(status for kind, status in _STATUS if isinstance(error, kind))
            if again is None or status == 404:  # noqa: PLR2004 - what is gone has no page
                return self.front.sorry(request, error.detail, status)
            return await again(found, error.detail, status, fields)
        return outcome if isinstance(outcome, Response) else see_other(f"{self.front.base}{outcome}")

    def page(self, request: Request, template: str, who: Administrator, *, here: str, status: int = 200,
             **values: object) -> Response:
        """Return a page with forms sealed to the administrator's session."""
        shown = {"failure": None, "done": request.query_params.get("done", "") if request.method == "GET" else ""}
        return self._members.page(request, template, who.session, purpose=Purpose.PEOPLE, status=status, here=here,
                                  is_admin=True, **{**shown, **values})

    async def _refusal(self, request: Request, session: Session, after: str) -> Response | Administrator:
        """Return the administrator, with the roles of this moment, or the page for who is none."""
        view = await self.front.provider.people.own_account.view(session)
        if Role.ADMIN not in view.user.roles:
            t = self.front.pages.translate(request)
            return self.front.sorry(request, t("admin.not_for_you"), 403)
        if view.factors.is_any and not meets(session.acr, (MFA,)):
            return self._members.to_login(request, after, acr_values=(MFA,))
        return Administrator(session, Principal(
            view.user.id, view.user.name, PrincipalKind.PERSON, view.user.roles, session_id=session.id,
            amr=session.amr, acr=session.acr), context_of(request.scope))
