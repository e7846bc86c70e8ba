"""The administrators' JSON API of people. Policy has already decided who may call it."""

import uuid
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from identity.domain.naming import new_email
from identity.domain.records import User
from identity.http.api.bodies import MAX_PAGE, listing_page, read_body
from identity.http.oauth.protocol import json_response
from identity.service import IdentityProvider
from identity.service.people.accounts import NewPerson
from identity.store.account_views import SessionView
from shared_kernel.clock import to_iso
from shared_kernel.context import context_of
from shared_kernel.errors import NotFoundError, UnprocessableError
from shared_kernel.ids import secret
from shared_kernel.principal import PrincipalKind


class NewUser(msgspec.Struct, forbid_unknown_fields=True):
    """A person to create; without a password one is made up and answered once."""

    name: str
    roles: list[str] = []
    password: str | None = None
    email: str | None = None
    email_verified: bool = False
    profile: dict[str, Any] = {}


class UserChange(msgspec.Struct, forbid_unknown_fields=True):
    """What shall be different (RFC 7396: null takes away, what is not named stays); claims are in `profile`."""

    email: str | msgspec.UnsetType | None = msgspec.UNSET
    email_verified: bool | msgspec.UnsetType = msgspec.UNSET
    profile: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET


class Roles(msgspec.Struct, forbid_unknown_fields=True):
    """The roles a person shall have."""

    roles: list[str]


class Lock(msgspec.Struct, forbid_unknown_fields=True):
    """Why an account is locked."""

    reason: str


class AdministrationRoutes:
    """Handlers of /api/v1/users."""

    def __init__(self, provider: IdentityProvider) -> None:
        self._provider = provider

    async def users(self, request: Request) -> Response:
        """List people by name."""
        limit, after = listing_page(request)
        found = await self._provider.accounts.listed(after, limit)
        return _listing([_user(user) for user in found], found[-1].name if len(found) == limit else None)

    async def me(self, request: Request) -> Response:
        """Tell callers who they are; an application that was not allowed `api` has no roles and learns no more."""
        principal = context_of(request.scope).principal
        is_trusted = bool(principal.roles) or "api" in principal.scopes
        if principal.kind is PrincipalKind.PERSON and not is_trusted:
            return json_response({"id": principal.subject, "roles": [], "kind": principal.kind})
        if principal.kind is PrincipalKind.PERSON:
            return json_response(_user(await self._provider.accounts.get(principal.subject)))
        return json_response({"id": principal.subject, "name": principal.name, "roles": sorted(principal.roles),
                              "kind": principal.kind})

    async def create_user(self, request: Request) -> Response:
        """Create a person."""
        wanted = read_body(await request.body(), NewUser)
        context = context_of(request.scope)
        password = wanted.password or secret()
        user = await self._provider.accounts.create(
            wanted.name, password, roles=frozenset(wanted.roles), by=context.principal, context=context,
            person=NewPerson(wanted.email, wanted.email_verified, wanted.profile))
        once = {} if wanted.password else {"password": password}
        return json_response(_user(user) | once, 201, {"Location": f"/api/v1/users/{user.id}"})

    async def user(self, request: Request) -> Response:
        """Show one person."""
        return json_response(_user(await self._provider.accounts.get(_user_id(request))))

    async def change_user(self, request: Request) -> Response:
        """Change address and claims of a person; a new address is unverified unless the caller vouches for it."""
        change, context = read_body(await request.body(), UserChange), context_of(request.scope)
        user = await self._provider.accounts.get(_user_id(request))
        changed = await self._provider.accounts.change(user.id, _changed(user, change), by=context.principal,
                                                       context=context)
        return json_response(_user(changed))

    async def delete_user(self, request: Request) -> Response:
        """Forget a person."""
        context = context_of(request.scope)
        await self._provider.accounts.delete(_user_id(request), by=context.principal, context=context)
        return Response(status_code=204)

    async def sessions(self, request: Request) -> Response:
        """List a person's live sessions."""
        view = await self._provider.accounts.view(await self._provider.accounts.get(_user_id(request)))
        return _listing([session_document(session) for session in view.sessions], None)

    async def end_session(self, request: Request) -> Response:
        """End one session of a person."""
        context = context_of(request.scope)
        await self._provider.accounts.end_session(
            _user_id(request), request.path_params["session_id"], by=context.principal, context=context)
        return Response(status_code=204)

    async def reset_factors(self, request: Request) -> Response:
        """Take away every second factor of a person."""
        context = context_of(request.scope)
        gone = await self._provider.accounts.reset_factors(_user_id(request), by=context.principal, context=context)
        return json_response({"factors_removed": gone})

    async def mail_password(self, request: Request) -> Response:
        """Mail a person a link to set a password (202: it is in the outbox)."""
        context = context_of(request.scope)
        await self._provider.accounts.mail_password(_user_id(request), by=context.principal, context=context)
        return Response(status_code=202)

    async def lock(self, request: Request) -> Response:
        """Lock a person out."""
        reason = read_body(await request.body(), Lock).reason
        if not reason.isprintable() or not 0 < len(reason) <= MAX_PAGE:
            raise UnprocessableError(f"reason must be 1 to {MAX_PAGE} printable characters")
        context = context_of(request.scope)
        await self._provider.lock_account(_user_id(request), reason=reason, by=context.principal, context=context)
        return Response(status_code=204)

    async def unlock(self, request: Request) -> Response:
        """Let a person in again."""
        context = context_of(request.scope)
        await self._provider.unlock_account(_user_id(request), by=context.principal, context=context)
        return Response(status_code=204)

    async def revoke_sessions(self, request: Request) -> Response:
        """End a person's sessions."""
        context = context_of(request.scope)
        ended = await self._provider.revoke_sessions(_user_id(request), by=context.principal, context=context)
        return json_response({"sessions_ended": ended})

    async def set_roles(self, request: Request) -> Response:
        """Replace a person's roles."""
        roles = frozenset(read_body(await request.body(), Roles).roles)
        context = context_of(request.scope)
        user = await self._provider.set_roles(_user_id(request), roles, by=context.principal, context=context)
        return json_response(_user(user))


def _user_id(request: Request) -> str:
    try:
        return str(uuid.UUID(request.path_params["user_id"]))
    except ValueError as cause:
        raise NotFoundError("there is no account with this id") from cause


def _listing(items: list[dict[str, Any]], after: str | None) -> Response:
    return json_response({"items": items, "next": after})


def _changed(user: User, change: UserChange) -> NewPerson:
    email = user.email if change.email is msgspec.UNSET else change.email
    is_same = email is not None and user.email == new_email(email)
    vouched = change.email_verified
    is_verified = user.is_email_verified and is_same if vouched is msgspec.UNSET else vouched
    patch = {} if change.profile is msgspec.UNSET else change.profile
    profile = {name: value for name, value in {**user.profile, **patch}.items() if value is not None}
    return NewPerson(email, bool(is_verified), profile)


def session_document(session: SessionView) -> dict[str, Any]:
    """Return a session as the API shows it."""
    return {"id": session.id, "user_agent": session.user_agent, "source_ip": session.source_ip,
            "place": dict(session.place), "amr": list(session.amr), "created_at": to_iso(session.created_at_us),
            "seen_at": to_iso(session.seen_at_us)}


def _user(user: User) -> dict[str, Any]:
    return {"id": user.id, "name": user.name, "roles": sorted(user.roles), "status": user.status,
            "email": user.email, "email_verified": user.is_email_verified, "profile": dict(user.profile),
            "created_at": to_iso(user.created_at_us), "updated_at": to_iso(user.updated_at_us or user.created_at_us)}
