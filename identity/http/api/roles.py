"""The administrators' JSON API of roles. Policy has already decided who may call it."""

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from identity.domain.people.roles import RoleRecord
from identity.http.api.bodies import listing_page, read_body
from identity.http.oauth.protocol import json_response
from identity.service import IdentityProvider
from shared_kernel.clock import to_iso
from shared_kernel.context import context_of


class NewRole(msgspec.Struct, forbid_unknown_fields=True):
    """A role to create."""

    name: str
    description: str


class RoleChange(msgspec.Struct, forbid_unknown_fields=True):
    """What people shall read about a role."""

    description: str


class RoleRoutes:
    """Handlers of /api/v1/roles."""

    def __init__(self, provider: IdentityProvider) -> None:
        self._desk = provider.people.roles

    async def roles(self, request: Request) -> Response:
        """List roles by name."""
        limit, after = listing_page(request)
        found = await self._desk.listed(after, limit)
        return json_response({"items": [_role(role) for role in found],
                              "next": found[-1].name if len(found) == limit else None})

    async def role(self, request: Request) -> Response:
        """Show one role."""
        return json_response(_role(await self._desk.get(request.path_params["role_id"])))

    async def create(self, request: Request) -> Response:
        """Create a role."""
        wanted, context = read_body(await request.body(), NewRole), context_of(request.scope)
        role = await self._desk.create(wanted.name, wanted.description, by=context.principal, context=context)
        return json_response(_role(role), 201, {"Location": f"/api/v1/roles/{role.id}"})

    async def describe(self, request: Request) -> Response:
        """Replace what people read about a role."""
        wanted, context = read_body(await request.body(), RoleChange), context_of(request.scope)
        role = await self._desk.describe(request.path_params["role_id"], wanted.description, by=context.principal,
                                         context=context)
        return json_response(_role(role))

    async def delete(self, request: Request) -> Response:
        """Forget a role that nobody has."""
        context = context_of(request.scope)
        await self._desk.delete(request.path_params["role_id"], by=context.principal, context=context)
        return Response(status_code=204)


def _role(role: RoleRecord) -> dict[str, Any]:
    return {"id": role.id, "name": role.name, "description": role.display_name, "built_in": role.is_built_in,
            "created_at": to_iso(role.created_at_us), "updated_at": to_iso(role.updated_at_us)}
