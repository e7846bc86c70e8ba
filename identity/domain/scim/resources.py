"""A resource as a client wrote it becomes a clean document: our spelling, our types, nothing it may not set."""

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from identity.domain.scim.errors import invalid_syntax, invalid_value
from identity.domain.scim.schemas import COMMON, Attribute, ResourceType, Schema

MAX_TEXT, MAX_BINARY, MAX_VALUES = 2_000, 20_000, 100
MAX_MEMBERS = 50_000
Document = dict[str, Any]


def cleaned(given: object, kind: ResourceType, *, needs_schemas: bool = True) -> Document:
    """Return the writable part of a resource; raise ScimError. Unknown and read-only attributes are left out."""
    if not isinstance(given, Mapping):
        raise invalid_syntax("a resource must be a JSON object")
    if needs_schemas:
        _check_schemas(given, kind)
    found = _of_schema(given, kind.schema)
    for name, value in given.items():
        if name.lower() == "externalid" and value is not None:
            found["externalId"] = text(COMMON[2], value)
        extension = extension_named(kind, name)
        if extension is not None and isinstance(value, Mapping):
            inner = _of_schema(value, extension)
            if inner:
                found[extension.id] = inner
    return found


def require(document: Mapping[str, Any], kind: ResourceType) -> None:
    """Raise ScimError for a required attribute that has no value."""
    for attribute in kind.schema.attributes:
        if attribute.is_required and not document.get(attribute.name):
            raise invalid_value(f"{attribute.name} is required")


def extension_named(kind: ResourceType, name: str) -> Schema | None:
    """Return the extension of that URN."""
    return next((each for each in kind.extensions if each.id.lower() == name.lower()), None)


def value_of(attribute: Attribute, value: object) -> Any:  # noqa: ANN401 - any JSON value
    """Return an attribute's value in our spelling, None when it is unassigned (RFC 7643 section 2.5)."""
    if value is None:
        return None
    if not attribute.is_multi:
        return _single(attribute, value)
    if not isinstance(value, list):
        value = [value]
    limit = MAX_MEMBERS if attribute.name == "members" else MAX_VALUES
    if len(value) > limit:
        raise invalid_value(f"{attribute.name} holds more than {limit} values")
    found = [each for each in (_single(attribute, one) for one in value) if each is not None]
    if sum(1 for each in found if isinstance(each, dict) and each.get("primary") is True) > 1:
        raise invalid_value(f"{attribute.name} holds two primary values")
    return found or None


def _of_schema(given: Mapping[str, Any], schema: Schema) -> Document:
    found: Document = {}
    for name, value in given.items():
        attribute = schema.attribute(name)
        if attribute is None or attribute.mutability == "readOnly":
            continue
        clean = value_of(attribute, value)
        if clean is not None:
            found[attribute.name] = clean
    return found


def _single(attribute: Attribute, value: object) -> Any:  # noqa: ANN401 - any JSON value
    if attribute.kind == "complex":
        return _complex(attribute, value)
    if attribute.kind == "boolean":
        if not isinstance(value, bool):
            raise invalid_value(f"{attribute.name} must be true or false")
        return value
    if attribute.kind == "binary":
        return _binary(attribute, value)
    return text(attribute, value)


def _complex(attribute: Attribute, value: object) -> Document | None:
    if not isinstance(value, Mapping):
        if attribute.is_multi and isinstance(value, str) and attribute.part("value"):
            return {"value": text(attribute, value)}
        raise invalid_value(f"{attribute.name} must be an object")
    found: Document = {}
    for name, inner in value.items():
        part = attribute.part(name)
        if part is not None and part.mutability != "readOnly" and inner is not None:
            found[part.name] = value_of(part, inner)
    return found or None


def text(attribute: Attribute, value: object) -> str:
    """Return a text that a database can hold."""
    if not isinstance(value, str) or len(value) > MAX_TEXT or "\x00" in value:
        raise invalid_value(f"{attribute.name} must be a text of at most {MAX_TEXT} characters")
    return value


def _binary(attribute: Attribute, value: object) -> str:
    if not isinstance(value, str) or len(value) > MAX_BINARY:
        raise invalid_value(f"{attribute.name} must be base64 of at most {MAX_BINARY} characters")
    try:
        base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError) as cause:
        raise invalid_value(f"{attribute.name} must be base64") from cause
    return value


def _check_schemas(given: Mapping[str, Any], kind: ResourceType) -> None:
    listed = next((value for name, value in given.items() if name.lower() == "schemas"), None)
    if not isinstance(listed, list) or not all(isinstance(each, str) for each in listed):
        raise invalid_syntax("schemas must list the URNs of the resource's schemas")
    known = {kind.schema.id.lower(), *(each.id.lower() for each in kind.extensions)}
    if kind.schema.id.lower() not in {each.lower() for each in listed}:
        raise invalid_syntax(f"schemas must hold {kind.schema.id}")
    unknown = [each for each in listed if each.lower() not in known]
    if unknown:
        raise invalid_value(f"the schema {unknown[0][:200]} is not known here")
