"""The table of browsers that people have logged in with: a row a browser and person, found by the browser's cookie."""

import asyncpg

from identity.domain.opaque import Opaque
from identity.domain.people.factors import Device
from identity.store.documents import from_json, to_json

_ADDRESSES = 20
_COLUMNS = "id, user_id, user_agent, source_ip, place, created_at_us, seen_at_us"


def _device(row: asyncpg.Record | None) -> Device | None:
    return row and Device(row["id"], row["user_id"], row["user_agent"], row["source_ip"],
                          from_json(row["place"]) if row["place"] else None, row["created_at_us"], row["seen_at_us"])


class Devices:
    """Reads and writes identity.devices."""

    def __init__(self, executor: asyncpg.Pool) -> None:
        self._executor = executor

    async def known(self, cookie: Opaque, user_id: str, since_us: int) -> Device | None:
        """Return this person's device behind a cookie, if it was seen since then."""
        return _device(await self._executor.fetchrow(
            f"""SELECT {_COLUMNS} FROM identity.devices
            WHERE user_id = $1 AND secret_hash = $2 AND seen_at_us > $3""",  # noqa: S608 - a constant
            user_id, cookie.sha256, since_us))

    async def last(self, user_id: str) -> Device | None:
        """Return where the person logged in last."""
        return _device(await self._executor.fetchrow(
            f"""SELECT {_COLUMNS} FROM identity.devices WHERE user_id = $1
            ORDER BY seen_at_us DESC LIMIT 1""",  # noqa: S608 - a constant
            user_id))

    async def addresses(self, user_id: str, since_us: int) -> tuple[str, ...]:
        """Return from where the person logged in since then, the latest first."""
        rows = await self._executor.fetch(
            """SELECT source_ip FROM identity.devices WHERE user_id = $1 AND seen_at_us > $2
            GROUP BY source_ip ORDER BY max(seen_at_us) DESC LIMIT $3""", user_id, since_us, _ADDRESSES)
        return tuple(row["source_ip"] for row in rows)

    async def of(self, user_id: str) -> list[Device]:
        """Return a person's devices, the latest first."""
        rows = await self._executor.fetch(
            f"SELECT {_COLUMNS} FROM identity.devices WHERE user_id = $1 ORDER BY seen_at_us DESC",  # noqa: S608 - a constant
            user_id)
        return [device for row in rows if (device := _device(row))]

    async def see(self, cookie: Opaque, device: Device) -> None:
        """Remember a login: of a new device, or of one known by its id."""
        await self._executor.execute(
            """INSERT INTO identity.devices
            (id, secret_hash, user_id, user_agent, source_ip, place, created_at_us, seen_at_us)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (id) DO UPDATE SET user_agent = excluded.user_agent,
            source_ip = excluded.source_ip, place = excluded.place, seen_at_us = excluded.seen_at_us""",
            device.id, cookie.sha256, device.user_id, device.user_agent, device.source_ip,
            to_json(device.place) if device.place else None, device.created_at_us, device.seen_at_us)

    async def rekey(self, old: Opaque, new: Opaque) -> None:
        """Let everybody known by a browser's old cookie be known by its new one, and by no other."""
        await self._executor.execute(
            "UPDATE identity.devices SET secret_hash = $2 WHERE secret_hash = $1", old.sha256, new.sha256)

    async def forget(self, device_id: str, user_id: str) -> bool:
        """Forget one of a person's devices; answer whether there was one."""
        return bool(await self._executor.fetchval(
            "DELETE FROM identity.devices WHERE id = $1 AND user_id = $2 RETURNING true", device_id, user_id))
