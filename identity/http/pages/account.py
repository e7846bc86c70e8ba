"""The account page: what a person may see and change of themselves, each form sealed to their session."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from identity.domain.people.browsers import browser_name
from identity.domain.people.interactions import Purpose, StaleInteractionError
from identity.domain.people.profiles import ADDRESS_PARTS
from identity.domain.records import Session, User
from identity.http.pages.consent import SCOPES_WITH_A_MEANING
from identity.http.pages.front import Front
from identity.http.pages.members import Members
from identity.http.pages.register import failure_of
from identity.http.pages.rendering import see_other
from identity.service.people.own_account import AccountView, NotTheirsError
from identity.service.people.registration import WrongPasswordError
from shared_kernel.clock import to_iso
from shared_kernel.context import RequestContext, context_of
from shared_kernel.errors import TooManyRequestsError, UnprocessableError
from shared_kernel.principal import Role

TEXT_CLAIMS = ("name", "given_name", "family_name", "nickname", "birthdate", "website", "zoneinfo", "phone_number")
NOTICES = frozenset({"profile", "password", "email", "ended", "ended_others", "forgotten", "revoked"})

Action = Callable[[Session, Mapping[str, str], RequestContext], Awaitable[object]]


class AccountRoutes:
    """Handlers of /account."""

    def __init__(self, front: Front) -> None:
        self._front = front
        self._members = Members(front)
        self._desk = front.provider.people.own_account

    async def page(self, request: Request) -> Response:
        """Show the account, or lead through the login and back."""
        session = await self._members.session(request)
        if session is None:
            return self._members.to_login(request, "/account")
        done = request.query_params.get("done")
        return await self._page(request, session, done=done if done in NOTICES else None)

    async def profile(self, request: Request) -> Response:
        """Replace the profile."""
        async def act(session: Session, fields: Mapping[str, str], context: RequestContext) -> None:
            await self._desk.edit_profile(session, _claims(fields), context)

        return await self._acted(request, "profile", act)

    async def password(self, request: Request) -> Response:
        """Replace the password."""
        async def act(session: Session, fields: Mapping[str, str], context: RequestContext) -> None:
            await self._desk.change_password(
                session, fields.get("old_password", ""), fields.get("new_password", ""), context)

        return await self._acted(request, "password", act)

    async def email(self, request: Request) -> Response:
        """Mail a link to a new address."""
        async def act(session: Session, fields: Mapping[str, str], context: RequestContext) -> None:
            await self._desk.ask_for_email(session, fields.get("email", ""), fields.get("password", ""), context)

        return await self._acted(request, "email", act)

    async def end_session(self, request: Request) -> Response:
        """End one session."""
        async def act(session: Session, fields: Mapping[str, str], context: RequestContext) -> None:
            await self._desk.end_session(session, fields.get("session", ""), context)

        return await self._acted(request, "ended", act)

    async def end_other_sessions(self, request: Request) -> Response:
        """End every session but this one."""
        async def act(session: Session, _: Mapping[str, str], context: RequestContext) -> None:
            await self._desk.end_other_sessions(session, context)

        return await self._acted(request, "ended_others", act)

    async def forget_device(self, request: Request) -> Response:
        """Forget a device."""
        async def act(session: Session, fields: Mapping[str, str], context: RequestContext) -> None:
            await self._desk.forget_device(session, fields.get("device", ""), context)

        return await self._acted(request, "forgotten", act)

    async def revoke_application(self, request: Request) -> Response:
        """Take back what an application was allowed."""
        async def act(session: Session, fields: Mapping[str, str], context: RequestContext) -> None:
            await self._desk.take_back(session, fields.get("client_id", ""), context)

        return await self._acted(request, "revoked", act)

    async def _acted(self, request: Request, what: str, act: Action) -> Response:
        """Carry out a sealed form and show the account again (303); a failure stands beside its form."""
        try:
            fields, session = await self._members.posted(request, Purpose.ACCOUNT)
        except StaleInteractionError:
            return self._front.stale(request)
        try:
            await act(session, fields, context_of(request.scope))
        except (WrongPasswordError, TooManyRequestsError, UnprocessableError) as error:
            key, status = failure_of(error)
            return await self._page(request, session, failed=what, failure=key, status=status, fields=fields)
        except NotTheirsError:
            return see_other(f"{self._front.base}/account")
        return see_other(f"{self._front.base}/account?done={what}#{what}")

    async def _page(self, request: Request, session: Session, *, done: str | None = None,  # noqa: PLR0913 - a page's parts
                    failed: str | None = None, failure: str | None = None, status: int = 200,
                    fields: Mapping[str, str] | None = None) -> Response:
        view = await self._desk.view(session)
        shown = _shown(view.user)
        if fields and failed == "profile":
            shown = {name: fields.get(name, "") for name in shown}
        return self._members.page(
            request, "account.html", session, purpose=Purpose.ACCOUNT, status=status, done=done, failed=failed,
            failure=failure, user=view.user, factors=view.factors, claims=shown,
            wanted_email=(fields or {}).get("email", "") if failed == "email" else "",
            is_admin=Role.ADMIN in view.user.roles, here="account", **_listed(view, session))


def _listed(view: AccountView, session: Session) -> dict[str, Any]:
    return {
        "sessions": [{"id": each.id, "is_this": each.id == session.id, "browser": browser_name(each.user_agent),
                      "place": place_name(each.place), "address": each.source_ip, "since": to_iso(each.created_at_us),
                      "seen": to_iso(each.seen_at_us)} for each in view.sessions],
        "devices": [{"id": each.id, "browser": browser_name(each.user_agent), "place": place_name(each.place or {}),
                     "address": each.source_ip, "seen": to_iso(each.seen_at_us)} for each in view.devices],
        "applications": [{"id": each.client_id, "name": each.name, "is_first_party": each.is_first_party,
                          "scopes": [(scope, scope in SCOPES_WITH_A_MEANING) for scope in each.scopes],
                          "since": to_iso(each.since_us)} for each in view.applications],
    }


def place_name(place: Mapping[str, Any]) -> str:
    """Return `Tirana, AL`, as far as it is known."""
    return ", ".join(str(place[part]) for part in ("city", "country") if place.get(part))


def _claims(fields: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {name: fields.get(name, "").strip() for name in (*TEXT_CLAIMS, "locale")}
    address = {part: fields.get(f"address.{part}", "").replace("\r\n", "\n").strip() for part in ADDRESS_PARTS}
    return {**found, "address": {part: text for part, text in address.items() if text}}


def _shown(user: User) -> dict[str, str]:
    """Return the profile as the form's fields have it."""
    profile = user.profile
    texts = {name: str(profile.get(name, "")) for name in (*TEXT_CLAIMS, "locale")}
    address = profile.get("address") or {}
    return texts | {f"address.{part}": str(address.get(part, "")) for part in ADDRESS_PARTS}
