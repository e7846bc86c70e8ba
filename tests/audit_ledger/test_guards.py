"""Least privilege is SQL: each role can do what it must, and each refusal is proven."""
# ruff: noqa: S608 - forbidden statements are SQL text, by design

import asyncpg
import pytest

from control_plane.database.roles import APP, LEDGER_READER, LEDGER_WRITER
from tests.audit_ledger.rig import GUARDED, Rig

CHANGES = {
    "entries": "UPDATE audit_ledger.entries SET payload = 'x'",
    "subtrees": "UPDATE audit_ledger.subtrees SET hash = sha256('x')",
    "checkpoints": "UPDATE audit_ledger.checkpoints SET note = 'x'",
}


async def refusal(rig: Rig, statement: str, *, role: str | None = None) -> str:
    """Run a statement as the superuser, or as one of our roles; return what PostgreSQL said."""
    connection = await asyncpg.connect(rig.url, server_settings={"role": role} if role else None)
    try:
        await connection.execute(statement)
    except asyncpg.InsufficientPrivilegeError as error:
        return str(error)
    finally:
        await connection.close()
    return "it was done"


@pytest.mark.parametrize("statement", [
    *CHANGES.values(),
    *(f"DELETE FROM audit_ledger.{table}" for table in GUARDED),
    *(f"TRUNCATE audit_ledger.{table}" for table in GUARDED),
])
async def test_even_the_superuser_meets_a_trigger(rig: Rig, statement: str) -> None:
    await rig.filled(3)

    assert "is append-only" in await refusal(rig, statement)


async def test_triggers_fire_for_a_session_that_claims_to_be_a_replica(rig: Rig) -> None:
    await rig.filled(3)

    said = await refusal(rig, f"SET session_replication_role = replica; {CHANGES['entries']}")

    assert "is append-only" in said


async def test_a_head_only_grows(rig: Rig) -> None:
    await rig.filled(3)

    assert "only grows: 3 to 2" in await refusal(rig, "UPDATE audit_ledger.heads SET size = 2")


@pytest.mark.parametrize("statement", [
    *CHANGES.values(),
    *(f"DELETE FROM audit_ledger.{table}" for table in GUARDED),
    *(f"TRUNCATE audit_ledger.{table}" for table in GUARDED),
    "ALTER TABLE audit_ledger.entries DISABLE TRIGGER ALL",
    "DROP TABLE audit_ledger.entries",
    "CREATE TABLE audit_ledger.more ()",
])
async def test_the_writer_may_only_add(rig: Rig, statement: str) -> None:
    await rig.filled(3)

    said = await refusal(rig, statement, role=LEDGER_WRITER)

    assert "permission denied" in said or "must be owner" in said


@pytest.mark.parametrize("statement", [
    "INSERT INTO audit_ledger.heads VALUES ('x', 0, sha256('x'))",
    "INSERT INTO audit_ledger.checkpoints VALUES ('x', 0, 0, 'x')",
    "INSERT INTO audit_ledger.subtrees VALUES ('x', 8, 0, sha256('x'))",
    "INSERT INTO audit_ledger.entries VALUES ('x', 0, 0, sha256('x'), sha256('x'), 'x')",
    "UPDATE audit_ledger.heads SET size = 9",
])
async def test_the_reader_may_only_read(rig: Rig, statement: str) -> None:
    assert "permission denied" in await refusal(rig, statement, role=LEDGER_READER)
    assert await refusal(rig, "SELECT * FROM audit_ledger.entries", role=LEDGER_READER) == "it was done"


@pytest.mark.parametrize("table", GUARDED)
async def test_the_application_s_role_sees_nothing(rig: Rig, table: str) -> None:
    assert "permission denied" in await refusal(rig, f"SELECT * FROM audit_ledger.{table}", role=APP)
