"""The routes of SCIM: people, groups, searches, bulk, and what the service says of itself."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from identity.domain.scim.errors import ScimError, not_found
from identity.domain.scim.meta_schemas import SCHEMAS
from identity.domain.scim.projection import projected
from identity.domain.scim.schemas import RESOURCE_TYPES, SERVICE_PROVIDER_CONFIG, ResourceType
from identity.http.scim.messages import (
    MAX_RESULTS,
    Asked,
    as_scim,
    asked_in_message,
    asked_in_query,
    body_of,
    error_json,
    list_json,
    scim_response,
    tags_in,
)
from identity.service import IdentityProvider
from identity.service.scim.asker import Asker, Page, Search, Shown
from identity.service.scim.bulk import MAX_OPERATIONS, MAX_PAYLOAD, Bulk, Done, Operation
from identity.service.scim.groups import GroupDirectory
from identity.service.scim.people import PeopleDirectory
from shared_kernel.context import context_of
from shared_kernel.endpoint import Endpoint
from shared_kernel.errors import GridwardenError

ROOT = "/scim/v2"
MAX_PERSON = 262_144
_READ_ONLY = ("/ServiceProviderConfig", "/ResourceTypes", "/Schemas")
Directory = PeopleDirectory | GroupDirectory
Handler = Callable[[Request], Awaitable[Response]]


def scim_endpoints(provider: IdentityProvider) -> tuple[Endpoint, ...]:
    """Return SCIM's routes."""
    place = urlsplit(provider.issuer)
    base = f"{place.scheme}://{place.netloc}{ROOT}"
    directories: tuple[Directory, ...] = (provider.people_directory, provider.group_directory)
    service = ServiceRoutes(base, {each.kind.path[1:]: each for each in directories})
    return (
        *(endpoint for each in directories for endpoint in ResourceRoutes(each, base).endpoints()),
        *service.endpoints(),
    )


def answering(handler: Handler) -> Handler:
    """Let errors leave as SCIM errors (RFC 7644 section 3.12)."""
    async def answered(request: Request) -> Response:
        try:
            return await handler(request)
        except GridwardenError as cause:
            error = as_scim(cause)
            return scim_response(error_json(error), error.status)
    return answered


class ResourceRoutes:
    """Handlers of one kind of resource."""

    def __init__(self, directory: Directory, base: str) -> None:
        self._directory = directory
        self._kind: ResourceType = directory.kind
        self._base = base

    def endpoints(self) -> tuple[Endpoint, ...]:
        """Return the routes of this kind."""
        many = ROOT + self._kind.path
        one = many + "/{resource_id}"
        cap = MAX_PAYLOAD if self._kind.name == "Group" else MAX_PERSON
        return (
            Endpoint("GET", many, "scim.read", answering(self.listed)),
            Endpoint("POST", f"{many}/.search", "scim.read", answering(self.searched)),
            Endpoint("POST", many, "scim.write", answering(self.create), max_body=cap),
            Endpoint("GET", one, "scim.read", answering(self.shown)),
            Endpoint("PUT", one, "scim.write", answering(self.replace), max_body=cap),
            Endpoint("PATCH", one, "scim.write", answering(self.patch), max_body=cap),
            Endpoint("DELETE", one, "scim.write", answering(self.delete)),
        )

    async def listed(self, request: Request) -> Response:
        """Search by the URL (RFC 7644 section 3.4.2)."""
        return await self._page(asked_in_query(request))

    async def searched(self, request: Request) -> Response:
        """Search by a message (RFC 7644 section 3.4.3)."""
        return await self._page(asked_in_message(await body_of(request)))

    async def shown(self, request: Request) -> Response:
        """Show one resource, or say that it did not change."""
        asked = asked_in_query(request)
        found = await self._directory.get(request.path_params["resource_id"], self._base)
        known = tags_in(request.headers.get("if-none-match"))
        if "*" in known or found.etag in known:
            return Response(status_code=304, headers={"ETag": found.etag, "Cache-Control": "no-store"})
        return self._answer(found, asked)

    async def create(self, request: Request) -> Response:
        """Create one (RFC 7644 section 3.3)."""
        asked = asked_in_query(request)
        found = await self._directory.create(await body_of(request), asker_of(request, self._base))
        return self._answer(found, asked, 201)

    async def replace(self, request: Request) -> Response:
        """Replace one (RFC 7644 section 3.5.1)."""
        asked = asked_in_query(request)
        found = await self._directory.replace(
            request.path_params["resource_id"], await body_of(request), asker_of(request, self._base))
        return self._answer(found, asked)

    async def patch(self, request: Request) -> Response:
        """Change one (RFC 7644 section 3.5.2)."""
        asked = asked_in_query(request)
        found = await self._directory.patch(
            request.path_params["resource_id"], await body_of(request), asker_of(request, self._base))
        return self._answer(found, asked)

    async def delete(self, request: Request) -> Response:
        """Delete one (RFC 7644 section 3.6)."""
        await self._directory.delete(request.path_params["resource_id"], asker_of(request, self._base))
        return Response(status_code=204)

    async def _page(self, asked: Asked) -> Response:
        search = asked.search()
        page = await self._directory.search(search, self._base)
        resources = [projected(each.document, self._kind, asked.wanted, asked.unwanted) for each in page.items]
        return scim_response(list_json(page.total, search.start, resources))

    def _answer(self, found: Shown, asked: Asked, status: int = 200) -> Response:
        headers = {"ETag": found.etag, "Location": str(found.document["meta"]["location"])}
        return scim_response(projected(found.document, self._kind, asked.wanted, asked.unwanted), status, headers)


class ServiceRoutes:
    """Handlers of what concerns no single kind."""

    def __init__(self, base: str, directories: Mapping[str, Directory]) -> None:
        self._base = base
        self._directories = directories

    def endpoints(self) -> tuple[Endpoint, ...]:
        """Return the routes; the last ones answer whatever has none."""
        return (
            Endpoint("GET", f"{ROOT}/ServiceProviderConfig", "scim.read", answering(self.config)),
            Endpoint("GET", f"{ROOT}/ResourceTypes", "scim.read", answering(self.resource_types)),
            Endpoint("GET", f"{ROOT}/ResourceTypes/{{name}}", "scim.read", answering(self.resource_type)),
            Endpoint("GET", f"{ROOT}/Schemas", "scim.read", answering(self.schemas)),
            Endpoint("GET", f"{ROOT}/Schemas/{{urn}}", "scim.read", answering(self.schema)),
            Endpoint("POST", f"{ROOT}/.search", "scim.read", answering(self.searched)),
            Endpoint("POST", f"{ROOT}/Bulk", "scim.write", answering(self.bulk), max_body=MAX_PAYLOAD),
            *(Endpoint(method, f"{ROOT}/{{path:path}}", "scim.read", answering(self.nothing))
              for method in ("GET", "POST", "PUT", "PATCH", "DELETE")),
        )

    async def config(self, _: Request) -> Response:
        """Say what this service can do (RFC 7643 section 5)."""
        on: dict[str, Any] = {"supported": True}
        return scim_response({
            "schemas": [SERVICE_PROVIDER_CONFIG], "patch": on, "changePassword": on, "sort": on, "etag": on,
            "bulk": {"supported": True, "maxOperations": MAX_OPERATIONS, "maxPayloadSize": MAX_PAYLOAD},
            "filter": {"supported": True, "maxResults": MAX_RESULTS},
            "authenticationSchemes": [{
                "type": "oauthbearertoken", "name": "OAuth access token", "primary": True,
                "description": "An access token of a person or client with the role admin or provisioner",
                "specUri": "https://www.rfc-editor.org/rfc/rfc6750"}],
            "meta": {"resourceType": "ServiceProviderConfig", "location": f"{self._base}/ServiceProviderConfig"}})

    async def resource_types(self, request: Request) -> Response:
        """List the kinds of resources."""
        return _all([each.to_json(self._base) for each in RESOURCE_TYPES.values()], request)

    async def resource_type(self, request: Request) -> Response:
        """Show one kind."""
        found = RESOURCE_TYPES.get(request.path_params["name"])
        if found is None:
            raise not_found("the resource type")
        return scim_response(found.to_json(self._base))

    async def schemas(self, request: Request) -> Response:
        """List the schemas."""
        return _all([each.to_json(self._base) for each in SCHEMAS.values()], request)

    async def schema(self, request: Request) -> Response:
        """Show one schema."""
        wanted = request.path_params["urn"].lower()
        found = next((each for each in SCHEMAS.values() if each.id.lower() == wanted), None)
        if found is None:
            raise not_found("the schema")
        return scim_response(found.to_json(self._base))

    async def searched(self, request: Request) -> Response:
        """Search people, then groups; what a kind does not have is without value there (RFC 7644 section 3.4.2.1)."""
        asked = asked_in_message(await body_of(request), is_lenient=True)
        search = asked.search()
        total, skip, found = 0, search.start - 1, list[dict[str, Any]]()
        for directory in self._directories.values():
            page = await self._part(directory, search, skip, search.count - len(found))
            found += [projected(each.document, directory.kind, asked.wanted, asked.unwanted) for each in page.items]
            total, skip = total + page.total, max(0, skip - page.total)
        return scim_response(list_json(total, search.start, found))

    async def _part(self, directory: Directory, search: Search, skip: int, count: int) -> Page:
        return await directory.search(Search(search.condition, search.sort, search.is_descending, skip + 1, count,
                                             is_lenient=True), self._base)

    async def bulk(self, request: Request) -> Response:
        """Carry out many operations (RFC 7644 section 3.7)."""
        message, asker = await body_of(request), asker_of(request, self._base, has_version=False)

        async def perform(operation: Operation) -> Done:
            return await self._perform(operation, asker)

        return scim_response(await Bulk(perform, refused=error_json, wrap=as_scim).run(message))

    async def _perform(self, operation: Operation, asker: Asker) -> Done:
        directory = self._directories[operation.collection]
        versioned = Asker(asker.context, asker.base, tags_in(operation.version))
        target = operation.target or ""
        if operation.method == "POST":
            return Done(201, await directory.create(operation.data, versioned))
        if operation.method == "DELETE":
            await directory.delete(target, versioned)
            return Done(204, location=f"{self._base}/{operation.collection}/{target}")
        change = directory.replace if operation.method == "PUT" else directory.patch
        return Done(200, await change(target, operation.data, versioned))

    async def nothing(self, request: Request) -> Response:
        """Answer what has no route: the wrong method of something, or nothing."""
        path = "/" + request.path_params["path"]
        if path.startswith(_READ_ONLY) and request.method != "GET":
            return scim_response(error_json(ScimError(405, "this can only be read")), 405, {"Allow": "GET"})
        if path in {"/Me", "/Bulk"}:
            raise ScimError(501 if path == "/Me" else 405, "this is not offered")
        raise not_found(path[:100])


def asker_of(request: Request, base: str, *, has_version: bool = True) -> Asker:
    """Return who asks, and for which version."""
    tags = tags_in(request.headers.get("if-match")) if has_version else ()
    return Asker(context_of(request.scope), base, tags)


def _all(documents: list[dict[str, Any]], request: Request) -> Response:
    """RFC 7644 section 4: these lists are whole, and a filter on them is refused."""
    if "filter" in request.query_params:
        raise ScimError(403, "this list cannot be filtered (RFC 7644 section 4)")
    return scim_response(list_json(len(documents), 1, documents))
