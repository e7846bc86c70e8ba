"""The administrators' JSON API of people. Policy has already decided who may call it."""

import uuid
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from identity.domain.records import User
from identity.http.oauth.protocol import json_response
from identity.service import IdentityProvider
from shared_kernel.clock import to_iso
from shared_kernel.context import context_of
from shared_kernel.errors import InvalidInputError, NotFoundError, UnprocessableError
from shared_kernel.ids import secret
from shared_kernel.principal import PrincipalKind
from shared_kernel.strict_json import parse_strict

MAX_PAGE = 200


class NewUser(msgspec.Struct, forbid_unknown_fields=True):
    """A person to create; without a password one is made up and answered once."""

    name: str
    roles: list[str] = []
    password: str | None = None


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
        limit, after = _page(request)
        found = await self._provider.accounts.listed(after, limit)
        return _listing([_user(user) for user in found], found[-1].name if len(found) == limit else None)

    async def me(self, request: Request) -> Response:
        """Tell callers who they are."""
        principal = context_of(request.scope).principal
        if principal.kind is PrincipalKind.PERSON:
            return json_response(_user(await self._provider.accounts.get(principal.subject)))
        return json_response({"id": principal.subject, "name": principal.name, "roles": sorted(principal.roles),
                              "kind": principal.kind})

    async def create_user(self, request: Request) -> Response:
        """Create a person."""
        wanted = _body(await request.body(), NewUser)
        context = context_of(request.scope)
        password = wanted.password or secret()
        user = await self._provider.create_user(wanted.name, password, roles=frozenset(wanted.roles),
                                                by=context.principal, context=context)
        once = {} if wanted.password else {"password": password}
        return json_response(_user(user) | once, 201, {"Location": f"/api/v1/users/{user.id}"})

    async def lock(self, request: Request) -> Response:
        """Lock a person out."""
        reason = _body(await request.body(), Lock).reason
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
        roles = frozenset(_body(await request.body(), Roles).roles)
        context = context_of(request.scope)
        user = await self._provider.set_roles(_user_id(request), roles, by=context.principal, context=context)
        return json_response(_user(user))


def _body(raw: bytes, shape: type[Any]) -> Any:  # noqa: ANN401 - the type is the argument
    try:
        return msgspec.convert(parse_strict(raw), shape)
    except msgspec.ValidationError as cause:
        raise UnprocessableError(f"the body does not fit: {cause}") from cause


def _page(request: Request) -> tuple[int, str]:
    text = request.query_params.get("limit", "50")
    after = request.query_params.get("after", "")
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:6]) <= MAX_PAGE):
        raise InvalidInputError(f"limit must be a whole number from 1 to {MAX_PAGE}")
    if not (after.isascii() and after.isprintable()):
        raise InvalidInputError("after must be the `next` of the page before")
    return int(text), after


def _user_id(request: Request) -> str:
    try:
        return str(uuid.UUID(request.path_params["user_id"]))
    except ValueError as cause:
        raise NotFoundError("there is no account with this id") from cause


def _listing(items: list[dict[str, Any]], after: str | None) -> Response:
    return json_response({"items": items, "next": after})


def _user(user: User) -> dict[str, Any]:
    return {"id": user.id, "name": user.name, "roles": sorted(user.roles), "status": user.status,
            "created_at": to_iso(user.created_at_us)}
