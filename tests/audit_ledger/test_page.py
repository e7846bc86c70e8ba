"""Pages packed by the server come apart into exactly the rows it has, or not at all."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit_ledger.domain.audit.page import Page, Row
from audit_ledger.domain.entry import hasher, page_hasher
from tests.audit_ledger.rig import Rig
from tests.audit_ledger.test_walk import LEDGERS, STREAM, packed, rows_of


@given(LEDGERS)
def test_a_page_gives_back_its_rows_and_their_hashes(events: list[dict[str, Any]]) -> None:
    rows = rows_of(events)
    page, entry_hash = packed(rows), hasher(STREAM)

    if page is None:
        assert any("\x1d" <= character <= "\x1f" for row in rows for column in row[5:] for character in column or "")
        return
    assert page.rows() == rows
    assert page_hasher(STREAM)(page) == [entry_hash(row[2], row[0], row[1], row[4]) for row in rows]


@given(LEDGERS, st.data())
def test_a_separator_inside_a_value_makes_the_page_doubtful(events: list[dict[str, Any]], data: st.DataObject) -> None:
    rows = rows_of(events)
    place, field = data.draw(st.integers(0, len(rows) - 1)), data.draw(st.sampled_from([4, 5, 11]))
    mark, row = data.draw(st.sampled_from("\x1d\x1e\x1f")), list(rows[place])
    row[field] = row[field] + mark.encode() if field == 4 else (row[field] or "") + mark
    rows[place] = tuple(row)

    assert packed(rows) is None


@given(LEDGERS, st.binary(max_size=40), st.binary(max_size=40))
def test_whatever_bytes_come_no_page_is_taken_apart_wrongly(
    events: list[dict[str, Any]], records: bytes, content: bytes,
) -> None:
    assert Page.unpacked(len(events), records, content) is None


async def test_the_server_packs_what_the_rows_say(rig: Rig) -> None:
    await rig.filled(300)
    async with rig.reader.snapshot() as snapshot:
        pages = [page async for page in snapshot.pages(7, 512, 290)]

    entries = await rig.reader.entries(7, 283)
    found = [row for page in pages for row in (page.rows() if isinstance(page, Page) else page)]
    assert all(isinstance(page, Page) for page in pages)
    assert [(row[0], row[4], *row[5:]) for row in found] == [
        (entry.seq, entry.payload, *entry.columns) for entry in entries]


@pytest.mark.parametrize("statement", [
    "payload = NULL", "prev_hash = NULL", "entry_hash = ''", "action = E'\\x1d'", "subject = E'a\\x1fb'",
    "payload = '\\x1e'",
])
async def test_a_row_that_leaves_a_doubt_is_read_as_it_is(rig: Rig, statement: str) -> None:
    await rig.filled(300)
    await rig.attack(
        "ALTER TABLE audit_ledger.entries ALTER payload DROP NOT NULL",
        "ALTER TABLE audit_ledger.entries ALTER prev_hash DROP NOT NULL",
        "ALTER TABLE audit_ledger.entries DROP CONSTRAINT entries_entry_hash_check",
        f"UPDATE audit_ledger.entries SET {statement} WHERE seq = 3")  # noqa: S608 - planted attacks are SQL text

    pages = await read(rig)

    assert [isinstance(page, Page) for page in pages] == [False, True]
    assert sum(len(page) for page in pages) == 300


async def test_entries_beyond_an_empty_stretch_are_read(rig: Rig) -> None:
    await rig.filled(20)
    await rig.attack("UPDATE audit_ledger.entries SET seq = 4611686018427387903 WHERE seq = 19")

    pages = await read(rig)

    assert [len(page) for page in pages] == [19, 1]


async def read(rig: Rig) -> list[Page | Sequence[Row]]:
    """Read the ledger to its end."""
    async with rig.reader.snapshot() as snapshot:
        return [page async for page in snapshot.pages(0, 512)]
