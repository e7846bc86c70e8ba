"""What identity remembers: people, clients, sessions, grants, and the one-time credentials below a grant."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from shared_kernel.principal import Role


@dataclass(frozen=True, slots=True)
class User:
    """A person. `name` is lower-case and unique; `roles` are effective at the next request.

    `status` is `pending` (the address is not verified yet), `active` or `locked`. `profile` holds the standard claims
    that person gave (OIDC Core 5.1 names: given_name, address, phone_number, locale ...). `version` is SCIM's ETag.
    """

    id: str
    name: str
    password_hash: str | None
    status: str
    roles: frozenset[str]
    created_at_us: int
    email: str | None = None
    is_email_verified: bool = False
    profile: Mapping[str, Any] = field(default_factory=dict)
    external_id: str | None = None
    updated_at_us: int = 0
    version: int = 1

    @property
    def is_active(self) -> bool:
        """Whether this person may log in at all."""
        return self.status == "active"


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """What a client is registered with beyond its name and places; names follow RFC 7591 where it has one.

    `profile` is `baseline` or `fapi2`. `auth_method` None means client_secret_basic or client_secret_post for a client
    with a secret and `none` for one without. `resources` are the resource indicators (RFC 8707) it may ask for beside
    our own API, `exchange_audiences` those it may exchange tokens towards (RFC 8693). `audiences` are the
    resources it *is*, whose tokens it may introspect and exchange; `may_act` the one client that may act with tokens
    issued to this one (RFC 8693 4.4). `metadata` is for people to read
    (client_uri, logo_uri, policy_uri, tos_uri, contacts, software_id ...).
    """

    profile: str = "baseline"
    application_type: str = "web"
    auth_method: str | None = None
    auth_signing_alg: str | None = None
    jwks: Mapping[str, Any] | None = None
    jwks_uri: str | None = None
    tls_subject_dn: str | None = None
    tls_san_dns: str | None = None
    tls_san_uri: str | None = None
    tls_san_ip: str | None = None
    tls_san_email: str | None = None
    require_pkce: bool = True
    require_pushed_requests: bool = False
    require_signed_request_object: bool = False
    request_object_signing_alg: str | None = None
    dpop_bound: bool = False
    certificate_bound: bool = False
    id_token_signing_alg: str = "ES256"  # noqa: S105 - an algorithm
    userinfo_signing_alg: str | None = None
    introspection_signing_alg: str | None = None
    default_max_age_s: int | None = None
    require_auth_time: bool = False
    default_acr_values: tuple[str, ...] = ()
    backchannel_logout_uri: str | None = None
    backchannel_logout_session_required: bool = False
    initiate_login_uri: str | None = None
    resources: tuple[str, ...] = ()
    exchange_audiences: tuple[str, ...] = ()
    audiences: tuple[str, ...] = ()
    may_act: str | None = None
    authorization_details_types: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Client:
    """A registered OAuth client; one that proves itself by nothing is public (RFC 6749 section 2.1).

    `first_party` skips consent and carries the person's roles without asking for the scope `api`.
    """

    id: str
    name: str
    secret_hash: bytes | None
    first_party: bool
    redirect_uris: tuple[str, ...]
    post_logout_redirect_uris: tuple[str, ...]
    grant_types: frozenset[str]
    scopes: frozenset[str]
    roles: frozenset[str]
    created_at_us: int
    settings: ClientSettings = field(default_factory=ClientSettings)
    registration_token_hash: bytes | None = None
    updated_at_us: int = 0

    @property
    def is_public(self) -> bool:
        """Whether anybody can claim to be this client."""
        return self.secret_hash is None and self.settings.auth_method in {None, "none"}

    @property
    def is_fapi2(self) -> bool:
        """Whether the FAPI 2.0 Security Profile binds this client."""
        return self.settings.profile == "fapi2"

    @property
    def is_resource_server(self) -> bool:
        """Whether it may introspect tokens of other clients."""
        return not self.is_public and Role.SERVICE in self.roles


@dataclass(frozen=True, slots=True)
class InitialAccess:
    """An initial access token (RFC 7591 section 3) at rest; `limits` widen what its clients may have."""

    id: str
    secret_hash: bytes
    created_by: str
    limits: Mapping[str, Any]
    uses_left: int
    created_at_us: int
    expires_at_us: int


@dataclass(frozen=True, slots=True)
class Session:
    """A browser in which a person authenticated; its id is the `sid` of ID tokens."""

    id: str
    user_id: str
    user_name: str
    authenticated_at_us: int
    expires_at_us: int
    amr: tuple[str, ...] = ("pwd",)
    acr: str | None = None
    device_id: str | None = None


@dataclass(frozen=True, slots=True)
class GrantTerms:
    """What a grant was given for and how: it goes into every token below the grant.

    `resources` are the audiences (RFC 8707; none means our own API), `authorization_details` RFC 9396, `claims` the
    OIDC claims parameter. `jkt` and `certificate` bind tokens to a key (RFC 9449, RFC 8705: SHA-256, base64url).
    `actor` is the `act` chain of a token exchange. `authenticated_at_us`, `amr`, `acr` tell of the login, for grants
    that outlive their session (`is_offline`), and `sid` in which session such a grant was given.
    """

    resources: tuple[str, ...] = ()
    authorization_details: tuple[Mapping[str, Any], ...] = ()
    claims: Mapping[str, Any] = field(default_factory=dict)
    jkt: str | None = None
    certificate: str | None = None
    actor: Mapping[str, Any] | None = None
    authenticated_at_us: int | None = None
    amr: tuple[str, ...] = ()
    acr: str | None = None
    is_offline: bool = False
    sid: str | None = None


@dataclass(frozen=True, slots=True)
class Grant:
    """What a person (or a client for itself) allowed a client; revoking it kills everything below it."""

    id: str
    client_id: str
    user_id: str | None
    session_id: str | None
    scopes: frozenset[str]
    created_at_us: int
    expires_at_us: int
    terms: GrantTerms = field(default_factory=GrantTerms)
    parent_id: str | None = None


@dataclass(frozen=True, slots=True)
class GrantState:
    """A live grant as a resource sees it now, with the roles of this moment.

    `parent` is the grant whose token was exchanged for this one (RFC 8693): it speaks for the parent's subject, dies
    with the parent, and carries no role that the parent would not.
    """

    grant_id: str
    client_id: str
    user_id: str | None
    user_name: str | None
    session_id: str | None
    authenticated_at_us: int | None
    first_party: bool
    user_roles: frozenset[str]
    client_roles: frozenset[str]
    terms: GrantTerms = field(default_factory=GrantTerms)
    scopes: frozenset[str] = frozenset()
    parent_id: str | None = None
    parent: "GrantState | None" = None

    @property
    def subject(self) -> str:
        """Whom a token of this grant is about: a person, or a client for itself."""
        return self.parent.subject if self.parent is not None else self.user_id or self.client_id

    def roles_for(self, scopes: frozenset[str]) -> frozenset[str]:
        """Return the roles a token carries: a third-party client acts with a person's only if allowed `api`."""
        if self.user_id is not None and not (self.first_party or "api" in scopes):
            return frozenset()
        if self.parent is not None:
            return self.parent.roles_for(scopes)
        return self.client_roles if self.user_id is None else self.user_roles


@dataclass(frozen=True, slots=True)
class StoredCode:
    """An authorization code at rest: bound to client, redirect URI and PKCE challenge."""

    id: str
    grant_id: str
    client_id: str
    redirect_uri: str
    code_challenge: str | None
    nonce: str | None
    expires_at_us: int
    jkt: str | None = None


@dataclass(frozen=True, slots=True)
class StoredRefresh:
    """A refresh token at rest."""

    id: str
    grant_id: str
    client_id: str
    scopes: frozenset[str]
    expires_at_us: int
    jkt: str | None = None
    certificate: str | None = None
