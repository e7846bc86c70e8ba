"""From a registration document to a client and back (RFC 7591, RFC 7592, OpenID Connect Registration 1.0)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from identity.domain.clients import metadata
from identity.domain.clients.errors import ClientMetadataError, RedirectUriRefusedError
from identity.domain.naming import new_roles, new_scopes
from identity.domain.records import Client, ClientSettings

OPEN_SCOPES = frozenset({"openid", "profile", "email", "address", "phone", "offline_access"})
OPEN_GRANT_TYPES = frozenset({
    "authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"})
MAX_NAME = 100
_MAX_SCOPES = 100


@dataclass(frozen=True, slots=True)
class Limits:
    """What whoever registers a client may give it.

    None is everything. `profile` binds every client to that profile. `is_trusted` marks an administrator, who may
    give roles, resources, audiences of exchange and the use without PKCE.
    """

    scopes: frozenset[str] | None = OPEN_SCOPES
    grant_types: frozenset[str] | None = OPEN_GRANT_TYPES
    profile: str | None = None
    requires_pkce: bool = True
    is_trusted: bool = False


TRUSTED = Limits(scopes=None, grant_types=None, is_trusted=True, requires_pkce=False)
_TRUSTED_ONLY = frozenset({"resources", "exchange_audiences", "audiences", "may_act", "authorization_details_types"})


def client_of(document: Mapping[str, object], limits: Limits, base: Client) -> Client:
    """Return `base` (id, secret, times) with everything else from the document; raise ClientMetadataError."""
    metadata.refuse_unheard(document)
    settings = _settings(document, limits, base.settings)
    grants = _grant_types(document, limits)
    return replace(
        base, name=_name(document, base.id), settings=settings, grant_types=grants,
        redirect_uris=_uris("redirect_uris", document), scopes=_scopes(document, limits),
        post_logout_redirect_uris=_uris("post_logout_redirect_uris", document),
        roles=_roles(document) if limits.is_trusted else base.roles)


def limits_of(client: Client, *, requires_pkce: bool) -> Limits:
    """Return within what a client may change itself: what it holds, and what everybody may have."""
    return Limits(scopes=client.scopes | OPEN_SCOPES, grant_types=client.grant_types | OPEN_GRANT_TYPES,
                  profile="fapi2" if client.is_fapi2 else None, requires_pkce=requires_pkce)


def _settings(document: Mapping[str, object], limits: Limits, base: ClientSettings) -> ClientSettings:
    given = metadata.settings_in(document)
    if not limits.is_trusted:
        given |= {name: getattr(base, name) for name in _TRUSTED_ONLY}
    given["profile"] = limits.profile or given.get("profile", "baseline")
    defaults = _FAPI2 if given["profile"] == "fapi2" else _BASELINE
    if given["profile"] == "fapi2" and not (given.get("dpop_bound") or given.get("certificate_bound")):
        given["dpop_bound"] = True
    settings = ClientSettings(**{**defaults, **given}, metadata=metadata.shown_in(document))
    if limits.is_trusted:
        return settings
    is_public = settings.auth_method == "none"
    needs = limits.requires_pkce or is_public or settings.profile == "fapi2"
    return replace(settings, require_pkce=needs or bool(given.get("require_pkce", False)))


_BASELINE: Mapping[str, Any] = {"auth_method": "client_secret_basic", "id_token_signing_alg": "RS256"}
_FAPI2: Mapping[str, Any] = {"auth_method": "private_key_jwt", "id_token_signing_alg": "PS256",
                             "require_pushed_requests": True}


def _name(document: Mapping[str, object], otherwise: str) -> str:
    given = document.get("client_name")
    if given is None:
        return otherwise
    if not isinstance(given, str) or not given.isprintable() or not 0 < len(given.strip()) <= MAX_NAME:
        raise ClientMetadataError("client_name", f"must be 1 to {MAX_NAME} printable characters")
    return given


def _uris(name: str, document: Mapping[str, object]) -> tuple[str, ...]:
    given = document.get(name)
    if given is None:
        return ()
    try:
        return metadata.texts(name, given)
    except ClientMetadataError as cause:
        raise (RedirectUriRefusedError if name == "redirect_uris" else ClientMetadataError)(
            name, "must be a list of URIs") from cause


def _grant_types(document: Mapping[str, object], limits: Limits) -> frozenset[str]:
    given = document.get("grant_types")
    wanted = frozenset(metadata.some_of(*metadata.GRANT_TYPES)("grant_types", given)) if given is not None else (
        frozenset({"authorization_code"}))
    if limits.grant_types is not None and not wanted <= limits.grant_types:
        refused = ", ".join(sorted(wanted - limits.grant_types))
        raise ClientMetadataError("grant_types", f"may not hold {refused} with this registration")
    return wanted


def _scopes(document: Mapping[str, object], limits: Limits) -> frozenset[str]:
    """Return the scopes; beyond the limits they are taken away, which RFC 7591 section 2 leaves to us."""
    given = document.get("scope")
    if given is None:
        return OPEN_SCOPES
    if not isinstance(given, str):
        raise ClientMetadataError("scope", "must be a text of scope values parted by spaces")
    wanted = frozenset(given.split(" ")) - {""}
    if len(wanted) > _MAX_SCOPES:
        raise ClientMetadataError("scope", f"may hold at most {_MAX_SCOPES} values")
    return new_scopes(wanted if limits.scopes is None else wanted & limits.scopes)


def _roles(document: Mapping[str, object]) -> frozenset[str]:
    return new_roles(frozenset(metadata.texts("roles", document.get("roles", []))))


def document_of(client: Client) -> dict[str, Any]:
    """Return a client's registered metadata, as RFC 7591 names it; never a secret."""
    settings, plain = client.settings, ClientSettings()
    found: dict[str, Any] = {
        "client_id": client.id, "client_id_issued_at": client.created_at_us // 1_000_000, "client_name": client.name,
        "redirect_uris": list(client.redirect_uris), "grant_types": sorted(client.grant_types),
        "response_types": ["code"] if "authorization_code" in client.grant_types else [],
        "scope": " ".join(sorted(client.scopes)), "subject_type": "public",
    }
    if client.post_logout_redirect_uris:
        found["post_logout_redirect_uris"] = list(client.post_logout_redirect_uris)
    for member in metadata.SETTINGS:
        value = getattr(settings, member.field)
        if value != getattr(plain, member.field) or member.name in _ALWAYS:
            found[member.name] = list(value) if isinstance(value, tuple) else value
    found["token_endpoint_auth_method"] = settings.auth_method or (
        "none" if client.secret_hash is None else "client_secret_basic")
    return found | dict(settings.metadata)


_ALWAYS = frozenset({"application_type", "id_token_signed_response_alg", "require_pkce", "profile"})
