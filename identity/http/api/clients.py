"""The administrators' JSON API of clients, in the names of RFC 7591. Policy has already decided who may call it."""

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from identity.domain.clients.metadata import LOCALIZED, SETTINGS, SHOWN
from identity.domain.clients.registration import document_of
from identity.domain.records import Client, InitialAccess
from identity.http.oauth.protocol import json_response
from identity.service import IdentityProvider
from identity.service.clients.administration import Change, Invitation
from identity.service.clients.registrar import Issued
from shared_kernel.clock import to_iso
from shared_kernel.context import context_of
from shared_kernel.errors import InvalidInputError, UnprocessableError
from shared_kernel.strict_json import parse_strict

MAX_PAGE = 200
MAX_IMPORT = 1_000_000
_KNOWN = frozenset({
    "client_id", "client_name", "redirect_uris", "post_logout_redirect_uris", "grant_types", "response_types", "scope",
    "subject_type", "roles", *(member.name for member in SETTINGS), *SHOWN})
_ANSWERED = frozenset({"client_id_issued_at", "client_secret_expires_at", "first_party", "public", "created_at",
                       "updated_at"})


class NewInvitation(msgspec.Struct, forbid_unknown_fields=True):
    """An initial access token to make."""

    uses: int = 1
    expires_in: int = 86_400
    scopes: list[str] | None = None
    grant_types: list[str] | None = None
    profile: str | None = None


class Import(msgspec.Struct, forbid_unknown_fields=True):
    """Clients to bring up to date."""

    clients: list[dict[str, Any]]
    dry_run: bool = False


class ClientRoutes:
    """Handlers of /api/v1/clients and /api/v1/client-invitations."""

    def __init__(self, provider: IdentityProvider) -> None:
        self._provider = provider
        self._desk = provider.client_administration

    async def clients(self, request: Request) -> Response:
        """List clients by id."""
        limit, after = _page(request)
        found = await self._provider.clients.listed(after, limit)
        return json_response({"items": [client_json(client) for client in found],
                              "next": found[-1].id if len(found) == limit else None})

    async def client(self, request: Request) -> Response:
        """Show one client."""
        return json_response(client_json(await self._desk.get(request.path_params["client_id"])))

    async def create(self, request: Request) -> Response:
        """Register a client; its secret is in this answer and nowhere else."""
        document, context = _document(await request.body()), context_of(request.scope)
        if document.get("first_party"):
            raise UnprocessableError("first_party is not for the API to give")
        issued = await self._desk.create(document, by=context.principal, context=context)
        return json_response(_once(issued), 201, {"Location": f"/api/v1/clients/{issued.client.id}"})

    async def update(self, request: Request) -> Response:
        """Replace a client's metadata as a whole."""
        document, context = _document(await request.body()), context_of(request.scope)
        issued = await self._desk.update(request.path_params["client_id"], document, by=context.principal,
                                         context=context)
        return json_response(_once(issued))

    async def delete(self, request: Request) -> Response:
        """Forget a client with all its grants."""
        context = context_of(request.scope)
        await self._desk.delete(request.path_params["client_id"], by=context.principal, context=context)
        return Response(status_code=204)

    async def rotate_secret(self, request: Request) -> Response:
        """Give a client a new secret; the old one is dead at once."""
        context = context_of(request.scope)
        issued = await self._desk.rotate_secret(request.path_params["client_id"], by=context.principal,
                                                context=context)
        return json_response(_once(issued))

    async def bring(self, request: Request) -> Response:
        """Bring a list of clients up to date, all or none."""
        wanted: Import = _body(await request.body(), Import)
        context = context_of(request.scope)
        for document in wanted.clients:
            check_importable(document)
        found = await self._desk.bring(wanted.clients, by=context.principal, is_trial=wanted.dry_run, context=context)
        return json_response({"items": [change_json(change) for change in found], "dry_run": wanted.dry_run})

    async def invite(self, request: Request) -> Response:
        """Make an initial access token; its text is in this answer and nowhere else."""
        wanted: NewInvitation = _body(await request.body(), NewInvitation)
        context = context_of(request.scope)
        limits = {"scopes": wanted.scopes, "grant_types": wanted.grant_types, "profile": wanted.profile}
        text, access = await self._desk.invite(Invitation(wanted.uses, wanted.expires_in, limits),
                                               by=context.principal, context=context)
        return json_response(invitation_json(access) | {"initial_access_token": text}, 201)

    async def invitations(self, _: Request) -> Response:
        """List the invitations that still work."""
        found = await self._desk.invitations()
        return json_response({"items": [invitation_json(access) for access in found], "next": None})

    async def uninvite(self, request: Request) -> Response:
        """Take an invitation back."""
        context = context_of(request.scope)
        await self._desk.uninvite(request.path_params["invitation_id"], by=context.principal, context=context)
        return Response(status_code=204)


def client_json(client: Client) -> dict[str, Any]:
    """Return a client as an administrator sees it; never a secret."""
    return document_of(client) | {
        "roles": sorted(client.roles), "first_party": client.first_party, "public": client.is_public,
        "created_at": to_iso(client.created_at_us), "updated_at": to_iso(client.updated_at_us or client.created_at_us)}


def change_json(change: Change) -> dict[str, Any]:
    """Return what an import did to one client."""
    action = "created" if change.issued.is_new else "updated" if change.changed else "unchanged"
    once = {"client_secret": change.issued.secret} if change.issued.secret else {}
    return {"client_id": change.issued.client.id, "action": action,
            "changed": {name: {"before": before, "after": after} for name, (before, after) in change.changed.items()},
            **once}


def _once(issued: Issued) -> dict[str, Any]:
    return client_json(issued.client) | ({"client_secret": issued.secret} if issued.secret else {})


def invitation_json(access: InitialAccess) -> dict[str, Any]:
    """Return an invitation as an administrator sees it; never its text."""
    return {"id": access.id, "created_by": access.created_by, "uses_left": access.uses_left,
            "limits": dict(access.limits), "created_at": to_iso(access.created_at_us),
            "expires_at": to_iso(access.expires_at_us)}


def _document(raw: bytes) -> dict[str, Any]:
    """Return a document. Unlike RFC 7591 an unknown name is a mistake to hear of; what we answered may come back."""
    document = parse_strict(raw)
    if not isinstance(document, dict):
        raise UnprocessableError("the body must be an object in the names of RFC 7591")
    _check_known(document, _ANSWERED)
    return document


def check_importable(document: dict[str, Any]) -> None:
    """Raise UnprocessableError for a name that no client has; what `export` wrote may come back."""
    _check_known(document, _ANSWERED | {"client_secret"})


def _check_known(document: dict[str, Any], also: frozenset[str]) -> None:
    for name in document:
        if name not in _KNOWN | also and name.partition("#")[0] not in LOCALIZED:
            raise UnprocessableError(f"{name[:60]!r} is no client metadata: see RFC 7591 section 2")


def _body(raw: bytes, shape: type[Any]) -> Any:  # noqa: ANN401 - the type is the argument
    try:
        return msgspec.convert(parse_strict(raw), shape)
    except msgspec.ValidationError as cause:
        raise UnprocessableError(f"the body does not fit: {cause}") from cause


def _page(request: Request) -> tuple[int, str]:
    text, after = request.query_params.get("limit", "50"), request.query_params.get("after", "")
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:6]) <= MAX_PAGE):
        raise InvalidInputError(f"limit must be a whole number from 1 to {MAX_PAGE}")
    if not (after.isascii() and after.isprintable()):
        raise InvalidInputError("after must be the `next` of the page before")
    return int(text), after
