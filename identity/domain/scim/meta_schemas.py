"""The schemas of the schemas (RFC 7643 section 8.7.2): how ServiceProviderConfig, ResourceType and Schema look."""

from collections.abc import Mapping

from identity.domain.scim.schemas import (
    ENTERPRISE_SCHEMA,
    GROUP_SCHEMA,
    RESOURCE_TYPE,
    SCHEMA,
    SERVICE_PROVIDER_CONFIG,
    USER_SCHEMA,
    Attribute,
    Schema,
)


def _fixed(name: str, kind: str = "string", *, parts: tuple[Attribute, ...] = (), is_multi: bool = False,
           is_required: bool = True) -> Attribute:
    return Attribute(name, kind, is_multi=is_multi, is_required=is_required, mutability="readOnly", parts=parts,
                     references=("uri",) if kind == "reference" else ())


def _option(name: str, *more: Attribute) -> Attribute:
    return _fixed(name, "complex", parts=(_fixed("supported", "boolean"), *more))


_CONFIG = Schema(SERVICE_PROVIDER_CONFIG, "ServiceProviderConfig", "What this service can do", (
    _fixed("documentationUri", "reference", is_required=False),
    _option("patch"),
    _option("bulk", _fixed("maxOperations", "integer"), _fixed("maxPayloadSize", "integer")),
    _option("filter", _fixed("maxResults", "integer")),
    _option("changePassword"), _option("sort"), _option("etag"),
    _fixed("authenticationSchemes", "complex", is_multi=True, parts=(
        _fixed("type"), _fixed("name"), _fixed("description"), _fixed("specUri", "reference", is_required=False),
        _fixed("documentationUri", "reference", is_required=False), _fixed("primary", "boolean", is_required=False))),
))

_TYPE = Schema(RESOURCE_TYPE, "ResourceType", "A kind of resource", (
    _fixed("id", is_required=False), _fixed("name"), _fixed("description", is_required=False),
    _fixed("endpoint", "reference"), _fixed("schema", "reference"),
    _fixed("schemaExtensions", "complex", is_multi=True, is_required=False, parts=(
        _fixed("schema", "reference"), _fixed("required", "boolean"))),
))

_TRAITS = (
    _fixed("name"), _fixed("type"), _fixed("multiValued", "boolean"), _fixed("description", is_required=False),
    _fixed("required", "boolean"), _fixed("canonicalValues", is_multi=True, is_required=False),
    _fixed("caseExact", "boolean", is_required=False), _fixed("mutability", is_required=False),
    _fixed("returned", is_required=False), _fixed("uniqueness", is_required=False),
    _fixed("referenceTypes", is_multi=True, is_required=False))

_SCHEMA = Schema(SCHEMA, "Schema", "The attributes of a resource", (
    _fixed("id"), _fixed("name"), _fixed("description", is_required=False),
    _fixed("attributes", "complex", is_multi=True, parts=(
        *_TRAITS, _fixed("subAttributes", "complex", is_multi=True, is_required=False, parts=_TRAITS))),
))

SCHEMAS: Mapping[str, Schema] = {each.id: each for each in (
    USER_SCHEMA, ENTERPRISE_SCHEMA, GROUP_SCHEMA, _CONFIG, _TYPE, _SCHEMA)}
