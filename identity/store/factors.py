"""The tables of second factors: authenticator apps, passkeys, recovery codes."""

import asyncpg

from identity.domain.people.factors import Factors, Passkey, Standing, Totp

_TOTP = "id, user_id, name, sealed_secret, last_step, is_confirmed, created_at_us, used_at_us"
_PASSKEY = ("id, user_id, name, credential_id, public_key, sign_count, transports, aaguid, is_backup_eligible, "
            "is_backed_up, created_at_us, used_at_us")
_TABLES = {"totp": "totp_factors", "passkey": "passkeys"}


def _totp(row: asyncpg.Record) -> Totp:
    return Totp(*row.values())


def _passkey(row: asyncpg.Record) -> Passkey:
    found = dict(row)
    return Passkey(**found | {"transports": tuple(found["transports"])})


class FactorTables:
    """Reads and writes identity.totp_factors, identity.passkeys and identity.recovery_codes."""

    def __init__(self, executor: asyncpg.Pool) -> None:
        self._executor = executor

    async def standing(self, user_id: str) -> Standing:
        """Return which kinds of factors a person has: one statement, whoever it is."""
        row = await self._executor.fetchrow(
            """SELECT EXISTS (SELECT FROM identity.totp_factors WHERE user_id = $1 AND is_confirmed) AS has_totp,
            EXISTS (SELECT FROM identity.passkeys WHERE user_id = $1) AS has_passkey,
            (SELECT count(*) FROM identity.recovery_codes WHERE user_id = $1 AND used_at_us IS NULL) AS codes""",
            user_id)
        return Standing(row["has_totp"], row["has_passkey"], row["codes"])

    async def of(self, user_id: str) -> Factors:
        """Return all confirmed factors of a person."""
        standing = await self.standing(user_id)
        return Factors(await self._totps(user_id), await self._passkeys(user_id), standing.recovery_codes_left)

    async def _totps(self, user_id: str) -> tuple[Totp, ...]:
        rows = await self._executor.fetch(
            f"SELECT {_TOTP} FROM identity.totp_factors WHERE user_id = $1 AND is_confirmed ORDER BY created_at_us",  # noqa: S608 - a constant
            user_id)
        return tuple(_totp(row) for row in rows)

    async def _passkeys(self, user_id: str) -> tuple[Passkey, ...]:
        rows = await self._executor.fetch(
            f"SELECT {_PASSKEY} FROM identity.passkeys WHERE user_id = $1 ORDER BY created_at_us", user_id)  # noqa: S608 - a constant
        return tuple(_passkey(row) for row in rows)

    async def add_totp(self, factor: Totp) -> None:
        """Begin to enrol an app; what was begun before and never confirmed goes."""
        await self._executor.execute(
            "DELETE FROM identity.totp_factors WHERE user_id = $1 AND NOT is_confirmed", factor.user_id)
        await self._executor.execute(
            f"INSERT INTO identity.totp_factors ({_TOTP}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",  # noqa: S608 - a constant
            factor.id, factor.user_id, factor.name, factor.sealed_secret, factor.last_step, factor.is_confirmed,
            factor.created_at_us, factor.used_at_us)

    async def unconfirmed_totp(self, factor_id: str, user_id: str) -> Totp | None:
        """Return an app that is being enrolled."""
        row = await self._executor.fetchrow(
            f"SELECT {_TOTP} FROM identity.totp_factors WHERE id = $1 AND user_id = $2 AND NOT is_confirmed",  # noqa: S608 - a constant
            factor_id, user_id)
        return row and _totp(row)

    async def confirm_totp(self, factor_id: str, name: str, step: int) -> bool:
        """Make an app a factor, by a code of this step; answer whether it was still to be confirmed."""
        return bool(await self._executor.fetchval(
            """UPDATE identity.totp_factors SET is_confirmed = true, name = $2, last_step = $3
            WHERE id = $1 AND NOT is_confirmed RETURNING true""", factor_id, name, step))

    async def take_step(self, factor_id: str, step: int, now_us: int) -> bool:
        """Use a code's step up; answer whether no later or equal one was taken (RFC 6238 section 5.2)."""
        return bool(await self._executor.fetchval(
            """UPDATE identity.totp_factors SET last_step = $2, used_at_us = $3
            WHERE id = $1 AND last_step < $2 RETURNING true""", factor_id, step, now_us))

    async def add_passkey(self, passkey: Passkey) -> bool:
        """Add a passkey; answer False when its credential id is somebody's already."""
        return bool(await self._executor.fetchval(
            f"""INSERT INTO identity.passkeys ({_PASSKEY})
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
            ON CONFLICT (credential_id) DO NOTHING RETURNING true""",  # noqa: S608 - a constant
            passkey.id, passkey.user_id, passkey.name, passkey.credential_id, passkey.public_key, passkey.sign_count,
            list(passkey.transports), passkey.aaguid, passkey.is_backup_eligible, passkey.is_backed_up,
            passkey.created_at_us, passkey.used_at_us))

    async def passkey(self, credential_id: bytes) -> Passkey | None:
        """Return the passkey of a credential id, and hold its row until the transaction ends."""
        row = await self._executor.fetchrow(
            f"SELECT {_PASSKEY} FROM identity.passkeys WHERE credential_id = $1 FOR UPDATE", credential_id)  # noqa: S608 - a constant
        return row and _passkey(row)

    async def use_passkey(self, passkey_id: str, *, sign_count: int, is_backed_up: bool, now_us: int) -> None:
        """Remember what the authenticator said last."""
        await self._executor.execute(
            "UPDATE identity.passkeys SET sign_count = $2, is_backed_up = $3, used_at_us = $4 WHERE id = $1",
            passkey_id, sign_count, is_backed_up, now_us)

    async def rename(self, kind: str, factor_id: str, user_id: str, name: str) -> bool:
        """Rename a factor; answer whether there was one."""
        return bool(await self._executor.fetchval(
            f"UPDATE identity.{_TABLES[kind]} SET name = $3 WHERE id = $1 AND user_id = $2 RETURNING true",  # noqa: S608 - a table of ours
            factor_id, user_id, name))

    async def remove(self, kind: str, factor_id: str, user_id: str) -> str | None:
        """Remove a factor; answer its name, None when there was none."""
        found: str | None = await self._executor.fetchval(
            f"DELETE FROM identity.{_TABLES[kind]} WHERE id = $1 AND user_id = $2 RETURNING name",  # noqa: S608 - a table of ours
            factor_id, user_id)
        return found

    async def set_recovery_codes(self, user_id: str, hashes: list[bytes], now_us: int) -> None:
        """Replace all recovery codes of a person."""
        await self._executor.execute("DELETE FROM identity.recovery_codes WHERE user_id = $1", user_id)
        await self._executor.execute(
            """INSERT INTO identity.recovery_codes (user_id, code_hash, created_at_us)
            SELECT $1, unnest($2::bytea[]), $3""", user_id, hashes, now_us)

    async def use_recovery_code(self, user_id: str, code_hash: bytes, now_us: int) -> bool:
        """Use a code up; answer whether it was still good."""
        return bool(await self._executor.fetchval(
            """UPDATE identity.recovery_codes SET used_at_us = $3
            WHERE user_id = $1 AND code_hash = $2 AND used_at_us IS NULL RETURNING true""",
            user_id, code_hash, now_us))
