"""The provider from where a protocol client stands, without pages and people: registered clients, tokens, requests."""

import secrets
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from identity.domain.jose.front import ACCESS_TYPE
from identity.domain.opaque import sha256
from identity.domain.records import Client, ClientSettings, Grant, GrantTerms
from identity.service import IdentityProvider
from identity.service.oauth.sender import SenderConstraints
from shared_kernel.clock import Clock
from shared_kernel.credentials import Credentials
from shared_kernel.ids import uuid7
from shared_kernel.principal import Principal
from tests.identity.client_kit import TOKEN_URL, Holder
from tests.identity.world import ISSUER

RESOURCE_URL = f"{ISSUER}/api/v1/load"


class ClientDesk:
    """Registers clients straight in the table, and asks the provider as the gateway and the token endpoint do."""

    def __init__(self, provider: IdentityProvider, clock: Clock) -> None:
        self.provider = provider
        self.clock = clock

    async def register(self, client_id: str = "c1", *, secret: str | None = None, **settings: Any) -> Client:
        """Keep a client that may do everything a machine may."""
        client = Client(
            id=client_id, name=client_id, secret_hash=sha256(secret) if secret else None, first_party=False,
            redirect_uris=(), post_logout_redirect_uris=(), grant_types=frozenset({"client_credentials"}),
            scopes=frozenset({"read"}), roles=frozenset({"service"}), created_at_us=self.clock.now_us(),
            settings=ClientSettings(**settings))
        async with self.provider._foundation.database.begin() as tables:
            await tables.clients.put(client)
        self.provider._foundation.states.forget()
        return client

    async def holder(self, client_id: str = "c1", **settings: Any) -> Holder:
        """Register a client of private_key_jwt, by default under FAPI 2.0; return who holds its keys."""
        found = Holder(client_id, self.clock)
        await self.register(client_id, **{
            "auth_method": "private_key_jwt", "profile": "fapi2", "jwks": found.jwks, **settings})
        return found

    async def authenticate(self, parameters: Mapping[str, str], *, authorization: str | None = None,
                           certificate: bytes | None = None, proofs: tuple[str, ...] = (),
                           confidential: bool = False) -> Client:
        """Ask who a client is."""
        credentials = Credentials(authorization, "POST", TOKEN_URL, proofs, certificate)
        return await self.provider.clients.authenticate(credentials, parameters, confidential=confidential)

    async def token(self, client_id: str = "c1", **terms: Any) -> str:
        """Return an access token of a live grant, bound as `jkt` and `certificate` say."""
        foundation, now_us = self.provider._foundation, self.clock.now_us()
        bound = GrantTerms(**terms)
        grant = Grant(uuid7(), client_id, None, None, frozenset({"read"}), now_us, now_us + 600_000_000, bound)
        async with foundation.database.begin() as tables:
            await tables.grants.add(grant)
        confirmation = {"jkt": bound.jkt, "x5t#S256": bound.certificate}
        claims = {
            "iss": ISSUER, "aud": f"{ISSUER}/api", "sub": client_id, "client_id": client_id, "scope": "read",
            "jti": secrets.token_hex(8), "gid": grant.id, "iat": now_us // 1_000_000,
            "exp": now_us // 1_000_000 + 600, "roles": [],
            "cnf": {name: value for name, value in confirmation.items() if value}}
        return await foundation.mint.sign(claims, token_type=ACCESS_TYPE)

    async def present(self, authorization: str, *proofs: str, certificate: bytes | None = None,
                      **changes: Any) -> Principal:
        """Ask whom a request at a resource speaks for."""
        credentials = Credentials(authorization, "GET", RESOURCE_URL, proofs, certificate)
        return await self.provider.authenticate(replace(credentials, **changes))

    @property
    def sender(self) -> SenderConstraints:
        """The provider's checks of possession."""
        return self.provider.sender
