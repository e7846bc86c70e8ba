"""Keeps clients by their registration documents: what administrators, files and the clients themselves hand in."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Network, IPv6Network
from typing import Any

from identity.domain.clients.errors import ClientMetadataError
from identity.domain.clients.metadata import SECRET_METHODS
from identity.domain.clients.registration import Limits, client_of, document_of
from identity.domain.clients.rules import check
from identity.domain.naming import new_client_id
from identity.domain.opaque import Kind, mint, sha256
from identity.domain.records import Client
from identity.service.foundation import Foundation
from identity.service.journal import acting
from identity.store.database import Tables
from shared_kernel.context import RequestContext
from shared_kernel.errors import NotFoundError
from shared_kernel.ids import uuid7
from shared_kernel.principal import Principal

Document = Mapping[str, object]
MIN_SECRET = 32


class UnknownClientError(NotFoundError):
    """Nobody is registered under this id."""

    def __init__(self) -> None:
        super().__init__("there is no client with this id")


@dataclass(frozen=True, slots=True)
class RegistrationPolicy:
    """`is_open` lets strangers register; without `requires_pkce` confidential clients may do without it.

    `networks` are private networks that clients may name in their URIs.
    """

    is_open: bool = False
    requires_pkce: bool = True
    networks: tuple[IPv4Network | IPv6Network, ...] = ()


@dataclass(frozen=True, slots=True)
class Issued:
    """A client with what is shown this once: its new secret, its new registration access token."""

    client: Client
    secret: str | None = field(default=None, repr=False)
    registration_token: str | None = field(default=None, repr=False)
    is_new: bool = False


@dataclass(frozen=True, slots=True)
class By:
    """Who hands a document in, within which limits; a trial, which will be undone, is not sealed."""

    who: str | Principal
    limits: Limits
    context: RequestContext | None = None
    is_sealed: bool = True


class Registrar:
    """Writes clients; every change is sealed before it stands."""

    def __init__(self, foundation: Foundation, policy: RegistrationPolicy) -> None:
        self._foundation = foundation
        self.policy = policy

    async def add(self, tables: Tables, document: Document, by: By, *, registration_token: bytes | None = None,
                  secret: str | None = None) -> Issued:
        """Register a new client; raise ClientMetadataError, or ConflictError when its id is taken."""
        now_us = self._foundation.now_us()
        given = document.get("client_id") if by.limits.is_trusted else None
        client_id = f"client-{uuid7()}" if given is None else new_client_id(str(given))
        bare = Client(client_id, client_id, None, first_party=False, redirect_uris=(), post_logout_redirect_uris=(),
                      grant_types=frozenset(), scopes=frozenset(), roles=frozenset(), created_at_us=now_us,
                      registration_token_hash=registration_token, updated_at_us=now_us)
        issued = self._drawn(document, by, bare, secret)
        await tables.clients.add(issued.client)
        await self._seal("client_created", issued.client, by)
        return replace(issued, is_new=True)

    async def replace(self, tables: Tables, client: Client, document: Document, by: By, *,
                      secret: str | None = None) -> Issued:
        """Bring a client up to date with a whole new document; what it leaves out falls back to its default."""
        issued = self._drawn(document, by, client, secret)
        changed = changes(client, issued.client)
        if changed:
            await tables.clients.put(replace(issued.client, updated_at_us=self._foundation.now_us()))
            await self._seal("client_updated", issued.client, by, changed=changed)
        return issued

    async def remove(self, tables: Tables, client: Client, by: By) -> None:
        """Forget a client with all its grants and tokens."""
        await self._seal("client_deleted", client, by)
        await tables.clients.remove(client.id)

    async def rotate_secret(self, tables: Tables, client: Client, by: By) -> Issued:
        """Give a new secret; the old one is dead at once."""
        if client.secret_hash is None:
            raise ClientMetadataError("client_secret", "is not how this client authenticates: there is none to rotate")
        secret = mint(Kind.SECRET).text
        rotated = replace(client, secret_hash=sha256(secret), updated_at_us=self._foundation.now_us())
        await tables.clients.put(rotated)
        await self._seal("client_updated", rotated, by, changed=("client_secret",))
        return Issued(rotated, secret)

    def forget(self) -> None:
        """Let every cached grant be read anew: a client changed."""
        self._foundation.states.forget()

    def _drawn(self, document: Document, by: By, base: Client, given: str | None) -> Issued:
        client = client_of(document, by.limits, base)
        uses_secret = client.settings.auth_method in SECRET_METHODS
        if given is not None and not (uses_secret and MIN_SECRET <= len(given) <= 512 and given.isascii()):  # noqa: PLR2004 - a bound
            raise ClientMetadataError("client_secret", f"must be {MIN_SECRET} to 512 ASCII characters, and be used")
        secret = given
        if uses_secret and given is None and base.secret_hash is None:
            secret = mint(Kind.SECRET).text
        kept = base.secret_hash if uses_secret else None
        client = replace(client, secret_hash=sha256(secret) if secret is not None else kept)
        check(client, self.policy.networks)
        return Issued(client, secret if given is None else None)

    async def _seal(self, action: str, client: Client, by: By, *, changed: tuple[str, ...] = ()) -> None:
        if not by.is_sealed:
            return
        about: dict[str, Any] = {
            "client_id": client.id, "public": client.is_public, "roles": sorted(client.roles),
            "scopes": sorted(client.scopes), "profile": client.settings.profile}
        if changed:
            about["changed"] = sorted(changed)
        await self._foundation.journal.seal(action, context=by.context, user=acting(by.who), grid={"oauth": about})


def changes(old: Client, new: Client) -> tuple[str, ...]:
    """Return the names of the metadata that differ."""
    before, after = document_of(old) | {"roles": sorted(old.roles)}, document_of(new) | {"roles": sorted(new.roles)}
    names = [name for name in before.keys() | after.keys() if before.get(name) != after.get(name)]
    if old.secret_hash != new.secret_hash:
        names.append("client_secret")
    return tuple(sorted(names))
