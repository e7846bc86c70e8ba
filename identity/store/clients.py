"""The table of OAuth clients, and what people consented to."""

import asyncpg

from identity.domain.records import Client, ClientSettings
from identity.store.documents import from_document, to_document
from shared_kernel.errors import ConflictError

_COLUMNS = ("id, name, secret_hash, first_party, redirect_uris, post_logout_redirect_uris, grant_types, scopes, "
            "roles, created_at_us, settings, registration_token_hash, updated_at_us")


def _client(row: asyncpg.Record | None) -> Client | None:
    if row is None:
        return None
    return Client(
        id=row["id"], name=row["name"], secret_hash=row["secret_hash"], first_party=row["first_party"],
        redirect_uris=tuple(row["redirect_uris"]), post_logout_redirect_uris=tuple(row["post_logout_redirect_uris"]),
        grant_types=frozenset(row["grant_types"]), scopes=frozenset(row["scopes"]), roles=frozenset(row["roles"]),
        created_at_us=row["created_at_us"], settings=from_document(row["settings"], ClientSettings),
        registration_token_hash=row["registration_token_hash"], updated_at_us=row["updated_at_us"],
    )


class Clients:
    """Reads and writes identity.clients and identity.consents."""

    def __init__(self, executor: asyncpg.Pool) -> None:
        self._executor = executor

    async def get(self, client_id: str) -> Client | None:
        """Return the client of that id."""
        return _client(await self._executor.fetchrow(
            f"SELECT {_COLUMNS} FROM identity.clients WHERE id = $1", client_id))  # noqa: S608 - a constant

    async def find(self, client_id: str) -> Client | None:
        """Return the client, and hold the row until the transaction ends."""
        return _client(await self._executor.fetchrow(
            f"SELECT {_COLUMNS} FROM identity.clients WHERE id = $1 FOR UPDATE", client_id))  # noqa: S608 - a constant

    async def add(self, client: Client) -> None:
        """Add a client; raise ConflictError when its id is taken."""
        if await self.find(client.id) is not None or not await self.put(client):
            raise ConflictError(f"there is already a client with the id {client.id}")

    async def remove(self, client_id: str) -> None:
        """Forget a client; its grants, consents and tokens fall with it."""
        await self._executor.execute("DELETE FROM identity.clients WHERE id = $1", client_id)

    async def set_registration_token(self, client_id: str, digest: bytes) -> None:
        """Replace the token by which a client manages its registration."""
        await self._executor.execute(
            "UPDATE identity.clients SET registration_token_hash = $2 WHERE id = $1", client_id, digest)

    async def put(self, client: Client) -> bool:
        """Add the client or bring it up to date; answer whether it is new."""
        is_new: bool = await self._executor.fetchval(
            f"INSERT INTO identity.clients ({_COLUMNS}) "  # noqa: S608 - a constant
            "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) "
            """ON CONFLICT (id) DO UPDATE SET name = excluded.name, secret_hash = excluded.secret_hash,
            first_party = excluded.first_party, redirect_uris = excluded.redirect_uris,
            post_logout_redirect_uris = excluded.post_logout_redirect_uris, grant_types = excluded.grant_types,
            scopes = excluded.scopes, roles = excluded.roles, settings = excluded.settings,
            registration_token_hash = excluded.registration_token_hash, updated_at_us = excluded.updated_at_us
            RETURNING xmax = 0""",
            client.id, client.name, client.secret_hash, client.first_party, list(client.redirect_uris),
            list(client.post_logout_redirect_uris), sorted(client.grant_types), sorted(client.scopes),
            sorted(client.roles), client.created_at_us, to_document(client.settings), client.registration_token_hash,
            client.updated_at_us or client.created_at_us)
        return is_new

    async def listed(self, after: str, limit: int) -> list[Client]:
        """Return clients by id, from the first id beyond `after`."""
        rows = await self._executor.fetch(
            f"SELECT {_COLUMNS} FROM identity.clients WHERE id > $1 ORDER BY id LIMIT $2",  # noqa: S608 - a constant
            after, limit)
        return [client for row in rows if (client := _client(row))]

    async def consent(self, user_id: str, client_id: str, scopes: frozenset[str], now_us: int) -> None:
        """Add scopes to what this person allows this client."""
        await self._executor.execute(
            """INSERT INTO identity.consents AS known VALUES ($1, $2, $3, $4)
            ON CONFLICT (user_id, client_id) DO UPDATE SET granted_at_us = excluded.granted_at_us,
            scopes = ARRAY(SELECT DISTINCT unnest(known.scopes || excluded.scopes) ORDER BY 1)""",
            user_id, client_id, sorted(scopes), now_us)
