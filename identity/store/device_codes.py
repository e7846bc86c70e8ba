"""The table of devices that wait for a person (RFC 8628), and of tries to guess their codes."""

import asyncpg

from identity.domain.oauth.device import MAX_INTERVAL_S, SLOWER_S, DeviceRequest
from identity.domain.opaque import Opaque
from identity.domain.records import GrantTerms
from identity.store.documents import from_document, to_document
from shared_kernel.ids import uuid7

_COLUMNS = "id, user_code, client_id, scopes, status, expires_at_us, interval_s, grant_id, terms"
_SECOND_US = 1_000_000
_JITTER_US = 500_000
"""A poll this much too early is on time: networks are no clocks."""


class DeviceCodes:
    """Reads and writes identity.device_codes and identity.device_attempts."""

    def __init__(self, executor: asyncpg.Pool) -> None:
        self._executor = executor

    async def add(self, code: Opaque, request: DeviceRequest, now_us: int) -> bool:
        """Keep a device's request; answer False when another one has its user code."""
        return bool(await self._executor.fetchval(
            """INSERT INTO identity.device_codes
            (id, secret_hash, user_code, client_id, scopes, terms, interval_s, created_at_us, expires_at_us)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (user_code) DO NOTHING RETURNING true""",
            code.id, code.sha256, request.user_code, request.client_id, sorted(request.scopes),
            to_document(request.terms), request.interval_s, now_us, request.expires_at_us))

    async def poll(self, code: Opaque, client_id: str, now_us: int) -> tuple[DeviceRequest, bool] | None:
        """Return the client's own request and whether it asks too fast; each time it does, the interval grows."""
        row = await self._executor.fetchrow(
            f"""WITH before AS (
                SELECT id, polled_at_us > $4 - interval_s * $5::bigint + $8 AS is_too_fast FROM identity.device_codes
                WHERE id = $1 AND secret_hash = $2 AND client_id = $3 FOR UPDATE)
            UPDATE identity.device_codes d SET polled_at_us = $4,
                interval_s = CASE WHEN before.is_too_fast THEN least(interval_s + $6, $7) ELSE interval_s END
            FROM before WHERE d.id = before.id
            RETURNING d.{_COLUMNS.replace(", ", ", d.")}, coalesce(before.is_too_fast, false) AS is_too_fast""",  # noqa: S608 - a constant
            code.id, code.sha256, client_id, now_us, _SECOND_US, SLOWER_S, MAX_INTERVAL_S, _JITTER_US)
        return row and (_request(row), row["is_too_fast"])

    async def claim(self, request_id: str) -> bool:
        """Use an allowed request up; answer whether this call is the one that did."""
        return bool(await self._executor.fetchval(
            "UPDATE identity.device_codes SET status = 'used' WHERE id = $1 AND status = 'allowed' RETURNING true",
            request_id))

    async def waiting(self, user_code: str, now_us: int) -> DeviceRequest | None:
        """Return the request a person named, while it waits."""
        row = await self._executor.fetchrow(
            f"""SELECT {_COLUMNS} FROM identity.device_codes
            WHERE user_code = $1 AND status = 'pending' AND expires_at_us > $2""",  # noqa: S608 - a constant
            user_code, now_us)
        return row and _request(row)

    async def waiting_by_id(self, request_id: str, now_us: int) -> DeviceRequest | None:
        """Return a request while it waits."""
        row = await self._executor.fetchrow(
            f"""SELECT {_COLUMNS} FROM identity.device_codes
            WHERE id = $1 AND status = 'pending' AND expires_at_us > $2""",  # noqa: S608 - a constant
            request_id, now_us)
        return row and _request(row)

    async def decide(self, request_id: str, status: str, now_us: int) -> bool:
        """Carry out what the person chose; answer whether the request was still waiting."""
        return bool(await self._executor.fetchval(
            """UPDATE identity.device_codes SET status = $2
            WHERE id = $1 AND status = 'pending' AND expires_at_us > $3 RETURNING true""",
            request_id, status, now_us))

    async def give(self, request_id: str, grant_id: str) -> None:
        """Tie an allowed request to its grant."""
        await self._executor.execute(
            "UPDATE identity.device_codes SET grant_id = $2 WHERE id = $1", request_id, grant_id)

    async def count_attempts(self, session_id: str, address: str, since_us: int) -> tuple[int, int]:
        """Return the wrong codes typed in a session, and from an address."""
        row = await self._executor.fetchrow(
            """SELECT (SELECT count(*) FROM identity.device_attempts WHERE session_id = $1 AND at_us > $3),
                      (SELECT count(*) FROM identity.device_attempts WHERE address = $2 AND at_us > $3)""",
            session_id, address, since_us)
        return row[0], row[1]

    async def add_attempt(self, session_id: str, address: str, now_us: int) -> None:
        """Keep a wrong code's time, session and address; never the code."""
        await self._executor.execute(
            "INSERT INTO identity.device_attempts VALUES ($1, $2, $3, $4)", uuid7(), session_id, address, now_us)


def _request(row: asyncpg.Record) -> DeviceRequest:
    return DeviceRequest(
        id=row["id"], user_code=row["user_code"], client_id=row["client_id"], scopes=frozenset(row["scopes"]),
        status=row["status"], expires_at_us=row["expires_at_us"], interval_s=row["interval_s"],
        grant_id=row["grant_id"], terms=from_document(row["terms"], GrantTerms))
