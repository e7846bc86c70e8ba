"""What administrators do with clients: by the API, by files, and by inviting others to register."""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from identity.domain.clients.errors import ClientMetadataError
from identity.domain.clients.metadata import GRANT_TYPES, one_of, some_of, texts
from identity.domain.clients.registration import TRUSTED, document_of
from identity.domain.naming import new_scopes
from identity.domain.opaque import Kind, mint
from identity.domain.records import Client, InitialAccess
from identity.service.clients.registrar import By, Document, Issued, Registrar, UnknownClientError, changes
from identity.service.foundation import SECOND_US, Foundation
from identity.service.journal import acting
from identity.store.database import Tables
from shared_kernel.context import RequestContext
from shared_kernel.errors import NotFoundError, UnprocessableError
from shared_kernel.principal import Principal

MAX_USES = 1_000
MAX_AGE_S = 90 * 86_400


@dataclass(frozen=True, slots=True)
class Invitation:
    """An initial access token to make: how often, how long, and what beyond the ordinary it allows."""

    uses: int = 1
    expires_in_s: int = 86_400
    limits: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Change:
    """What importing one document did or would do: each name that differs with its value before and after."""

    issued: Issued
    changed: Mapping[str, tuple[Any, Any]]


class _TrialOverError(Exception):
    """Undoes a transaction that was only tried."""


def _end(*, is_trial: bool) -> None:
    if is_trial:
        raise _TrialOverError


class ClientAdministration:
    """Keeps clients for administrators; policy has decided that they may."""

    def __init__(self, foundation: Foundation, registrar: Registrar) -> None:
        self._foundation = foundation
        self._registrar = registrar

    async def get(self, client_id: str) -> Client:
        """Return a client; raise UnknownClientError."""
        async with self._foundation.database.read() as tables:
            client = await tables.clients.get(client_id)
        if client is None:
            raise UnknownClientError
        return client

    async def create(self, document: Document, *, by: str | Principal, context: RequestContext | None = None) -> Issued:
        """Register a client; its secret is answered this once."""
        async with self._foundation.database.begin() as tables:
            return await self._registrar.add(tables, document, By(by, TRUSTED, context))

    async def update(self, client_id: str, document: Document, *, by: str | Principal,
                     context: RequestContext | None = None) -> Issued:
        """Replace a client's metadata as a whole."""
        if document.get("client_id") not in {None, client_id}:
            raise ClientMetadataError("client_id", "cannot be changed")
        async with self._foundation.database.begin() as tables:
            client = await _found(tables, client_id)
            issued = await self._registrar.replace(tables, client, document, By(by, TRUSTED, context))
        self._registrar.forget()
        return issued

    async def delete(self, client_id: str, *, by: str | Principal, context: RequestContext | None = None) -> None:
        """Forget a client with all its grants; not one of our own, without which nobody reaches the console."""
        async with self._foundation.database.begin() as tables:
            client = await _found(tables, client_id)
            if client.first_party:
                raise UnprocessableError(f"{client.name} is part of Gridwarden and cannot be deleted")
            await self._registrar.remove(tables, client, By(by, TRUSTED, context))
        self._registrar.forget()

    async def rotate_secret(self, client_id: str, *, by: str | Principal,
                            context: RequestContext | None = None) -> Issued:
        """Give a client a new secret; the old one is dead at once."""
        async with self._foundation.database.begin() as tables:
            issued = await self._registrar.rotate_secret(
                tables, await _found(tables, client_id), By(by, TRUSTED, context))
        self._registrar.forget()
        return issued

    async def bring(self, documents: Sequence[Document], *, by: str | Principal, is_trial: bool = False,
                    context: RequestContext | None = None) -> list[Change]:
        """Import documents, all or none: new clients are made, known ones brought up to date. Idempotent.

        All of them are tried before one is sealed, so that the ledger tells of nothing that was undone.
        """
        if not is_trial:
            await self.bring(documents, by=by, is_trial=True, context=context)
        who = By(by, TRUSTED, context, is_sealed=not is_trial)
        found: list[Change] = []
        with contextlib.suppress(_TrialOverError):
            async with self._foundation.database.begin() as tables:
                found += [await self._brought(tables, document, who) for document in documents]
                _end(is_trial=is_trial)
        self._registrar.forget()
        return found

    async def invite(self, invitation: Invitation, *, by: str | Principal,
                     context: RequestContext | None = None) -> tuple[str, InitialAccess]:
        """Make an initial access token; answer its text, this once, and what is kept of it."""
        limits = _limits(invitation)
        token, now_us = mint(Kind.INITIAL), self._foundation.now_us()
        maker = by if isinstance(by, str) else by.subject
        access = InitialAccess(token.id, token.sha256, maker, limits, invitation.uses, now_us,
                               now_us + invitation.expires_in_s * SECOND_US)
        async with self._foundation.database.begin() as tables:
            await tables.initial_access_tokens.add(access)
            about = {"invitation": access.id, "uses": access.uses_left, "limits": dict(limits)}
            await self._foundation.journal.seal(
                "initial_access_token_made", context=context, user=acting(by), grid={"oauth": about})
        return token.text, access

    async def invitations(self) -> list[InitialAccess]:
        """Return the invitations that still work."""
        async with self._foundation.database.read() as tables:
            return await tables.initial_access_tokens.listed(self._foundation.now_us())

    async def uninvite(self, token_id: str, *, by: str | Principal, context: RequestContext | None = None) -> None:
        """Take an invitation back."""
        async with self._foundation.database.begin() as tables:
            if not await tables.initial_access_tokens.remove(token_id):
                raise NotFoundError("there is no invitation with this id")
            await self._foundation.journal.seal("initial_access_token_revoked", context=context, user=acting(by),
                                                grid={"oauth": {"invitation": token_id}})

    async def _brought(self, tables: Tables, document: Document, by: By) -> Change:
        client_id, secret = document.get("client_id"), document.get("client_secret")
        if not isinstance(client_id, str) or not isinstance(secret, str | None):
            raise ClientMetadataError("client_id", "must name the client, and client_secret be a text")
        known = await tables.clients.find(client_id)
        if known is None:
            issued = await self._registrar.add(tables, document, by, secret=secret)
            return Change(issued, {name: (None, value) for name, value in document_of(issued.client).items()})
        issued = await self._registrar.replace(tables, known, document, by, secret=secret)
        before, after = document_of(known), document_of(issued.client)
        before |= {"roles": sorted(known.roles)}
        after |= {"roles": sorted(issued.client.roles)}
        return Change(issued, {name: (before.get(name), after.get(name)) for name in changes(known, issued.client)})


async def _found(tables: Tables, client_id: str) -> Client:
    client = await tables.clients.find(client_id)
    if client is None:
        raise UnknownClientError
    return client


def _limits(invitation: Invitation) -> Mapping[str, Any]:
    """Return the limits as kept; raise UnprocessableError for what no invitation may hold."""
    if not 1 <= invitation.uses <= MAX_USES or not 1 <= invitation.expires_in_s <= MAX_AGE_S:
        raise UnprocessableError(f"an invitation has 1 to {MAX_USES} uses and lives 1 second to 90 days")
    readers = {"scopes": texts, "grant_types": some_of(*GRANT_TYPES), "profile": one_of("baseline", "fapi2")}
    unknown = invitation.limits.keys() - readers.keys()
    if unknown:
        raise UnprocessableError(f"{', '.join(sorted(unknown))} is no limit: use {', '.join(sorted(readers))}")
    found = {name: readers[name](name, value) for name, value in invitation.limits.items() if value is not None}
    new_scopes(frozenset(found.get("scopes", ())))
    return {name: list(value) if isinstance(value, tuple) else value for name, value in found.items()}
