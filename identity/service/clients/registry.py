"""Clients: registered, brought up to date, and asked to prove who they are."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from identity.domain.naming import new_client_id, new_roles, new_scopes
from identity.domain.oauth.redirect_uris import may_be_registered
from identity.domain.opaque import Kind, mint, sha256
from identity.domain.records import Client, ClientSettings
from identity.service.clients.authentication import ClientAuthentication
from identity.service.foundation import Foundation
from identity.service.journal import acting
from shared_kernel.context import RequestContext
from shared_kernel.credentials import Credentials
from shared_kernel.errors import UnprocessableError
from shared_kernel.principal import Principal

GRANT_TYPES = frozenset({
    "authorization_code", "refresh_token", "client_credentials", "urn:ietf:params:oauth:grant-type:device_code",
    "urn:ietf:params:oauth:grant-type:token-exchange"})
_SECRETS = frozenset({None, "client_secret_basic", "client_secret_post"})
SIGN_IN_SCOPES = frozenset({"openid", "profile", "api"})
_MAX_NAME = 100


@dataclass(frozen=True, slots=True)
class Registration:
    """What a client is registered with. `api` among the scopes lets a third-party client act with a person's roles."""

    client_id: str
    name: str
    redirect_uris: tuple[str, ...] = ()
    post_logout_redirect_uris: tuple[str, ...] = ()
    grant_types: frozenset[str] = frozenset({"authorization_code", "refresh_token"})
    scopes: frozenset[str] = SIGN_IN_SCOPES
    roles: frozenset[str] = field(default=frozenset())
    first_party: bool = False
    settings: ClientSettings = field(default_factory=ClientSettings)


class Registry:
    """Keeps clients."""

    def __init__(self, foundation: Foundation, authentication: ClientAuthentication) -> None:
        self._foundation = foundation
        self._authentication = authentication

    async def create(self, registration: Registration, *, public: bool, by: str | Principal,
                     context: RequestContext | None = None) -> tuple[Client, str | None]:
        """Register a client; answer it with its secret (None for a public one), which is shown this once."""
        is_secret = not public and registration.settings.auth_method in _SECRETS
        secret = mint(Kind.SECRET).text if is_secret else None
        client = await self.ensure(registration, secret=secret, by=by, context=context)
        return client, secret

    async def ensure(self, registration: Registration, *, secret: str | None, by: str | Principal,
                     context: RequestContext | None = None) -> Client:
        """Register a client or bring it up to date; sealed when it is new."""
        client = self._checked(registration, secret)
        async with self._foundation.database.begin() as tables:
            if await tables.clients.put(client):
                await self._foundation.journal.seal(
                    "client_created", context=context, user=acting(by),
                    grid={"oauth": {"client_id": client.id, "public": client.is_public,
                                    "roles": sorted(client.roles)}})
        self._foundation.states.forget()
        return client

    async def get(self, client_id: str) -> Client | None:
        """Return the client of that id."""
        async with self._foundation.database.read() as tables:
            return await tables.clients.get(client_id)

    async def listed(self, after: str, limit: int) -> list[Client]:
        """Return clients by id."""
        async with self._foundation.database.read() as tables:
            return await tables.clients.listed(after, limit)

    async def authenticate(self, credentials: Credentials, parameters: Mapping[str, str], *,
                           confidential: bool = False) -> Client:
        """Return the client that proved itself; raise InvalidClientError, the same for every cause."""
        return await self._authentication.authenticate(credentials, parameters, confidential=confidential)

    def _checked(self, registration: Registration, secret: str | None) -> Client:
        for uri in (*registration.redirect_uris, *registration.post_logout_redirect_uris):
            if not may_be_registered(uri):
                raise UnprocessableError(f"{uri[:200]!r} may not be registered: use https, or http on a loopback host")
        if not registration.grant_types <= GRANT_TYPES:
            raise UnprocessableError(f"grant types must be among {sorted(GRANT_TYPES)}")
        is_public = secret is None and registration.settings.auth_method in {None, "none"}
        if is_public and "client_credentials" in registration.grant_types:
            raise UnprocessableError("a public client cannot use client_credentials (RFC 6749 4.4)")
        if not registration.name.isprintable() or not 0 < len(registration.name) <= _MAX_NAME:
            raise UnprocessableError(f"name must be 1 to {_MAX_NAME} printable characters")
        return Client(
            id=new_client_id(registration.client_id), name=registration.name,
            secret_hash=sha256(secret) if secret is not None else None, first_party=registration.first_party,
            redirect_uris=registration.redirect_uris,
            post_logout_redirect_uris=registration.post_logout_redirect_uris,
            grant_types=registration.grant_types, scopes=new_scopes(registration.scopes),
            roles=new_roles(registration.roles), created_at_us=self._foundation.now_us(),
            settings=registration.settings,
        )
