"""A person's account as a SCIM document and back: what has a standard claim or a column lives there, once."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from identity.domain.records import User
from identity.domain.scim.resources import Document
from identity.domain.scim.schemas import ENTERPRISE, USER
from shared_kernel.clock import to_iso

CLAIMS: Mapping[str, str] = {"nickName": "nickname", "profileUrl": "profile", "locale": "locale",
                             "timezone": "zoneinfo"}
NAME_CLAIMS: Mapping[str, str] = {"formatted": "name", "familyName": "family_name", "givenName": "given_name",
                                  "middleName": "middle_name"}
ADDRESS_CLAIMS: Mapping[str, str] = {
    "formatted": "formatted", "streetAddress": "street_address", "locality": "locality", "region": "region",
    "postalCode": "postal_code", "country": "country"}
LED: Mapping[str, str] = {"phoneNumbers": "phone_number", "photos": "picture"}
"""Lists whose first (primary) value is a claim."""
_KEPT = ("displayName", "title", "userType", "preferredLanguage", "ims", "entitlements", "x509Certificates")


@dataclass(frozen=True, slots=True)
class Person:
    """An account with what only SCIM knows of it (`more`), and the groups it is in (id, name to show)."""

    user: User
    more: Mapping[str, Any]
    groups: tuple[tuple[str, str], ...] = ()

    @property
    def etag(self) -> str:
        """What changes with every change of the document."""
        state = f"{self.user.status} {' '.join(sorted(self.user.roles))} {self.user.email} {self.user.name}"
        return f'W/"{self.user.version}.{zlib.crc32(state.encode()):08x}"'


def document_of(person: Person) -> Document:
    """Return the part of a document that clients may write, without the password."""
    user, more, profile = person.user, person.more, person.user.profile
    found: Document = {"userName": user.name, "active": user.is_active}
    if user.external_id is not None:
        found["externalId"] = user.external_id
    name = {part: profile[claim] for part, claim in NAME_CLAIMS.items() if claim in profile} | more.get("name", {})
    if name:
        found["name"] = name
    found |= {attribute: profile[claim] for attribute, claim in CLAIMS.items() if claim in profile}
    found |= {attribute: more[attribute] for attribute in _KEPT if attribute in more}
    leaders = {"emails": user.email, **{attribute: profile.get(claim) for attribute, claim in LED.items()}}
    for attribute, leader in leaders.items():
        values = _led(more.get(attribute, []), {"value": leader} if leader is not None else None)
        if values:
            found[attribute] = values
    address = profile.get("address")
    told = {part: address[claim] for part, claim in ADDRESS_CLAIMS.items() if claim in address} if address else None
    if addresses := _led(more.get("addresses", []), told):
        found["addresses"] = addresses
    if "enterprise" in more:
        found[ENTERPRISE] = dict(more["enterprise"])
    return found


def _led(stored: list[Document], leader: Document | None) -> list[Document]:
    if leader is None:
        return [dict(each) for each in stored[1:]]
    first = dict(stored[0]) if stored else {"primary": True}
    return [{**leader, **first, **leader}, *(dict(each) for each in stored[1:])]


def shown(person: Person, base: str) -> Document:
    """Return the whole resource as it is answered."""
    user = person.user
    found = document_of(person)
    found |= {
        "schemas": [USER, ENTERPRISE] if ENTERPRISE in found else [USER], "id": user.id,
        "meta": {"resourceType": "User", "created": to_iso(user.created_at_us),
                 "lastModified": to_iso(user.updated_at_us or user.created_at_us),
                 "location": f"{base}/Users/{user.id}", "version": person.etag}}
    if person.groups:
        found["groups"] = [{"value": group_id, "$ref": f"{base}/Groups/{group_id}", "display": display,
                            "type": "direct"} for group_id, display in person.groups]
    if user.roles:
        found["roles"] = [{"value": role} for role in sorted(user.roles)]
    return found


def leader_first(values: list[Document]) -> list[Document]:
    """Return a list with its primary value in front."""
    return sorted(values, key=lambda each: each.get("primary") is not True)


def written(document: Mapping[str, Any], user: User) -> tuple[User, dict[str, Any]]:
    """Return the account and the rest as a document says; name, e-mail and status are still to be checked."""
    profile = {claim: value for claim, value in user.profile.items() if claim not in _MANAGED}
    more: dict[str, Any] = {name: document[name] for name in _KEPT if name in document}
    name = dict(document.get("name", {}))
    profile |= {claim: name.pop(part) for part, claim in NAME_CLAIMS.items() if part in name}
    if name:
        more["name"] = name
    profile |= {claim: document[attribute] for attribute, claim in CLAIMS.items() if attribute in document}
    lists = {attribute: leader_first(document[attribute]) for attribute in ("emails", "addresses", *LED)
             if attribute in document}
    email = lists["emails"][0].get("value") if "emails" in lists else None
    profile |= {claim: lists[attribute][0]["value"] for attribute, claim in LED.items()
                if attribute in lists and "value" in lists[attribute][0]}
    if "addresses" in lists:
        first = lists["addresses"][0]
        profile["address"] = {claim: first[part] for part, claim in ADDRESS_CLAIMS.items() if part in first}
    more |= {attribute: [_bare(values[0], attribute), *values[1:]] for attribute, values in lists.items()}
    if ENTERPRISE in document:
        more["enterprise"] = document[ENTERPRISE]
    return replace(user, profile=profile, email=email, external_id=document.get("externalId")), more


_MANAGED = frozenset({*CLAIMS.values(), *NAME_CLAIMS.values(), *LED.values(), "address"})


def _bare(leader: Document, attribute: str) -> Document:
    """Take from a leader what lives in its claim or column."""
    unwanted = ADDRESS_CLAIMS if attribute == "addresses" else ("value",)
    return {name: value for name, value in leader.items() if name not in unwanted}
