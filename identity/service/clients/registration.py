"""Dynamic registration (RFC 7591) and its management (RFC 7592), by initial access token or, if set so, by anybody."""

import hmac
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from identity.domain.clients.errors import ClientMetadataError
from identity.domain.clients.registration import OPEN_GRANT_TYPES, OPEN_SCOPES, Limits, limits_of
from identity.domain.oauth.errors import OAuthError
from identity.domain.opaque import Kind, Opaque, mint, read, sha256
from identity.domain.records import Client
from identity.service.clients.registrar import By, Document, Issued, Registrar
from identity.service.foundation import Foundation
from identity.store.database import Tables
from shared_kernel.context import RequestContext

_NOBODY = bytes(32)
_NOT_TO_BE_SENT = ("registration_access_token", "registration_client_uri", "client_secret_expires_at",
                   "client_id_issued_at")


class RegistrationTokenError(OAuthError):
    """The token opens nothing; whether the client exists stays unsaid (RFC 7592 section 2.1)."""

    def __init__(self) -> None:
        super().__init__("invalid_token", "the access token does not open this", status=401)


class RegistrationDesk:
    """Lets clients register, read, change and remove themselves."""

    def __init__(self, foundation: Foundation, registrar: Registrar) -> None:
        self._foundation = foundation
        self._registrar = registrar

    async def register(self, authorization: str | None, document: Document, context: RequestContext) -> Issued:
        """Register a client; a use of the initial access token is taken only when the client stands."""
        token = _bearer(authorization, Kind.INITIAL)
        async with self._foundation.database.begin() as tables:
            by = await self._registering(tables, authorization, token, context)
            fresh = mint(Kind.REGISTRATION)
            issued = await self._registrar.add(tables, document, by, registration_token=fresh.sha256)
        return replace(issued, registration_token=fresh.text)

    async def read(self, client_id: str, authorization: str | None) -> Issued:
        """Return the client whose registration access token this is."""
        token = _bearer(authorization, Kind.REGISTRATION)
        async with self._foundation.database.read() as tables:
            client = _opened(await tables.clients.get(client_id), token)
        return Issued(client, registration_token=token.text if token else None)

    async def replace(self, client_id: str, authorization: str | None, document: Document,
                      context: RequestContext) -> Issued:
        """Replace a client's metadata; its registration access token is a new one afterwards."""
        token = _bearer(authorization, Kind.REGISTRATION)
        async with self._foundation.database.begin() as tables:
            client = _opened(await tables.clients.find(client_id), token)
            _check_update(client, document)
            fresh = mint(Kind.REGISTRATION)
            limits = limits_of(client, requires_pkce=self._registrar.policy.requires_pkce)
            by = By(f"client:{client.id}", limits, context)
            await tables.clients.set_registration_token(client.id, fresh.sha256)
            renewed = replace(client, registration_token_hash=fresh.sha256)
            issued = await self._registrar.replace(tables, renewed, document, by)
        self._registrar.forget()
        return replace(issued, registration_token=fresh.text)

    async def remove(self, client_id: str, authorization: str | None, context: RequestContext) -> None:
        """Remove a client with everything it was granted."""
        token = _bearer(authorization, Kind.REGISTRATION)
        async with self._foundation.database.begin() as tables:
            client = _opened(await tables.clients.find(client_id), token)
            await self._registrar.remove(tables, client, By(f"client:{client.id}", Limits(), context))
        self._registrar.forget()

    async def _registering(self, tables: Tables, authorization: str | None, token: Opaque | None,
                           context: RequestContext) -> By:
        pkce = self._registrar.policy.requires_pkce
        if authorization is None and self._registrar.policy.is_open:
            return By("registration:open", Limits(requires_pkce=pkce), context)
        if token is None:
            raise RegistrationTokenError
        found = await tables.initial_access_tokens.claim(token.id, token.sha256, self._foundation.now_us())
        if found is None:
            raise RegistrationTokenError
        return By(f"registration:{token.id}", _limits(found, requires_pkce=pkce), context)


def _limits(stored: Mapping[str, Any], *, requires_pkce: bool) -> Limits:
    return Limits(scopes=OPEN_SCOPES | frozenset(stored.get("scopes", ())),
                  grant_types=OPEN_GRANT_TYPES | frozenset(stored.get("grant_types", ())),
                  profile=stored.get("profile"), requires_pkce=requires_pkce)


def _bearer(authorization: str | None, kind: Kind) -> Opaque | None:
    scheme, _, text = (authorization or "").partition(" ")
    return read(text.strip(), kind) if scheme.lower() == "bearer" else None


def _opened(client: Client | None, token: Opaque | None) -> Client:
    expected = (client.registration_token_hash if client else None) or _NOBODY
    is_right = hmac.compare_digest(token.sha256 if token else bytes(31), expected)
    if client is None or not is_right:
        raise RegistrationTokenError
    return client


def _check_update(client: Client, document: Document) -> None:
    """RFC 7592 section 2.2: the client names itself, and sends nothing that only we may set."""
    if document.get("client_id") != client.id:
        raise ClientMetadataError("client_id", "must be this client's own (RFC 7592 section 2.2)")
    for name in _NOT_TO_BE_SENT:
        if name in document:
            raise ClientMetadataError(name, "must not be sent (RFC 7592 section 2.2)")
    secret = document.get("client_secret")
    if secret is not None and not (isinstance(secret, str) and client.secret_hash is not None and hmac.compare_digest(
            client.secret_hash, sha256(secret))):
        raise ClientMetadataError("client_secret", "must be the one in use: a client cannot choose it")
