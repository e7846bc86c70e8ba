"""Where keys lie: wrapped in the database, which only forgets, under a key in a file that only we can read."""
# ruff: noqa: S608 - forbidden statements are SQL text, by design

import asyncio
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import asyncpg
import pytest

from audit_ledger.adapters.subject_key_file import SubjectKeyFile, UnusableSubjectKeyError
from audit_ledger.domain.errors import LedgerDownError
from audit_ledger.domain.privacy.sealing import SubjectKey, commitment_of
from audit_ledger.store.subject_keys import StoredKey, SubjectKeys
from control_plane.database.roles import APP, LEDGER_PRUNER, LEDGER_READER, LEDGER_WRITER
from tests.audit_ledger.rig import Rig

KEYS = "audit_ledger.subject_keys"
ROW = f"INSERT INTO {KEYS} VALUES ('x', 'commitment', 'ada', 'wrapped', 1)"


async def said(rig: Rig, statement: str, role: str | None = None) -> str:
    """Run a statement as a role, or as the superuser; return the refusal."""
    connection = await asyncpg.connect(rig.url, server_settings={"role": role} if role else None)
    try:
        await connection.execute(statement)
    except asyncpg.InsufficientPrivilegeError as error:
        return str(error)
    finally:
        await connection.close()
    return "it was done"


UNFORGETTING = (
    f"UPDATE {KEYS} SET wrapped = 'other'", f"UPDATE {KEYS} SET subject = 'bob'", f"DELETE FROM {KEYS}",
    f"UPDATE {KEYS} SET wrapped = NULL, erased_at_us = 2, commitment = 'other'", f"TRUNCATE {KEYS}",
    f"UPDATE {KEYS} SET wrapped = NULL, erased_at_us = 2; UPDATE {KEYS} SET wrapped = 'w', erased_at_us = NULL",
    f"UPDATE {KEYS} SET wrapped = NULL, erased_at_us = 2; UPDATE {KEYS} SET erased_at_us = 3",
)


@pytest.mark.parametrize("role", [None, LEDGER_WRITER])
async def test_the_table_of_keys_only_forgets(rig: Rig, role: str | None) -> None:
    await said(rig, ROW, LEDGER_WRITER)

    refusals = [await said(rig, statement, role) for statement in UNFORGETTING]

    assert len(refusals) == 7
    assert all(any(word in told for word in ("only forgets", "append-only", "permission denied")) for told in refusals)


async def test_the_writer_adds_and_forgets_and_the_reader_reads(rig: Rig) -> None:
    assert await said(rig, ROW, LEDGER_WRITER) == "it was done"
    assert await said(rig, f"UPDATE {KEYS} SET wrapped = NULL, erased_at_us = 2", LEDGER_WRITER) == "it was done"
    assert await said(rig, f"SELECT * FROM {KEYS}", LEDGER_READER) == "it was done"


@pytest.mark.parametrize(("role", "statement"), [
    (LEDGER_READER, ROW), (LEDGER_READER, f"UPDATE {KEYS} SET wrapped = NULL, erased_at_us = 2"),
    (LEDGER_PRUNER, f"SELECT * FROM {KEYS}"), (APP, f"SELECT * FROM {KEYS}"), (APP, ROW),
])
async def test_nobody_else_comes_near(rig: Rig, role: str, statement: str) -> None:
    assert "permission denied" in await said(rig, statement, role)


def keys_of(rig: Rig) -> SubjectKeys:
    return SubjectKeys(rig.writer_pool, rig.reader_pool, rig.signer.name)


def key(number: int, subject: str = "ada") -> StoredKey:
    secret = number.to_bytes(32, "big")
    return StoredKey(commitment_of(secret), subject, b"wrapped %d" % number)


async def test_whoever_comes_first_gives_the_key(rig: Rig) -> None:
    keys = keys_of(rig)

    kept = await asyncio.gather(*(keys.keep(key(number), 1, []) for number in range(20)))

    assert len(set(kept)) == 1
    assert await keys.of("ada") == [kept[0]]
    assert await keys.current("ada", []) == kept[0]


async def test_a_newer_key_comes_after_a_retired_one_even_when_the_clock_stands(rig: Rig) -> None:
    keys = keys_of(rig)
    old, new = await keys.keep(key(1), 5, []), key(2)

    kept = await keys.keep(new, 5, [old.commitment])

    assert (kept, await keys.of("ada")) == (new, [old, new])
    assert await keys.current("ada", []) == new
    assert await keys.destroy([old.commitment, new.commitment], 6) == 2
    assert await keys.destroy([old.commitment], 7) == 0
    assert await keys.current("ada", []) is None
    assert [each.wrapped for each in await keys.named([old.commitment, "unknown"])] == [None]


async def test_a_database_that_is_down_is_said_so(rig: Rig) -> None:
    keys = keys_of(rig)
    rig.reader_pool.terminate()

    with pytest.raises(LedgerDownError):
        await keys.current("ada", [])


async def test_counting_and_checking_walk_the_index(rig: Rig) -> None:
    """However many entries there are, and whichever plan is cached."""
    connection = await asyncpg.connect(rig.url)
    await connection.execute("SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan")
    await connection.execute(
        "PREPARE uses (text[]) AS SELECT count(*) FROM audit_ledger.entries WHERE sealed_key = ANY($1)")

    plan = "\n".join(row[0] for row in await connection.fetch("EXPLAIN EXECUTE uses ('{a,b}')"))

    assert "Index Only Scan using entries_sealed_key" in plan or "Bitmap Index Scan on entries_sealed_key" in plan
    await connection.close()


def test_the_key_file_is_made_once_and_for_us_alone(tmp_path: Path) -> None:
    made = [SubjectKeyFile(tmp_path / "keys") for _ in range(8)]

    with ThreadPoolExecutor(8) as hands:
        found = list(hands.map(lambda each: each.key(), made))

    wrapped, name = found[0].wrap(bytes(32)), commitment_of(bytes(32))
    assert all(isinstance(each.unwrap(wrapped, name), SubjectKey) for each in found)
    [file] = (tmp_path / "keys").iterdir()
    assert (file.name, stat.S_IMODE(file.stat().st_mode), file.stat().st_size) == ("subjects.key", 0o600, 32)


def test_a_home_without_a_key_file_has_none(tmp_path: Path) -> None:
    assert SubjectKeyFile(tmp_path).existing() is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("content", "mode", "why"), [
    (b"x" * 32, 0o644, "others can read it"), (b"x" * 31, 0o600, "31 bytes"), (b"", 0o600, "0 bytes"),
    (b"x" * 33, 0o600, "33 bytes"),
])
def test_an_unusable_key_file_is_not_used(tmp_path: Path, content: bytes, mode: int, why: str) -> None:
    file = tmp_path / "subjects.key"
    file.write_bytes(content)
    file.chmod(mode)

    with pytest.raises(UnusableSubjectKeyError, match=why):
        SubjectKeyFile(tmp_path).key()
