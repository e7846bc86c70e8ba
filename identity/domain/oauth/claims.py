"""What may be told about a person: the standard claims, by scope and by the `claims` parameter (OIDC Core 5.1 - 5.5).

Claims of scopes go to userinfo; an ID token carries of them only what `claims` asks for by name (OIDC Core 5.4).
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from identity.domain.records import User

_PROFILE_TEXTS = ("family_name", "given_name", "middle_name", "nickname", "profile", "picture", "website", "gender",
                  "birthdate", "zoneinfo", "locale")
_ADDRESS_PARTS = ("formatted", "street_address", "locality", "region", "postal_code", "country")

CLAIMS_OF_SCOPES: Mapping[str, tuple[str, ...]] = {
    "profile": ("name", "preferred_username", "updated_at", *_PROFILE_TEXTS),
    "email": ("email", "email_verified"),
    "address": ("address",),
    "phone": ("phone_number", "phone_number_verified"),
}
"""Scope value -> the claims it asks for (OIDC Core 5.4)."""

PERSON_CLAIMS = tuple(name for names in CLAIMS_OF_SCOPES.values() for name in names)


def person_claims(user: User, scopes: frozenset[str], claims_request: Mapping[str, Any]) -> dict[str, Any]:
    """Return what userinfo tells about a person besides `sub`; `claims_request` is the whole `claims` parameter."""
    of_scopes = (name for scope in sorted(scopes) for name in CLAIMS_OF_SCOPES.get(scope, ()))
    return _told(user, of_scopes) | requested_claims(user, claims_request, "userinfo")


def requested_claims(user: User, claims_request: Mapping[str, Any], target: str) -> dict[str, Any]:
    """Return the claims that the `claims` parameter asks for by name; `target` is `userinfo` or `id_token`.

    A claim that is asked for with a value the person does not have is left out (OIDC Core 5.5.1): nothing fails.
    """
    wanted = _members(claims_request.get(target))
    told = _told(user, (name for name in wanted if name in PERSON_CLAIMS))
    return {name: value for name, value in told.items() if _fits(value, _members(wanted[name]))}


def asks_about_person(claims_request: Mapping[str, Any], target: str) -> bool:
    """Whether `requested_claims` needs the person: only then is their row read."""
    return any(name in PERSON_CLAIMS for name in _members(claims_request.get(target)))


def is_essential(claims_request: Mapping[str, Any], target: str, name: str) -> bool:
    """Whether a claim is asked for as essential (OIDC Core 5.5.1)."""
    return _members(_members(claims_request.get(target)).get(name)).get("essential") is True


def _members(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _fits(value: object, wish: Mapping[str, Any]) -> bool:
    if "value" in wish:
        return bool(value == wish["value"])
    values = wish.get("values")
    return value in values if isinstance(values, list | tuple) else True


def _told(user: User, names: Iterable[str]) -> dict[str, Any]:
    found = ((name, _READERS[name](user)) for name in names)
    return {name: value for name, value in found if value is not None}


def _text(name: str) -> Callable[[User], str | None]:
    def read(user: User) -> str | None:
        value = user.profile.get(name)
        return value if isinstance(value, str) and value else None
    return read


def _name(user: User) -> str:
    """A display name the person gave, else given and family name, else the account's name."""
    given = " ".join(part for part in (_text("given_name")(user), _text("family_name")(user)) if part)
    return _text("name")(user) or given or user.name


def _address(user: User) -> dict[str, str] | None:
    """OIDC Core 5.1.1: a JSON object of texts."""
    parts = _members(user.profile.get("address"))
    found = {name: parts[name] for name in _ADDRESS_PARTS if isinstance(parts.get(name), str) and parts[name]}
    return found or None


def _phone_verified(user: User) -> bool | None:
    return user.profile.get("phone_number_verified") is True if _text("phone_number")(user) else None


_READERS: Mapping[str, Callable[[User], Any]] = {
    "name": _name,
    "preferred_username": lambda user: user.name,
    "updated_at": lambda user: (user.updated_at_us or user.created_at_us) // 1_000_000,
    **{name: _text(name) for name in _PROFILE_TEXTS},
    "email": lambda user: user.email,
    "email_verified": lambda user: user.is_email_verified if user.email else None,
    "address": _address,
    "phone_number": _text("phone_number"),
    "phone_number_verified": _phone_verified,
}
