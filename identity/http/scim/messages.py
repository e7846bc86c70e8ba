"""SCIM's messages: lists, errors, and what requests ask for."""

import re
from collections.abc import Mapping
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from identity.domain.scim import filters
from identity.domain.scim.errors import ScimError, invalid_syntax, invalid_value
from identity.domain.scim.filters import AttributePath, attribute_path
from identity.domain.scim.projection import paths_of
from identity.service.scim.asker import Search
from shared_kernel import errors
from shared_kernel.strict_json import parse_strict

MEDIA_TYPE = "application/scim+json"
ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"
LIST = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
SEARCH = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"
MAX_RESULTS, DEFAULT_RESULTS, MAX_START = 200, 100, 1_000_000_000
_NO_STORE = {"Cache-Control": "no-store"}
_NUMBER = re.compile(r"-?\d{1,10}", re.ASCII)
_TAG = re.compile(r'\s*((?:W/)?"[\x21\x23-\x7e]*"|\*)\s*(?:,|\Z)', re.ASCII)
_FAMILIES: Mapping[type[errors.GridwardenError], tuple[int, str | None]] = {
    errors.InvalidInputError: (400, "invalidSyntax"), errors.UnprocessableError: (400, "invalidValue"),
    errors.ForbiddenError: (403, None), errors.NotFoundError: (404, None), errors.ConflictError: (409, None),
    errors.TooLargeError: (413, None),
}


def scim_response(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return a SCIM answer."""
    return Response(orjson.dumps(value), status, {**_NO_STORE, **(headers or {})}, MEDIA_TYPE)


def error_json(error: ScimError) -> dict[str, Any]:
    """Return an error message (RFC 7644 section 3.12)."""
    kind = {"scimType": error.scim_type} if error.scim_type else {}
    return {"schemas": [ERROR], "status": str(error.status), **kind, "detail": error.detail}


def as_scim(cause: Exception) -> ScimError:
    """Return an error of ours as SCIM says it; raise what is none, or means that nothing works now."""
    if isinstance(cause, ScimError):
        return cause
    if isinstance(cause, errors.GridwardenError):
        for family, (status, kind) in _FAMILIES.items():
            if isinstance(cause, family):
                return ScimError(status, cause.detail, kind)
    raise cause


async def body_of(request: Request) -> Any:  # noqa: ANN401 - any JSON value
    """Return the JSON of a request; raise ScimError."""
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media not in {MEDIA_TYPE, "application/json"}:
        raise ScimError(415, f"the body must be {MEDIA_TYPE}")
    return parse_strict(await request.body())


def list_json(total: int, start: int, resources: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a page of resources (RFC 7644 section 3.4.2)."""
    return {"schemas": [LIST], "totalResults": total, "itemsPerPage": len(resources), "startIndex": start,
            "Resources": resources}


def tags_in(header: str | None) -> tuple[str, ...]:
    """Return the entity tags of If-Match or If-None-Match (RFC 9110 section 13.1)."""
    if header is None:
        return ()
    found = tuple(_TAG.findall(header))
    if not found or _TAG.sub("", header).strip():
        raise invalid_syntax('the version must be an entity tag such as W/"1"')
    return found


class Asked:
    """What the parameters of a request, or a SearchRequest, ask for."""

    def __init__(self, fields: Mapping[str, Any], *, is_lenient: bool = False) -> None:
        self.wanted = paths_of(fields.get("attributes") or [])
        self.unwanted = paths_of(fields.get("excludedattributes") or [])
        if self.wanted and self.unwanted:
            raise invalid_syntax("attributes and excludedAttributes exclude each other (RFC 7644 section 3.9)")
        self._fields = fields
        self._is_lenient = is_lenient

    def search(self) -> Search:
        """Return the question; raise ScimError."""
        text, order = self._fields.get("filter"), self._fields.get("sortorder", "ascending")
        if text is not None and not isinstance(text, str):
            raise ScimError(400, "the filter must be a text", "invalidFilter")
        if order not in {"ascending", "descending"}:
            raise invalid_value("sortOrder must be ascending or descending")
        return Search(
            condition=filters.parse(text) if text is not None else None, sort=self._sort(),
            is_descending=order == "descending", start=max(1, self._number("startindex", 1)),
            count=min(MAX_RESULTS, max(0, self._number("count", DEFAULT_RESULTS))), is_lenient=self._is_lenient)

    def _sort(self) -> AttributePath | None:
        given = self._fields.get("sortby")
        if given is None:
            return None
        path = attribute_path(given) if isinstance(given, str) else None
        if path is None or not path.name:
            raise ScimError(400, "sortBy names no attribute", "invalidPath")
        return path

    def _number(self, name: str, otherwise: int) -> int:
        given = self._fields.get(name, otherwise)
        if isinstance(given, str) and _NUMBER.fullmatch(given):
            given = int(given)
        if isinstance(given, bool) or not isinstance(given, int) or abs(given) > MAX_START:
            raise invalid_value(f"{name} must be a whole number")
        return given


def asked_in_query(request: Request) -> Asked:
    """Return what the URL asks for."""
    pairs = [(name.lower(), value) for name, value in request.query_params.multi_items()]
    if len({name for name, _ in pairs}) != len(pairs):
        raise invalid_syntax("a parameter stands twice")
    return Asked(dict(pairs))


def asked_in_message(message: object, *, is_lenient: bool = False) -> Asked:
    """Return what a SearchRequest asks for (RFC 7644 section 3.4.3)."""
    fields = {name.lower(): value for name, value in message.items()} if isinstance(message, Mapping) else {}
    if fields.get("schemas") != [SEARCH]:
        raise invalid_syntax(f"schemas must be [{SEARCH}]")
    return Asked(fields, is_lenient=is_lenient)
