"""The `claims` parameter (OIDC Core 5.5), read strictly: which single claims a client asks for, and where.

`{"userinfo": {name: null or {"essential": bool, "value": any, "values": [any]}}, "id_token": {...}}`
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from identity.domain.oauth.claims import CLAIMS_OF_SCOPES
from identity.domain.oauth.errors import AuthorizationError
from shared_kernel.errors import InvalidInputError
from shared_kernel.strict_json import parse_strict

_TARGETS = ("userinfo", "id_token")
_MAX_CHARS = 4_096
_MAX_CLAIMS = 64
_SCOPE_OF_CLAIM = {name: scope for scope, names in CLAIMS_OF_SCOPES.items() for name in names}

ClaimsRequest = Mapping[str, Mapping[str, Mapping[str, Any] | None]]


@dataclass(frozen=True, slots=True)
class AcrWish:
    """The authentication context classes asked for, the best first; essential ones or nothing (OIDC Core 5.5.1.1)."""

    values: tuple[str, ...] = ()
    is_essential: bool = False


def read_claims(text: str | None, allowed_scopes: frozenset[str]) -> ClaimsRequest:
    """Return the claims asked for; raise AuthorizationError for what is not the standard's shape.

    Claims of a scope the client is not registered for are left out, so that `claims` opens nothing `scope` would not.
    """
    if text is None:
        return {}
    try:
        found = parse_strict(text[:_MAX_CHARS + 1].encode())
    except (InvalidInputError, UnicodeEncodeError) as cause:
        raise _refusal("it is not one well-formed JSON text") from cause
    if not isinstance(found, dict) or len(text) > _MAX_CHARS:
        raise _refusal(f"it must be a JSON object of at most {_MAX_CHARS} characters")
    return {target: _target(found[target], allowed_scopes) for target in _TARGETS if found.get(target) is not None}


def scopes_of_claims(claims: ClaimsRequest) -> frozenset[str]:
    """Return the scopes whose meaning covers the single claims: what a person must have agreed to."""
    return frozenset(_SCOPE_OF_CLAIM[name] for wishes in claims.values() for name in wishes if name in _SCOPE_OF_CLAIM)


def acr_of_claims(claims: ClaimsRequest) -> AcrWish:
    """Return what the ID token's `acr` shall be (OIDC Core 5.5.1.1)."""
    wish = claims.get("id_token", {}).get("acr") or {}
    values = wish.get("values", [wish["value"]] if "value" in wish else [])
    return AcrWish(tuple(str(value) for value in values), wish.get("essential") is True)


def subjects_of_claims(claims: ClaimsRequest) -> frozenset[str]:
    """Return the persons whom alone the request is about (OIDC Core 5.5.1: `sub` with a value)."""
    wishes = (wishes.get("sub") or {} for wishes in claims.values())
    return frozenset(str(wish["value"]) for wish in wishes if "value" in wish)


def _target(wishes: object, allowed_scopes: frozenset[str]) -> dict[str, Mapping[str, Any] | None]:
    if not isinstance(wishes, dict) or len(wishes) > _MAX_CLAIMS:
        raise _refusal(f"userinfo and id_token must be objects of at most {_MAX_CLAIMS} claims")
    return {name: _wish(wish) for name, wish in wishes.items()
            if _SCOPE_OF_CLAIM.get(name) is None or _SCOPE_OF_CLAIM[name] in allowed_scopes}


def _wish(wish: object) -> Mapping[str, Any] | None:
    if wish is None:
        return None
    if not isinstance(wish, dict) or not isinstance(wish.get("essential", False), bool):
        raise _refusal("each claim must be null or an object, its `essential` true or false")
    if not _is_list(wish.get("values", [])) or isinstance(wish.get("value"), dict | list):
        raise _refusal("`values` must be a list and `value` a single one")
    return {name: wish[name] for name in ("essential", "value", "values") if name in wish}


def _is_list(values: object) -> bool:
    return isinstance(values, Sequence) and not isinstance(values, str)


def _refusal(why: str) -> AuthorizationError:
    return AuthorizationError("invalid_request", f"claims: {why} (OIDC Core 5.5)")
