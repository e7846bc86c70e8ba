"""The administrators' pages of clients; a new secret is shown once, on the page that made it."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from identity.domain.clients.registration import document_of
from identity.http.pages.administrators import Administrator, Administrators, Fields
from identity.service.clients.registrar import Issued
from shared_kernel.clock import to_iso
from shared_kernel.errors import UnprocessableError

PAGE = 50
DONE = frozenset({"saved", "deleted"})
KINDS = {
    "web": {"token_endpoint_auth_method": "client_secret_basic",
            "grant_types": ["authorization_code", "refresh_token"]},
    "native": {"token_endpoint_auth_method": "none", "application_type": "native",
               "grant_types": ["authorization_code", "refresh_token"]},
    "service": {"token_endpoint_auth_method": "client_secret_basic", "grant_types": ["client_credentials"],
                "response_types": []},
}
"""What a new client is; everything else can be said through the API or a file."""


class ClientsAdminRoutes:
    """Handlers of /people/clients."""

    def __init__(self, administrators: Administrators) -> None:
        self._administrators = administrators
        self._clients = administrators.front.provider.clients
        self._desk = administrators.front.provider.client_administration

    async def clients(self, request: Request) -> Response:
        """List clients."""
        async def show(who: Administrator) -> Response:
            return await self._listing(request, who)

        return await self._administrators.shown(request, show)

    async def create(self, request: Request) -> Response:
        """Register a client."""
        async def act(who: Administrator, fields: Fields) -> Response:
            if fields.get("kind") not in KINDS:
                raise UnprocessableError("choose what kind of client it is")
            issued = await self._desk.create(
                {**KINDS[fields["kind"]], "client_name": fields.get("client_name", "").strip(),
                 "redirect_uris": _lines(fields, "redirect_uris"), "scope": fields.get("scope", "").strip()},
                by=who.principal, context=who.context)
            return await self._client(request, who, issued.client.id, issued=issued)

        async def again(who: Administrator, failure: str, status: int, fields: Fields) -> Response:
            return await self._listing(request, who, failure=failure, status=status, fields=fields)

        return await self._administrators.acted(request, act, again)

    async def client(self, request: Request) -> Response:
        """Show one client."""
        async def show(who: Administrator) -> Response:
            return await self._client(request, who, request.path_params["client_id"])

        return await self._administrators.shown(request, show)

    async def edit(self, request: Request) -> Response:
        """Replace name, places and profile; everything else stays."""
        client_id = request.path_params["client_id"]

        async def act(who: Administrator, fields: Fields) -> str:
            client = await self._desk.get(client_id)
            document = document_of(client) | {"roles": sorted(client.roles)} | {
                "client_name": fields.get("client_name", "").strip(), "profile": fields.get("profile", ""),
                "redirect_uris": _lines(fields, "redirect_uris"),
                "post_logout_redirect_uris": _lines(fields, "post_logout_redirect_uris")}
            await self._desk.update(client_id, document, by=who.principal, context=who.context)
            return f"/people/clients/{client_id}?done=saved"

        return await self._administrators.acted(request, act, self._again(request))

    async def rotate(self, request: Request) -> Response:
        """Give a client a new secret, and show it."""
        async def act(who: Administrator, _: Fields) -> Response:
            issued = await self._desk.rotate_secret(
                request.path_params["client_id"], by=who.principal, context=who.context)
            return await self._client(request, who, issued.client.id, issued=issued)

        return await self._administrators.acted(request, act, self._again(request))

    async def delete(self, request: Request) -> Response:
        """Forget a client with all its grants."""
        async def act(who: Administrator, fields: Fields) -> str:
            client_id = request.path_params["client_id"]
            if fields.get("confirmation", "").strip() != client_id:
                raise UnprocessableError("type the id of the client to delete it")
            await self._desk.delete(client_id, by=who.principal, context=who.context)
            return "/people/clients?done=deleted"

        return await self._administrators.acted(request, act, self._again(request))

    async def _listing(self, request: Request, who: Administrator, *, failure: str | None = None,
                       status: int = 200, fields: Fields | None = None) -> Response:
        after = request.query_params.get("after", "")[:64]
        found = await self._clients.listed(after if after.isprintable() else "", PAGE + 1)
        return self._page(request, "clients.html", who, status=status, failure=failure, clients=found[:PAGE],
                          more=found[PAGE - 1].id if len(found) > PAGE else None, fields=fields or {})

    async def _client(self, request: Request, who: Administrator, client_id: str, *,  # noqa: PLR0913 - a page's parts
                      issued: Issued | None = None, failure: str | None = None, status: int = 200) -> Response:
        client = await self._desk.get(client_id)
        return self._page(request, "client.html", who, status=status, failure=failure, client=client,
                          secret=issued.secret if issued else None, created=to_iso(client.created_at_us))

    def _again(self, request: Request) -> Any:  # noqa: ANN401 - a handler of failures
        async def again(who: Administrator, failure: str, status: int, _: Fields) -> Response:
            return await self._client(request, who, request.path_params["client_id"], failure=failure, status=status)

        return again

    def _page(self, request: Request, template: str, who: Administrator, **values: Any) -> Response:  # noqa: ANN401 - a template's values
        done = request.query_params.get("done", "")
        return self._administrators.page(request, template, who, here="clients", done=done if done in DONE else "",
                                         **values)


def _lines(fields: Fields, name: str) -> list[str]:
    """Return the lines of a text area; its line breaks arrive as spaces, which no URI holds."""
    return fields.get(name, "").split()
