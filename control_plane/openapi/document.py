"""Endpoints to OpenAPI 3.1: paths, schemas, and for each route its action and who may do it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import msgspec

from control_plane.openapi.audience import Audience
from control_plane.problems import MEDIA_TYPE
from shared_kernel.endpoint import Endpoint
from shared_kernel.operation import FORM, TEXT, Operation, Schema, record

COMPONENTS = "#/components/schemas/"
PROBLEM = record(
    {"type": {"type": "string", "format": "uri"}, "title": TEXT, "status": {"type": "integer"}, "detail": TEXT},
    {"request_id": TEXT, "instance": TEXT, "reasons": {"type": "array", "items": TEXT}, "why": TEXT}, "Problem")
_SECURITY_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "an access token (RFC 6750)"},
    "dpop": {"type": "http", "scheme": "dpop", "description": "an access token with a proof of possession (RFC 9449)"},
    "client": {"type": "http", "scheme": "basic", "description": "an OAuth client, proven by the endpoint itself"},
}
_STRANGERS = frozenset({"everyone", "this machine"})
_PROTECTED: list[dict[str, list[str]]] = [{"bearer": []}, {"dpop": []}]
_REFUSALS = (400, 401, 403, 404, 405, 413, 415, 429, 503)
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
_SCHEMALESS_BODY = {"type": "string", "contentMediaType": "application/octet-stream"}


@dataclass(slots=True)
class _Components:
    """The schemas that have names."""

    schemas: dict[str, Any] = field(default_factory=dict)

    def of(self, schema: Any) -> Any:  # noqa: ANN401 - a schema, or a part of one
        """Return a schema with its titled parts replaced by references."""
        if isinstance(schema, type):
            return self._of_model(schema)
        if isinstance(schema, Mapping):
            found = {name: self.of(part) for name, part in schema.items()}
            title = schema.get("title")
            if not isinstance(title, str) or "$ref" in schema:
                return found
            self.schemas[title] = found
            return {"$ref": COMPONENTS + title}
        if isinstance(schema, list | tuple):
            return [self.of(part) for part in schema]
        return schema

    def _of_model(self, model: type) -> dict[str, Any]:
        [found], parts = msgspec.json.schema_components([model], ref_template=COMPONENTS + "{name}")
        self.schemas.update(parts)
        return found


def document(endpoints: Iterable[Endpoint], audience: Audience, *, version: str, origin: str) -> dict[str, Any]:
    """Return the OpenAPI document of these routes as the policy stands."""
    components = _Components()
    paths: dict[str, dict[str, Any]] = {}
    websockets: dict[str, Any] = {}
    for endpoint in sorted(endpoints, key=lambda each: (each.path, each.method)):
        if endpoint.method == "WEBSOCKET":
            websockets[template(endpoint.path)] = {
                "summary": _summary(endpoint), **_protection(endpoint, audience)}
        else:
            paths.setdefault(template(endpoint.path), {})[endpoint.method.lower()] = _operation(
                endpoint, audience, components)
    components.of(PROBLEM)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Gridwarden", "version": version,
                 "description": "The protected API. x-action is what policy decides on; x-roles are the roles that the "
                                "current policy gives it, before clearance, risk and purpose."},
        "servers": [{"url": origin}],
        "paths": paths,
        "components": {"schemas": dict(sorted(components.schemas.items())), "securitySchemes": _SECURITY_SCHEMES},
        "x-websockets": websockets,
        "x-policy-revision": audience.revision,
    }


def _operation(endpoint: Endpoint, audience: Audience, components: _Components) -> dict[str, Any]:
    said: Operation = endpoint.operation or Operation(_summary(endpoint), gives=_SCHEMALESS_BODY)
    found: dict[str, Any] = {
        "operationId": operation_id(endpoint), "summary": said.summary, **_protection(endpoint, audience),
        "parameters": _parameters(endpoint, said, components), "responses": _responses(endpoint, said, components),
    }
    if endpoint.method in _WITH_BODY and said.takes is not None:
        found["requestBody"] = {"required": True, "content": _content(said.takes, components)}
    return found


def _protection(endpoint: Endpoint, audience: Audience) -> dict[str, Any]:
    found: dict[str, Any] = {"x-action": endpoint.action, **audience.of(endpoint)}
    if endpoint.dataset is not None:
        found["x-dataset"] = endpoint.dataset
    if endpoint.own_credentials:
        found["security"] = [{}, {"client": []}]
    else:
        found["security"] = [{}, *_PROTECTED] if found["x-open-to"] in _STRANGERS else _PROTECTED
    return found


def _parameters(endpoint: Endpoint, said: Operation, components: _Components) -> list[dict[str, Any]]:
    placed = [("path", name, said.path.get(name, TEXT)) for name in parts(endpoint.path)]
    placed += [("query", name, schema) for name, schema in said.query.items()]
    placed += [("header", name, schema) for name, schema in said.fields.items()]
    if endpoint.dataset is not None:
        purpose = {"type": "string", "pattern": "^[a-z-]{1,40}$", "description": "why the data is read"}
        placed.append(("header", "Access-Purpose", purpose))
    return [{"name": name, "in": place, "required": place == "path" or schema.get("x-required", False),
             "schema": components.of({key: part for key, part in schema.items() if key != "x-required"})}
            for place, name, schema in placed]


def _responses(endpoint: Endpoint, said: Operation, components: _Components) -> dict[str, Any]:
    success = 204 if said.gives is None and said.status == HTTPStatus.OK else said.status
    found = {str(success): _response(success, said.gives, components)}
    found |= {str(status): _response(status, schema, components) for status, schema in said.also.items()}
    if endpoint.probe:
        return found
    problem = {"description": "An RFC 9457 problem", "content": {MEDIA_TYPE: {"schema": components.of(PROBLEM)}}}
    if said.failure is not None:
        problem = {"description": "A problem, or the protocol's own refusal",
                   "content": problem["content"] | _content(said.failure, components)}  # type: ignore[operator]
    return found | {str(status): {**problem, "description": HTTPStatus(status).phrase}
                    for status in _REFUSALS if str(status) not in found} | {"default": problem}


def _response(status: int, schema: Schema | None, components: _Components) -> dict[str, Any]:
    found: dict[str, Any] = {"description": HTTPStatus(status).phrase}
    if schema is not None:
        found["content"] = _content(schema, components)
    return found


def _content(schema: Schema, components: _Components) -> dict[str, Any]:
    if isinstance(schema, str):
        return {schema: {"schema": {"type": "object"} if schema == FORM else _SCHEMALESS_BODY}}
    media = schema.get("x-media-type", "application/json") if isinstance(schema, Mapping) else "application/json"
    return {media: {"schema": components.of(schema)}}


def _summary(endpoint: Endpoint) -> str:
    if endpoint.operation is not None:
        return str(endpoint.operation.summary)
    return str((endpoint.handler.__doc__ or endpoint.action).strip().splitlines()[0])


def operation_id(endpoint: Endpoint) -> str:
    """Return an identifier that code generators take: the method and the words of the path."""
    words = template(endpoint.path).replace("{", "by_").replace("}", "").replace(".", "_").replace("-", "_").split("/")
    return "_".join((endpoint.method.lower(), *(word for word in words if word))) or endpoint.method.lower()


def template(path: str) -> str:
    """Return a path without Starlette's converters."""
    return "/".join(f"{{{piece[1:-1].partition(':')[0]}}}" if piece.startswith("{") else piece
                    for piece in path.split("/"))


def parts(path: str) -> list[str]:
    """Return the names of a path's parameters."""
    return [piece[1:-1].partition(":")[0] for piece in path.split("/") if piece.startswith("{")]
