"""What identity remembers: people, clients, sessions, grants, and the one-time credentials below a grant."""

from dataclasses import dataclass

from shared_kernel.principal import Role


@dataclass(frozen=True, slots=True)
class User:
    """A person. `name` is lower-case and unique; `roles` are effective at the next request."""

    id: str
    name: str
    password_hash: str
    status: str
    roles: frozenset[str]
    created_at_us: int

    @property
    def is_active(self) -> bool:
        """Whether this person may log in at all."""
        return self.status == "active"


@dataclass(frozen=True, slots=True)
class Client:
    """A registered OAuth client; without a secret it is public (RFC 6749 section 2.1).

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

    @property
    def is_public(self) -> bool:
        """Whether anybody can claim to be this client."""
        return self.secret_hash is None

    @property
    def is_resource_server(self) -> bool:
        """Whether it may introspect tokens of other clients."""
        return not self.is_public and Role.SERVICE in self.roles


@dataclass(frozen=True, slots=True)
class Session:
    """A browser in which a person authenticated; its id is the `sid` of ID tokens."""

    id: str
    user_id: str
    user_name: str
    authenticated_at_us: int
    expires_at_us: int


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


@dataclass(frozen=True, slots=True)
class GrantState:
    """A live grant as a resource sees it now, with the roles of this moment."""

    grant_id: str
    client_id: str
    user_id: str | None
    user_name: str | None
    session_id: str | None
    authenticated_at_us: int | None
    first_party: bool
    user_roles: frozenset[str]
    client_roles: frozenset[str]

    def roles_for(self, scopes: frozenset[str]) -> frozenset[str]:
        """Return the roles a token carries: a third-party client acts with a person's only if allowed `api`."""
        if self.user_id is None:
            return self.client_roles
        return self.user_roles if self.first_party or "api" in scopes else frozenset()


@dataclass(frozen=True, slots=True)
class StoredCode:
    """An authorization code at rest: bound to client, redirect URI and PKCE challenge."""

    id: str
    grant_id: str
    client_id: str
    redirect_uri: str
    code_challenge: str
    nonce: str | None
    expires_at_us: int


@dataclass(frozen=True, slots=True)
class StoredRefresh:
    """A refresh token at rest."""

    id: str
    grant_id: str
    client_id: str
    scopes: frozenset[str]
    expires_at_us: int
