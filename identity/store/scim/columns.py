"""Where each SCIM attribute stands in the database: the one table between attribute names and SQL.

All SQL text here is constant; what a client wrote only ever travels as a parameter.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from identity.domain.scim.people import ADDRESS_CLAIMS, CLAIMS, LED, NAME_CLAIMS
from identity.domain.scim.schemas import ENTERPRISE, GROUP, USER


@dataclass(frozen=True, slots=True)
class Column:
    """An expression: `text` folds case, `folded` is lower-case already, `exact` counts case; or boolean, moment."""

    sql: str
    kind: str = "text"


@dataclass(frozen=True, slots=True)
class Values:
    """A multi-valued attribute: an expression that is a JSON array, and the kinds of the parts."""

    sql: str
    parts: Mapping[str, tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Complex:
    """An attribute of parts, each an expression."""

    parts: Mapping[str, Column]


Place = Column | Values | Complex

_META = Complex({"created": Column("{t}.created_at_us", "moment"),
                 "lastmodified": Column("{t}.updated_at_us", "moment")})
_TYPED = {"value": ("value", "text"), "display": ("display", "text"), "type": ("type", "text"),
          "primary": ("primary", "boolean")}
_EXACT = {**_TYPED, "value": ("value", "exact")}


def _led(leader: str, attribute: str) -> str:
    """A list whose first value's `value` is kept elsewhere (identity.domain.scim.people)."""
    stored = f"(u.scim->'{attribute}')"
    return (f"(CASE WHEN {leader} IS NULL THEN '[]'::jsonb ELSE jsonb_build_array(coalesce({stored}->0, "
            f"'{{\"primary\": true}}') || jsonb_build_object('value', {leader})) END || coalesce({stored} - 0, '[]'))")


_ADDRESS = "jsonb_strip_nulls(jsonb_build_object(" + ", ".join(
    f"'{part}', u.profile->'address'->'{claim}'" for part, claim in ADDRESS_CLAIMS.items()) + "))"
_ADDRESSES = (
    "(CASE WHEN u.profile->'address' IS NULL THEN '[]'::jsonb ELSE jsonb_build_array(coalesce(u.scim->'addresses'->0, "
    f"'{{\"primary\": true}}') || {_ADDRESS}) END || coalesce((u.scim->'addresses') - 0, '[]'))")
_GROUP_NAME = "CASE WHEN r.is_built_in THEN r.name ELSE r.display_name END"
_GROUPS = ("(SELECT coalesce(jsonb_agg(jsonb_build_object('value', r.id, 'type', 'direct', "  # noqa: S608 - constants
           f"'display', {_GROUP_NAME})), '[]') FROM identity.roles r WHERE r.name = ANY(u.roles))")
_ROLES = "(SELECT coalesce(jsonb_agg(jsonb_build_object('value', role)), '[]') FROM unnest(u.roles) AS role)"
_MEMBERS = ("(SELECT coalesce(jsonb_agg(jsonb_build_object('value', u.id, 'type', 'User')), '[]') "
            "FROM identity.users u WHERE u.roles @> ARRAY[r.name])")


def _kept(*names: str) -> dict[str, Place]:
    return {name.lower(): Column(f"u.scim->>'{name}'") for name in names}


def _at(table: str, place: Complex) -> Complex:
    return Complex({name: Column(column.sql.format(t=table), column.kind) for name, column in place.parts.items()})


PEOPLE: Mapping[str, Place] = {
    "id": Column("u.id", "exact"),
    "externalid": Column("u.external_id", "exact"),
    "username": Column("u.name", "folded"),
    "active": Column("(u.status = 'active')", "boolean"),
    "meta": _at("u", _META),
    "name": Complex({
        **{part.lower(): Column(f"u.profile->>'{claim}'") for part, claim in NAME_CLAIMS.items()},
        **{part.lower(): Column(f"u.scim->'name'->>'{part}'") for part in ("honorificPrefix", "honorificSuffix")}}),
    **{attribute.lower(): Column(f"u.profile->>'{claim}'") for attribute, claim in CLAIMS.items()},
    **_kept("displayName", "title", "userType", "preferredLanguage"),
    "emails": Values(_led("u.email", "emails"), _TYPED),
    **{attribute.lower(): Values(_led(f"(u.profile->>'{claim}')", attribute), _EXACT if claim == "picture" else _TYPED)
       for attribute, claim in LED.items()},
    "addresses": Values(_ADDRESSES, {
        **{part.lower(): (part, "text") for part in ADDRESS_CLAIMS}, "type": ("type", "text"),
        "primary": ("primary", "boolean")}),
    "ims": Values("coalesce(u.scim->'ims', '[]')", _TYPED),
    "entitlements": Values("coalesce(u.scim->'entitlements', '[]')", _TYPED),
    "x509certificates": Values("coalesce(u.scim->'x509Certificates', '[]')", _EXACT),
    "groups": Values(_GROUPS, {"value": ("value", "exact"), "display": ("display", "text"), "type": ("type", "text")}),
    "roles": Values(_ROLES, {"value": ("value", "exact")}),
}

_ENTERPRISE: Mapping[str, Place] = {
    **{name.lower(): Column(f"u.scim->'enterprise'->>'{name}'")
       for name in ("employeeNumber", "costCenter", "organization", "division", "department")},
    "manager": Complex({"value": Column("u.scim->'enterprise'->'manager'->>'value'", "exact"),
                        "displayname": Column("(SELECT m.name FROM identity.users m "
                                              "WHERE m.id = u.scim->'enterprise'->'manager'->>'value')")}),
}

GROUPS: Mapping[str, Place] = {
    "id": Column("r.id", "exact"),
    "externalid": Column("r.external_id", "exact"),
    "displayname": Column(f"({_GROUP_NAME})"),
    "meta": _at("r", _META),
    "members": Values(_MEMBERS, {"value": ("value", "exact"), "type": ("type", "text")}),
}

PLACES_OF_PEOPLE: Mapping[str, Mapping[str, Place]] = {USER.lower(): PEOPLE, ENTERPRISE.lower(): _ENTERPRISE}
PLACES_OF_GROUPS: Mapping[str, Mapping[str, Place]] = {GROUP.lower(): GROUPS}
