"""The planted attacks, as a table: what is done to the database, which check catches it, and what the report says.

Twenty entries, checkpoints of 1, 10 and 20, all of them also kept outside. The attacker is the database's superuser;
every guard is off. `alone`: what an auditor finds who has only the database; `anchored`: with the checkpoints outside;
`by_receipts`: whether the receipts that producers kept would tell as well.
docs/ledger.md shows this table; test_attack_table.py executes it.
"""
# ruff: noqa: S608 - planted attacks are SQL text, by design

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import asyncpg

from audit_ledger.domain.c2sp.checkpoint import Checkpoint
from audit_ledger.domain.c2sp.note import NoteSigner
from audit_ledger.domain.columns import columns_of
from audit_ledger.domain.entry import hasher
from audit_ledger.domain.merkle import root_of
from tests.audit_ledger.rig import Rig

Plant = Callable[[Rig], Awaitable[None]]
Found = tuple[tuple[str, int, int], ...]

ENTRIES = "audit_ledger.entries"
FORGED = b'{"event":{"action":"nothing_happened"}}'
HEAD_MAY_SHRINK = "DROP TRIGGER IF EXISTS only_grows ON audit_ledger.heads"
NO_COLUMNS = ("action = NULL, subject = NULL, request_id = NULL, dataset = NULL, outcome = NULL, event_time = NULL, "
              "sealed_key = NULL")

STEPS = {1: "stream", 2: "checkpoints inside", 3: "checkpoints outside", 4: "rows", 5: "roots", 6: "tree nodes",
         7: "head and length"}


@dataclass(frozen=True, slots=True)
class Attack:
    """One attack; the findings are (kind, first, last)."""

    name: str
    step: int
    says: str
    anchored: Found
    alone: Found
    by_receipts: bool
    plant: Plant


ATTACKS: list[Attack] = []


def attack(  # noqa: PLR0913 - a row of the table
    name: str, *, step: int, says: str, anchored: Found, alone: Found | None = None, by_receipts: bool = False,
) -> Callable[[Plant], Plant]:
    """Enter an attack into the table; `alone` is `anchored` when left out."""
    def enter(plant: Plant) -> Plant:
        ATTACKS.append(Attack(name, step, says, anchored, anchored if alone is None else alone, by_receipts, plant))
        return plant

    return enter


def sql(  # noqa: PLR0913 - a row of the table
    name: str, *statements: str, step: int, says: str, anchored: Found, alone: Found | None = None,
    by_receipts: bool = False,
) -> None:
    """Enter an attack that is nothing but SQL."""
    async def plant(rig: Rig) -> None:
        await rig.attack(HEAD_MAY_SHRINK, *statements)

    attack(name, step=step, says=says, anchored=anchored, alone=alone, by_receipts=by_receipts)(plant)


def row(change: str, seq: int = 7) -> str:
    """Return the statement that changes one entry."""
    return f"UPDATE {ENTRIES} SET {change} WHERE seq = {seq}"


NOT_SEALED = "the stored bytes are not the ones that were sealed"
sql("one bit of a payload flipped", row("payload = set_byte(payload, 30, get_byte(payload, 30) # 1)"),
    step=4, says=NOT_SEALED, anchored=(("edited", 7, 7),))
sql("a payload replaced", row("payload = '{}'"), step=4, says=NOT_SEALED, anchored=(("edited", 7, 7),))
sql("a payload that is no JSON any more", row("payload = '\\xff00'"),
    step=4, says=NOT_SEALED, anchored=(("edited", 7, 7),))
sql("the first payload", row("payload = '{}'", 0), step=4, says=NOT_SEALED, anchored=(("edited", 0, 0),))
sql("the last payload", row("payload = '{}'", 19), step=4, says=NOT_SEALED, anchored=(("edited", 19, 19),))
sql("the same JSON in other bytes", row("payload = payload || ' '::bytea"),
    step=4, says=NOT_SEALED, anchored=(("edited", 7, 7),))
sql("the time of recording", row("recorded_at_us = recorded_at_us - 1"),
    step=4, says=NOT_SEALED, anchored=(("edited", 7, 7),))
sql("a time cut from microseconds to milliseconds", row("recorded_at_us = recorded_at_us / 1000"),
    step=4, says=NOT_SEALED, anchored=(("edited", 7, 7),))
sql("the entry hash", row("entry_hash = sha256('x')"), by_receipts=True,
    step=4, says=NOT_SEALED, anchored=(("edited", 7, 7),))
sql("the stored link", row("prev_hash = sha256('x')"),
    step=4, says="the stored prev_hash is not its predecessor's", anchored=(("column_mismatch", 7, 7),))
sql("a query column", row("subject = 'somebody else'"),
    step=4, says="subject is not what the payload says", anchored=(("column_mismatch", 7, 7),))
sql("a query column emptied", row("action = NULL"),
    step=4, says="action is not what the payload says", anchored=(("column_mismatch", 7, 7),))
sql("a time column", row("event_time = '2020-01-01T00:00:00.000000Z'"),
    step=4, says="event_time is not what the payload says", anchored=(("column_mismatch", 7, 7),))
sql("an entry deleted", f"DELETE FROM {ENTRIES} WHERE seq = 7",
    by_receipts=True, step=4, says="the entry is gone", anchored=(("missing", 7, 7),))
sql("the first entry deleted", f"DELETE FROM {ENTRIES} WHERE seq = 0",
    step=4, says="the entry is gone", anchored=(("missing", 0, 0),))
sql("three entries deleted", f"DELETE FROM {ENTRIES} WHERE seq BETWEEN 7 AND 9",
    by_receipts=True, step=4, says="3 entries are gone", anchored=(("missing", 7, 9),))
sql("a row moved to another stream", row("stream = 'gridwarden/other'"),
    by_receipts=True, step=1, says="entries lie in the stream gridwarden/other",
    anchored=(("foreign_stream", 7, 7), ("missing", 7, 7)))
sql("a position taken twice", f"ALTER TABLE {ENTRIES} DROP CONSTRAINT entries_pkey",
    f"INSERT INTO {ENTRIES} SELECT * FROM {ENTRIES} WHERE seq = 7",
    step=4, says="position 7 is taken twice", anchored=(("duplicate", 7, 7),))
sql("an old entry replayed as a new one",
    f"INSERT INTO {ENTRIES} SELECT stream, 20, recorded_at_us, prev_hash, entry_hash, payload, action, subject, "
    f"request_id, dataset, outcome, event_time, sealed_key FROM {ENTRIES} WHERE seq = 7",
    step=7, says="nobody sealed them here", anchored=(("edited", 20, 20), ("extra", 20, 20)))
sql("a deletion hidden by renumbering", f"DELETE FROM {ENTRIES} WHERE seq = 7",
    f"UPDATE {ENTRIES} SET seq = seq + 1000 WHERE seq > 7", f"UPDATE {ENTRIES} SET seq = seq - 1001 WHERE seq > 1000",
    by_receipts=True, step=4, says="was sealed as entry 8",
    anchored=(("reordered", 7, 18), ("truncated", 19, 19), ("checkpoint_mismatch", 1, 9)))
sql("the tail cut", f"DELETE FROM {ENTRIES} WHERE seq >= 15",
    by_receipts=True, step=7, says="5 entries at the end are gone", anchored=(("truncated", 15, 19),))
sql("the tail cut together with head and checkpoint", f"DELETE FROM {ENTRIES} WHERE seq >= 15",
    "DELETE FROM audit_ledger.checkpoints WHERE size > 15",
    f"UPDATE audit_ledger.heads SET size = 15, entry_hash = (SELECT entry_hash FROM {ENTRIES} WHERE seq = 14)",
    by_receipts=True, step=7, says="5 entries at the end are gone",
    anchored=(("truncated", 15, 19), ("checkpoint_missing", 20, 20)), alone=())
sql("the whole stream deleted", f"DELETE FROM {ENTRIES}", "DELETE FROM audit_ledger.heads",
    "DELETE FROM audit_ledger.checkpoints",
    step=7, says="20 entries at the end are gone",
    anchored=(("head_mismatch", 0, 0), ("truncated", 0, 19), ("checkpoint_missing", 1, 1),
              ("checkpoint_missing", 10, 10), ("checkpoint_missing", 20, 20)),
    alone=(("cannot_check", 0, 0),))
sql("the head's hash", "UPDATE audit_ledger.heads SET entry_hash = sha256('x')",
    step=7, says="the head is not the hash of the last entry", anchored=(("head_mismatch", 19, 19),))
sql("the head row deleted", "DELETE FROM audit_ledger.heads",
    step=1, says="the head row is gone", anchored=(("head_mismatch", 20, 20),))
sql("a checkpoint deleted", "DELETE FROM audit_ledger.checkpoints WHERE size = 10",
    step=3, says="the checkpoint of size 10 is gone from the database",
    anchored=(("checkpoint_missing", 10, 10),), alone=())
sql("a checkpoint corrupted", "UPDATE audit_ledger.checkpoints SET note = set_byte(note, 30, 65) WHERE size = 10",
    step=2, says="a checkpoint in the database is not the ledger's",
    anchored=(("checkpoint_missing", 10, 10), ("checkpoint_signature", 10, 10)),
    alone=(("checkpoint_signature", 10, 10),))
sql("a checkpoint that is no note", "UPDATE audit_ledger.checkpoints SET note = 'x' WHERE size = 10",
    step=2, says="a checkpoint in the database is not the ledger's",
    anchored=(("checkpoint_missing", 10, 10), ("checkpoint_signature", 10, 10)),
    alone=(("checkpoint_signature", 10, 10),))
sql("checkpoints swapped", "UPDATE audit_ledger.checkpoints SET note = (SELECT note FROM audit_ledger.checkpoints "
    "WHERE size = 10) WHERE size = 1",
    step=2, says="the row of size 1 holds the checkpoint of size 10",
    anchored=(("checkpoint_mismatch", 1, 1), ("checkpoint_missing", 1, 1)), alone=(("checkpoint_mismatch", 1, 1),))


@attack("a checkpoint of another ledger", step=2, says="is not the ledger's",
        anchored=(("checkpoint_missing", 10, 10), ("checkpoint_signature", 10, 10)),
        alone=(("checkpoint_signature", 10, 10),))
async def _foreign_checkpoint(rig: Rig) -> None:
    other = NoteSigner("gridwarden/other", bytes(range(32)))
    await replace_checkpoints(rig, other, {10: Checkpoint(other.name, 10, bytes(32))})


@attack("edited and rehashed", by_receipts=True, step=4, says="entry 8 commits to another entry 7",
        anchored=(("broken_chain", 7, 7),))
async def _edit_and_rehash(rig: Rig) -> None:
    entry = (await rig.reader.entries(7, 1))[0]
    forged = hasher(rig.signer.name)(entry.prev_hash, 7, entry.recorded_at_us, FORGED)
    await rig.attack(
        f"UPDATE {ENTRIES} SET {NO_COLUMNS}, payload = $1, entry_hash = $2 WHERE seq = 7",
        arguments=(FORGED, forged))
    await rig.attack(row("action = 'nothing_happened'"))


@attack("a suffix rewritten as a good chain", by_receipts=True, step=5, says="entries from 10 on were rewritten",
        anchored=(("checkpoint_mismatch", 10, 19),))
async def _rewrite_suffix(rig: Rig) -> None:
    await rewritten(rig, 13)


@attack("a suffix rewritten, its checkpoints removed", by_receipts=True,
        step=5, says="entries from 10 on were rewritten",
        anchored=(("checkpoint_mismatch", 10, 19), ("checkpoint_missing", 20, 20)), alone=())
async def _rewrite_without_checkpoints(rig: Rig) -> None:
    await rewritten(rig, 13)
    await rig.attack("DELETE FROM audit_ledger.checkpoints WHERE size > 10")


@attack("a suffix rewritten, signed with the attacker's key", by_receipts=True, step=2, says="is not the ledger's",
        anchored=(("checkpoint_signature", 1, 1), ("checkpoint_missing", 1, 1), ("checkpoint_mismatch", 10, 19),
                  ("checkpoint_missing", 10, 10), ("checkpoint_signature", 10, 10), ("checkpoint_missing", 20, 20),
                  ("checkpoint_signature", 20, 20)),
        alone=(("checkpoint_signature", 1, 1), ("checkpoint_signature", 10, 10), ("checkpoint_signature", 20, 20)))
async def _rewrite_with_another_key(rig: Rig) -> None:
    hashes = await rewritten(rig, 13)
    await resigned(rig, NoteSigner(rig.signer.name, bytes(range(32))), hashes)


@attack("a suffix rewritten and signed with the stolen key", by_receipts=True,
        step=5, says="entries from 10 on were rewritten",
        anchored=(("checkpoint_mismatch", 10, 19),), alone=())
async def _rewrite_with_the_stolen_key(rig: Rig) -> None:
    await resigned(rig, rig.signer, await rewritten(rig, 13))


@attack("the stolen key, beyond the last checkpoint outside", by_receipts=True, step=5, says="",
        anchored=(), alone=())
async def _stolen_key_after_the_anchor(rig: Rig) -> None:
    ledger = rig.ledger()
    await ledger.start()  # publishes a checkpoint of 21
    for number in range(3):
        await rig.keep_receipt(ledger, number)
    await ledger._publisher.stop()  # as if it were killed: no last checkpoint
    await ledger._heartbeat.stop()
    await ledger._sequencer.stop()
    await rewritten(rig, 22)


@attack("a new first entry", by_receipts=True, step=5, says="entries from 0 on were rewritten",
        anchored=(("checkpoint_mismatch", 0, 0),))
async def _new_genesis(rig: Rig) -> None:
    await rewritten(rig, 0)


@attack("a well-formed entry beyond the head", step=7, says="nobody sealed them here", anchored=(("extra", 20, 20),))
async def _extra(rig: Rig) -> None:
    await appended(rig, 20, later=True)


@attack("an entry put in with a time of long ago", step=4, says="before",
        anchored=(("clock", 20, 20),))
async def _clock_rollback(rig: Rig) -> None:
    forged = await appended(rig, 20, later=False)
    await rig.attack(HEAD_MAY_SHRINK)
    await rig.attack("UPDATE audit_ledger.heads SET size = 21, entry_hash = $1", arguments=(forged,))


@attack("a backup of ten entries restored", by_receipts=True, step=7, says="10 entries at the end are gone",
        anchored=(("truncated", 10, 19), ("checkpoint_missing", 20, 20)), alone=())
async def _old_backup(rig: Rig) -> None:
    await rig.attack(
        HEAD_MAY_SHRINK, f"DELETE FROM {ENTRIES} WHERE seq >= 10",
        "DELETE FROM audit_ledger.checkpoints WHERE size > 10",
        f"UPDATE audit_ledger.heads SET size = 10, entry_hash = (SELECT entry_hash FROM {ENTRIES} WHERE seq = 9)")


@attack("a replica promoted that lacked the tail, and written on", by_receipts=True,
        step=5, says="entries from 10 on were rewritten",
        anchored=(("checkpoint_mismatch", 10, 19), ("checkpoint_missing", 20, 20)), alone=())
async def _promoted_replica(rig: Rig) -> None:
    await _old_backup(rig)
    last = (await rig.reader.entries(9, 1))[0]
    previous = last.entry_hash
    for seq in range(10, 22):
        forged = hasher(rig.signer.name)(previous, seq, last.recorded_at_us, FORGED)
        await rig.attack(f"INSERT INTO {ENTRIES} VALUES ($1, $2, $3, $4, $5, $6, 'nothing_happened')",
                         arguments=(rig.signer.name, seq, last.recorded_at_us, previous, forged, FORGED))
        previous = forged
    await rig.attack(HEAD_MAY_SHRINK)
    await rig.attack("UPDATE audit_ledger.heads SET size = 22, entry_hash = $1", arguments=(previous,))


async def rewritten(rig: Rig, start: int) -> list[bytes]:
    """Forge the entry `start` and rewrite all that follow as a consistent chain; return all entry hashes."""
    entries = await rig.reader.entries(0, 100)
    entry_hash = hasher(rig.signer.name)
    hashes = [entry.entry_hash for entry in entries[:start]]
    for entry in entries[start:]:
        is_forged = entry.seq == start
        body, columns = (FORGED, columns_of({"event": {"action": "nothing_happened"}})) if is_forged else (
            entry.payload, entry.columns)
        previous = hashes[-1] if hashes else bytes(32)
        hashes.append(entry_hash(previous, entry.seq, entry.recorded_at_us, body))
        await rig.attack(
            f"UPDATE {ENTRIES} SET prev_hash = $1, entry_hash = $2, payload = $3, action = $4, subject = $5, "
            "request_id = $6, dataset = $7, outcome = $8, event_time = $9, sealed_key = $10 WHERE seq = $11",
            arguments=(previous, hashes[-1], body, *columns, entry.seq))
    await rig.attack(HEAD_MAY_SHRINK)
    await rig.attack("UPDATE audit_ledger.heads SET entry_hash = $1", arguments=(hashes[-1],))
    return hashes


async def resigned(rig: Rig, signer: NoteSigner, hashes: list[bytes]) -> None:
    """Replace the checkpoints in the database by ones of the rewritten tree."""
    await replace_checkpoints(
        rig, signer, {size: Checkpoint(rig.signer.name, size, root_of(hashes[:size])) for size in (1, 10, 20)})


async def replace_checkpoints(rig: Rig, signer: NoteSigner, by_size: dict[int, Checkpoint]) -> None:
    """Put other notes into the rows of these sizes."""
    for size, checkpoint in by_size.items():
        await rig.attack("UPDATE audit_ledger.checkpoints SET note = $1 WHERE size = $2",
                         arguments=(checkpoint.signed_by(signer), size))


async def appended(rig: Rig, seq: int, *, later: bool) -> bytes:
    """Add a well-formed entry after the last; return its hash."""
    last = (await rig.reader.entries(seq - 1, 1))[0]
    at = last.recorded_at_us if later else 5
    forged = hasher(rig.signer.name)(last.entry_hash, seq, at, FORGED)
    connection = await asyncpg.connect(rig.url)
    await connection.execute(f"INSERT INTO {ENTRIES} VALUES ($1, $2, $3, $4, $5, $6, 'nothing_happened')",
                             rig.signer.name, seq, at, last.entry_hash, forged, FORGED)
    await connection.close()
    return forged
