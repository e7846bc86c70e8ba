"""What a database superuser can do to a ledger row, triggers or not: the insider of the story."""

from dataclasses import dataclass

import asyncpg

TABLE = "audit_ledger.entries"


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """A row and the bytes it held."""

    seq: int
    payload: bytes


async def edit_decision(url: str, *, request_id: str) -> LedgerRow:
    """Make a refused decision look allowed, as a superuser who switched the triggers off; return the old bytes."""
    connection = await asyncpg.connect(url)
    try:
        found = await connection.fetchrow(
            f"SELECT seq, payload FROM {TABLE} WHERE request_id = $1 AND action = 'access_decision'", request_id,  # noqa: S608 - a constant
        )
        forged = found["payload"].replace(b'"allow":false', b'"allow":true')
        await _write(connection, found["seq"], forged)
        return LedgerRow(found["seq"], found["payload"])
    finally:
        await connection.close()


async def put_back(url: str, row: LedgerRow) -> None:
    """Restore the bytes."""
    connection = await asyncpg.connect(url)
    try:
        await _write(connection, row.seq, row.payload)
    finally:
        await connection.close()


async def _write(connection: asyncpg.Connection, seq: int, payload: bytes) -> None:
    async with connection.transaction():
        guards = await connection.fetch(
            "SELECT quote_ident(tgname) AS name FROM pg_trigger WHERE tgrelid = $1::regclass AND NOT tgisinternal",
            TABLE,
        )
        await connection.execute(f"ALTER TABLE {TABLE} DISABLE TRIGGER USER")
        await connection.execute(f"UPDATE {TABLE} SET payload = $2 WHERE seq = $1", seq, payload)  # noqa: S608 - a constant
        for guard in guards:
            await connection.execute(f"ALTER TABLE {TABLE} ENABLE ALWAYS TRIGGER {guard['name']}")
