"""The table of people."""

import asyncpg

from identity.domain.records import User
from identity.store.documents import from_json, to_json
from shared_kernel.errors import ConflictError

_COLUMNS = ("id, name, password_hash, status, roles, created_at_us, email, is_email_verified, profile, external_id, "
            "updated_at_us, version")


def _user(row: asyncpg.Record | None) -> User | None:
    if row is None:
        return None
    return User(row["id"], row["name"], row["password_hash"], row["status"], frozenset(row["roles"]),
                row["created_at_us"], row["email"], row["is_email_verified"], from_json(row["profile"]),
                row["external_id"], row["updated_at_us"], row["version"])


class Users:
    """Reads and writes identity.users."""

    def __init__(self, executor: asyncpg.Pool) -> None:
        self._executor = executor

    async def add(self, user: User) -> None:
        """Add a person; raise ConflictError when the name or the address is taken."""
        added = await self._executor.fetchval(
            f"INSERT INTO identity.users ({_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) "  # noqa: S608
            "ON CONFLICT DO NOTHING RETURNING id",
            user.id, user.name, user.password_hash, user.status, sorted(user.roles), user.created_at_us, user.email,
            user.is_email_verified, to_json(user.profile), user.external_id, user.updated_at_us or user.created_at_us,
            user.version)
        if added is None:
            raise ConflictError(f"there is already an account named {user.name}, or one with its e-mail address")

    async def named(self, name: str) -> User | None:
        """Return the person of that name."""
        return _user(await self._executor.fetchrow(
            f"SELECT {_COLUMNS} FROM identity.users WHERE name = $1", name))  # noqa: S608 - a constant

    async def find(self, id_or_name: str) -> User | None:
        """Return the person, and hold the row until the transaction ends."""
        return _user(await self._executor.fetchrow(
            f"SELECT {_COLUMNS} FROM identity.users WHERE id = $1 OR name = $1 FOR UPDATE",  # noqa: S608 - a constant
            id_or_name))

    async def get(self, user_id: str) -> User | None:
        """Return the person of that id."""
        return _user(await self._executor.fetchrow(
            f"SELECT {_COLUMNS} FROM identity.users WHERE id = $1", user_id))  # noqa: S608 - a constant

    async def with_email(self, email: str) -> User | None:
        """Return the one person whose verified address this is."""
        return _user(await self._executor.fetchrow(
            f"SELECT {_COLUMNS} FROM identity.users WHERE email = $1 AND is_email_verified", email))  # noqa: S608

    async def pending_with(self, email: str) -> User | None:
        """Return the newest account that waits for this address to be verified."""
        return _user(await self._executor.fetchrow(
            f"SELECT {_COLUMNS} FROM identity.users WHERE email = $1 AND status = 'pending' "  # noqa: S608 - a constant
            "ORDER BY created_at_us DESC LIMIT 1", email))

    async def listed(self, after: str, limit: int, containing: str = "") -> list[User]:
        """Return people by name, from the first name beyond `after`, whose name or address contains a text."""
        rows = await self._executor.fetch(
            f"SELECT {_COLUMNS} FROM identity.users WHERE name > $1 "  # noqa: S608 - a constant
            "AND ($3 = '' OR strpos(name, $3) > 0 OR strpos(coalesce(email, ''), $3) > 0) ORDER BY name LIMIT $2",
            after, limit, containing)
        return [user for row in rows if (user := _user(row))]

    async def update(self, user: User, now_us: int) -> User:
        """Replace everything a person can become, and count the version up; raise ConflictError for a taken value."""
        try:
            row = await self._executor.fetchrow(
                "UPDATE identity.users SET name = $2, password_hash = $3, status = $4, roles = $5, email = $6, "  # noqa: S608 - a constant
                "is_email_verified = $7, profile = $8, external_id = $9, updated_at_us = $10, version = version + 1 "
                f"WHERE id = $1 RETURNING {_COLUMNS}",
                user.id, user.name, user.password_hash, user.status, sorted(user.roles), user.email,
                user.is_email_verified, to_json(user.profile), user.external_id, now_us)
        except asyncpg.UniqueViolationError as cause:
            raise ConflictError("somebody else has this name or this e-mail address") from cause
        return _user(row) or user

    async def delete(self, user_id: str) -> None:
        """Forget a person with everything that is theirs."""
        await self._executor.execute("DELETE FROM identity.users WHERE id = $1", user_id)

    async def delete_abandoned(self, before_us: int) -> int:
        """Forget accounts whose address nobody verified in time; answer how many."""
        rows = await self._executor.fetch(
            """DELETE FROM identity.users WHERE id IN (
            SELECT id FROM identity.users WHERE status = 'pending' AND created_at_us < $1
            LIMIT 1000 FOR UPDATE SKIP LOCKED) RETURNING 1""", before_us)
        return len(rows)

    async def set_status(self, user_id: str, status: str, reason: str | None) -> None:
        """Lock or unlock."""
        await self._executor.execute(
            "UPDATE identity.users SET status = $2, locked_reason = $3, version = version + 1 WHERE id = $1",
            user_id, status, reason)

    async def set_roles(self, user_id: str, roles: frozenset[str]) -> None:
        """Replace the roles."""
        await self._executor.execute("UPDATE identity.users SET roles = $2 WHERE id = $1", user_id, sorted(roles))

    async def active_with_role(self, role: str) -> set[str]:
        """Return the ids of active people with a role; nobody else counts them until the transaction ends."""
        await self._executor.execute("SELECT pg_advisory_xact_lock(hashtext('identity.role.' || $1))", role)
        rows = await self._executor.fetch(
            "SELECT id FROM identity.users WHERE status = 'active' AND $1 = ANY(roles)", role)
        return {row["id"] for row in rows}

    async def is_still_active(self, user_id: str) -> bool:
        """Whether the person may log in, held true until the transaction ends: a lock waits for us, or we see it."""
        status = await self._executor.fetchval(
            "SELECT status FROM identity.users WHERE id = $1 FOR SHARE", user_id)
        return bool(status == "active")
