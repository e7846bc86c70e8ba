"""The schemas we publish (RFC 7643 sections 4 and 7): what a person and a group consist of, as data.

Two deviations from the RFC's own, both published: `roles` of a person can only be read (a Group is how a role is
given), and members of a group are people (a role holds no role).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
SCHEMA = "urn:ietf:params:scim:schemas:core:2.0:Schema"
RESOURCE_TYPE = "urn:ietf:params:scim:schemas:core:2.0:ResourceType"
SERVICE_PROVIDER_CONFIG = "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute with its characteristics (RFC 7643 section 2.2)."""

    name: str
    kind: str = "string"
    about: str = ""
    is_multi: bool = False
    is_required: bool = False
    is_case_exact: bool = False
    mutability: str = "readWrite"
    returned: str = "default"
    uniqueness: str = "none"
    canonical: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    parts: tuple["Attribute", ...] = ()

    def part(self, name: str) -> "Attribute | None":
        """Return the sub-attribute of that name; names know no case (RFC 7643 section 2.1)."""
        wanted = name.lower()
        return next((part for part in self.parts if part.name.lower() == wanted), None)

    def to_json(self) -> dict[str, Any]:
        """Return the attribute as /Schemas shows it."""
        found: dict[str, Any] = {
            "name": self.name, "type": self.kind, "multiValued": self.is_multi, "description": self.about or self.name,
            "required": self.is_required, "mutability": self.mutability, "returned": self.returned}
        if self.kind not in {"complex", "boolean", "dateTime", "integer"}:
            found |= {"caseExact": self.is_case_exact, "uniqueness": self.uniqueness}
        if self.canonical:
            found["canonicalValues"] = list(self.canonical)
        if self.references:
            found["referenceTypes"] = list(self.references)
        if self.parts:
            found["subAttributes"] = [part.to_json() for part in self.parts]
        return found


@dataclass(frozen=True, slots=True)
class Schema:
    """A schema: its URN and its attributes."""

    id: str
    name: str
    about: str
    attributes: tuple[Attribute, ...]

    def attribute(self, name: str) -> Attribute | None:
        """Return the attribute of that name, whatever its case."""
        wanted = name.lower()
        return next((each for each in self.attributes if each.name.lower() == wanted), None)

    def to_json(self, base: str) -> dict[str, Any]:
        """Return the document of /Schemas."""
        return {
            "schemas": [SCHEMA], "id": self.id, "name": self.name, "description": self.about,
            "attributes": [each.to_json() for each in self.attributes],
            "meta": {"resourceType": "Schema", "location": f"{base}/Schemas/{self.id}"}}


def _many(name: str, *kinds: str, value: Attribute | None = None, about: str = "") -> Attribute:
    return Attribute(name, "complex", about, is_multi=True, parts=(
        value or Attribute("value"), Attribute("display"), Attribute("type", canonical=kinds),
        Attribute("primary", "boolean")))


def _read_only(name: str, about: str, *parts: Attribute) -> Attribute:
    return Attribute(name, "complex", about, is_multi=True, mutability="readOnly", parts=parts)


_NAMES = ("formatted", "familyName", "givenName", "middleName", "honorificPrefix", "honorificSuffix")
_ADDRESS = ("formatted", "streetAddress", "locality", "region", "postalCode", "country")
_LINK = Attribute("value", "reference", is_case_exact=True, references=("external",))

USER_SCHEMA = Schema(USER, "User", "A person with an account", (
    Attribute("userName", about="The name to sign in with", is_required=True, uniqueness="server"),
    Attribute("name", "complex", "The parts of the name", parts=tuple(Attribute(name) for name in _NAMES)),
    Attribute("displayName", about="The name to show"),
    Attribute("nickName", about="What friends say"),
    Attribute("profileUrl", "reference", "A page about the person", references=("external",)),
    Attribute("title", about="The position"),
    Attribute("userType", about="The relation to the organisation"),
    Attribute("preferredLanguage", about="Languages to speak, as Accept-Language has them"),
    Attribute("locale", about="The language tag for numbers and dates"),
    Attribute("timezone", about="The name of the time zone"),
    Attribute("active", "boolean", "Whether the person may sign in"),
    Attribute("password", about="The password, never shown", mutability="writeOnly", returned="never"),
    _many("emails", "work", "home", "other", about="Addresses; the primary one is the account's"),
    _many("phoneNumbers", "work", "home", "mobile", "fax", "pager", "other"),
    _many("ims", "aim", "gtalk", "icq", "xmpp", "msn", "skype", "qq", "yahoo"),
    _many("photos", "photo", "thumbnail", value=_LINK),
    Attribute("addresses", "complex", "Postal addresses", is_multi=True, parts=(
        *(Attribute(name) for name in _ADDRESS), Attribute("type", canonical=("work", "home", "other")),
        Attribute("primary", "boolean"))),
    _read_only("groups", "The groups the person is in: the roles", *(
        Attribute("value", mutability="readOnly"),
        Attribute("$ref", "reference", mutability="readOnly", references=("Group",)),
        Attribute("display", mutability="readOnly"),
        Attribute("type", mutability="readOnly", canonical=("direct",)))),
    _many("entitlements"),
    _read_only("roles", "The names of the roles, as policies know them; given by groups", Attribute(
        "value", is_case_exact=True, mutability="readOnly")),
    _many("x509Certificates", value=Attribute("value", "binary", is_case_exact=True)),
))

ENTERPRISE_SCHEMA = Schema(ENTERPRISE, "EnterpriseUser", "What an organisation knows of a person", (
    Attribute("employeeNumber"), Attribute("costCenter"), Attribute("organization"), Attribute("division"),
    Attribute("department"),
    Attribute("manager", "complex", "Whom the person reports to", parts=(
        Attribute("value", is_case_exact=True, about="The id of the manager"),
        Attribute("$ref", "reference", references=("User",)),
        Attribute("displayName", mutability="readOnly"))),
))

GROUP_SCHEMA = Schema(GROUP, "Group", "A role, and the people who have it", (
    Attribute("displayName", about="The name to show", is_required=True),
    Attribute("members", "complex", "The people who have the role", is_multi=True, parts=(
        Attribute("value", mutability="immutable", is_case_exact=True),
        Attribute("$ref", "reference", mutability="immutable", references=("User",)),
        Attribute("type", mutability="immutable", canonical=("User",)))),
))

COMMON = (
    Attribute("schemas", "reference", is_multi=True, is_required=True, returned="always"),
    Attribute("id", mutability="readOnly", returned="always", is_case_exact=True),
    Attribute("externalId", is_case_exact=True),
    Attribute("meta", "complex", mutability="readOnly", parts=(
        Attribute("resourceType", mutability="readOnly", is_case_exact=True),
        Attribute("created", "dateTime", mutability="readOnly"),
        Attribute("lastModified", "dateTime", mutability="readOnly"),
        Attribute("location", "reference", mutability="readOnly", is_case_exact=True),
        Attribute("version", mutability="readOnly", is_case_exact=True))),
)
"""What every resource has (RFC 7643 section 3.1); no schema lists it."""


@dataclass(frozen=True, slots=True)
class ResourceType:
    """A kind of resource: its path, its schema, its extensions."""

    name: str
    path: str
    schema: Schema
    extensions: tuple[Schema, ...] = ()

    def to_json(self, base: str) -> dict[str, Any]:
        """Return the document of /ResourceTypes."""
        found: dict[str, Any] = {
            "schemas": [RESOURCE_TYPE], "id": self.name, "name": self.name, "endpoint": self.path,
            "description": self.schema.about, "schema": self.schema.id,
            "meta": {"resourceType": "ResourceType", "location": f"{base}/ResourceTypes/{self.name}"}}
        if self.extensions:
            found["schemaExtensions"] = [{"schema": each.id, "required": False} for each in self.extensions]
        return found


USERS = ResourceType("User", "/Users", USER_SCHEMA, (ENTERPRISE_SCHEMA,))
GROUPS = ResourceType("Group", "/Groups", GROUP_SCHEMA)
RESOURCE_TYPES: Mapping[str, ResourceType] = {each.name: each for each in (USERS, GROUPS)}
