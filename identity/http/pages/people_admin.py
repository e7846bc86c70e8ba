"""The administrators' pages of people and roles: plain forms over the same desks as the JSON API."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from identity.domain.people.browsers import browser_name
from identity.domain.records import User
from identity.http.pages.account import place_name
from identity.http.pages.administrators import Administrator, Administrators, Fields
from identity.service.people.accounts import NewPerson
from shared_kernel.clock import to_iso
from shared_kernel.errors import UnprocessableError

PAGE = 50
DONE = frozenset({"created", "locked", "unlocked", "roles", "sessions", "factors", "password", "address", "deleted",
                  "described"})
MAX_REASON = 200


class PeopleAdminRoutes:
    """Handlers of /people."""

    def __init__(self, administrators: Administrators) -> None:
        self._administrators = administrators
        self._provider = administrators.front.provider
        self._accounts = administrators.front.provider.accounts
        self._roles = administrators.front.provider.people.roles

    async def people(self, request: Request) -> Response:
        """List people, those whose name or address contains a text."""
        async def show(who: Administrator) -> Response:
            return await self._listing(request, who)

        return await self._administrators.shown(request, show)

    async def create(self, request: Request) -> Response:
        """Create a person, who sets the password by a mailed link."""
        async def act(who: Administrator, fields: Fields) -> str:
            wanted = NewPerson(email=fields.get("email") or None)
            user = await self._accounts.create(
                fields.get("name", ""), None, roles=frozenset(), by=who.principal, context=who.context, person=wanted)
            if user.email is not None:
                await self._accounts.mail_password(user.id, by=who.principal, context=who.context)
            return f"/people/users/{user.id}?done=created"

        async def again(who: Administrator, failure: str, status: int, fields: Fields) -> Response:
            return await self._listing(request, who, failure=failure, status=status, fields=fields)

        return await self._administrators.acted(request, act, again)

    async def person(self, request: Request) -> Response:
        """Show one person."""
        async def show(who: Administrator) -> Response:
            return await self._person(request, who)

        return await self._administrators.shown(request, show)

    async def change(self, request: Request) -> Response:
        """Do one of the CHANGES to a person."""
        user_id = request.path_params["user_id"]

        async def act(who: Administrator, fields: Fields) -> str:
            change = request.path_params["change"]
            if change not in self._changes:
                raise UnprocessableError("there is no such change")
            await self._changes[change](user_id, who, fields)
            return "/people?done=deleted" if change == "delete" else f"/people/users/{user_id}?done={_TOLD[change]}"

        async def again(who: Administrator, failure: str, status: int, _: Fields) -> Response:
            return await self._person(request, who, failure=failure, status=status)

        return await self._administrators.acted(request, act, again)

    async def roles(self, request: Request) -> Response:
        """List roles."""
        async def show(who: Administrator) -> Response:
            return await self._role_listing(request, who)

        return await self._administrators.shown(request, show)

    async def create_role(self, request: Request) -> Response:
        """Create a role."""
        async def act(who: Administrator, fields: Fields) -> str:
            await self._roles.create(fields.get("name", ""), fields.get("description", ""), by=who.principal,
                                     context=who.context)
            return "/people/roles?done=created"

        return await self._administrators.acted(request, act, self._roles_again(request))

    async def describe_role(self, request: Request) -> Response:
        """Replace what people read about a role."""
        async def act(who: Administrator, fields: Fields) -> str:
            await self._roles.describe(request.path_params["role_id"], fields.get("description", ""),
                                       by=who.principal, context=who.context)
            return "/people/roles?done=described"

        return await self._administrators.acted(request, act, self._roles_again(request))

    async def delete_role(self, request: Request) -> Response:
        """Forget a role."""
        async def act(who: Administrator, _: Fields) -> str:
            await self._roles.delete(request.path_params["role_id"], by=who.principal, context=who.context)
            return "/people/roles?done=deleted"

        return await self._administrators.acted(request, act, self._roles_again(request))

    @property
    def _changes(self) -> Mapping[str, Any]:
        return {"lock": self._lock, "unlock": self._unlock, "roles": self._set_roles,
                "end-sessions": self._end_sessions, "reset-factors": self._reset_factors,
                "send-password": self._send_password, "address": self._set_address, "delete": self._delete}

    async def _lock(self, user_id: str, who: Administrator, fields: Fields) -> None:
        reason = fields.get("reason", "").strip()
        if not reason.isprintable() or not 0 < len(reason) <= MAX_REASON:
            raise UnprocessableError(f"reason must be 1 to {MAX_REASON} printable characters")
        await self._accounts.lock(user_id, reason=reason, by=who.principal, context=who.context)

    async def _unlock(self, user_id: str, who: Administrator, _: Fields) -> None:
        await self._accounts.unlock(user_id, by=who.principal, context=who.context)

    async def _set_roles(self, user_id: str, who: Administrator, fields: Fields) -> None:
        roles = frozenset(name.removeprefix("role.") for name in fields if name.startswith("role."))
        await self._accounts.set_roles(user_id, roles, by=who.principal, context=who.context)

    async def _end_sessions(self, user_id: str, who: Administrator, _: Fields) -> None:
        await self._accounts.revoke_sessions(user_id, by=who.principal, context=who.context)

    async def _reset_factors(self, user_id: str, who: Administrator, _: Fields) -> None:
        await self._accounts.reset_factors(user_id, by=who.principal, context=who.context)

    async def _send_password(self, user_id: str, who: Administrator, _: Fields) -> None:
        await self._accounts.mail_password(user_id, by=who.principal, context=who.context)

    async def _set_address(self, user_id: str, who: Administrator, fields: Fields) -> None:
        user = await self._accounts.get(user_id)
        wanted = NewPerson(fields.get("email") or None, profile=user.profile)
        if wanted.email == user.email:
            wanted = replace(wanted, is_email_verified=user.is_email_verified)
        await self._accounts.change(user_id, wanted, by=who.principal, context=who.context)

    async def _delete(self, user_id: str, who: Administrator, fields: Fields) -> None:
        user = await self._accounts.get(user_id)
        if fields.get("confirmation", "").strip() != user.name:
            raise UnprocessableError("type the name of the account to delete it")
        await self._accounts.delete(user_id, by=who.principal, context=who.context)

    async def _listing(self, request: Request, who: Administrator, *, failure: str | None = None,
                       status: int = 200, fields: Fields | None = None) -> Response:
        query, after = request.query_params.get("q", "")[:64], request.query_params.get("after", "")[:64]
        found = await self._accounts.listed(after, PAGE + 1, query)
        more = urlencode({"q": query, "after": found[PAGE - 1].name}) if len(found) > PAGE else None
        return self._page(request, "people.html", who, here="people", status=status, failure=failure, query=query,
                          people=[_summary(user) for user in found[:PAGE]], more=more, fields=fields or {},
                          mail=await self._provider.mailing.standing())

    async def _person(self, request: Request, who: Administrator, *, failure: str | None = None,
                      status: int = 200) -> Response:
        user = await self._accounts.get(request.path_params["user_id"])
        view = await self._accounts.view(user)
        return self._page(
            request, "person.html", who, here="people", status=status, failure=failure, user=user,
            factors=view.factors, created=to_iso(user.created_at_us), roles=await self._roles.listed("", 200),
            sessions=[{"browser": browser_name(each.user_agent), "place": place_name(each.place),
                       "address": each.source_ip, "seen": to_iso(each.seen_at_us)} for each in view.sessions],
            is_self=user.id == who.session.user_id)

    async def _role_listing(self, request: Request, who: Administrator, *, failure: str | None = None,
                            status: int = 200) -> Response:
        return self._page(request, "roles.html", who, here="roles", status=status, failure=failure,
                          roles=await self._roles.listed("", 200))

    def _roles_again(self, request: Request) -> Any:  # noqa: ANN401 - a handler of failures
        async def again(who: Administrator, failure: str, status: int, _: Fields) -> Response:
            return await self._role_listing(request, who, failure=failure, status=status)

        return again

    def _page(self, request: Request, template: str, who: Administrator, **values: Any) -> Response:  # noqa: ANN401 - a template's
        done = request.query_params.get("done", "")
        return self._administrators.page(request, template, who, done=done if done in DONE else "", **values)


_TOLD = {"lock": "locked", "unlock": "unlocked", "roles": "roles", "end-sessions": "sessions",
         "reset-factors": "factors", "send-password": "password", "address": "address"}


def _summary(user: User) -> dict[str, Any]:
    return {"id": user.id, "name": user.name, "email": user.email or "", "status": user.status,
            "roles": sorted(user.roles)}
