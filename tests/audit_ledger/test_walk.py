"""Laws of the verification: honest data, however odd, never alarms; any changed bit and any permutation does."""

import itertools
import unicodedata
from collections.abc import Callable, Sequence
from struct import Struct
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from audit_ledger.domain.audit.finding import Finding, Findings, Kind
from audit_ledger.domain.audit.page import Page, Row
from audit_ledger.domain.audit.tree_check import Anchor, TreeCheck
from audit_ledger.domain.audit.walk import Walk
from audit_ledger.domain.canonical import payload_of
from audit_ledger.domain.columns import columns_of
from audit_ledger.domain.entry import GENESIS, hasher
from audit_ledger.domain.merkle import Frontier, root_of
from tests.audit_ledger.rig import Rig, kinds

_NUMBERS, _LENGTHS = Struct(">qqI").pack, Struct(">II").pack
STREAM = "gridwarden/0a1b2c3d"
TEXT = st.text(st.characters(exclude_categories=["Cs"])).map(lambda text: unicodedata.normalize("NFC", text))
ODD = st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | TEXT | st.lists(TEXT, max_size=2)
EVENTS = st.fixed_dictionaries({
    "@timestamp": st.sampled_from(["2026-11-18T11:06:40.123456789Z", "2026-11-18T11:06:40Z", "\0", ""]),
    "event": st.dictionaries(st.sampled_from(["action", "outcome", "ø"]), ODD),
    "user": st.dictionaries(st.sampled_from(["id", "name"]), ODD) | ODD,
})
LEDGERS = st.lists(EVENTS, min_size=1, max_size=8)


def rows_of(events: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """Return the rows a sequencer stores."""
    entry_hash, previous, rows = hasher(STREAM), GENESIS, []
    for seq, event in enumerate(events):
        payload = payload_of(event)
        found = entry_hash(previous, seq, 1_000 + seq, payload)
        rows.append((seq, 1_000 + seq, previous, found, payload, *columns_of(event)))
        previous = found
    return rows


def findings_of(rows: list[tuple[Any, ...]], anchors: list[Anchor]) -> tuple[Finding, ...]:
    """Walk the rows as they are and packed: the findings are the same."""
    singly = walked(rows, anchors, lambda page: page)
    assert walked(rows, anchors, lambda page: packed(page) or page) == singly
    return singly


def walked(rows: list[tuple[Any, ...]], anchors: list[Anchor], form: Callable[[Any], Any]) -> tuple[Finding, ...]:
    findings = Findings([])
    tree = TreeCheck(Frontier(), anchors, findings)
    walk = Walk(STREAM, since=0, previous=GENESIS, tree=tree, findings=findings)
    for start in range(0, len(rows), 3):
        walk.feed(form(rows[start:start + 3]))
    walk.finish()
    return findings.ordered()


def packed(rows: Sequence[Row]) -> Page | None:
    """Pack rows as the SQL of a snapshot does."""
    records, contents = [], []
    for seq, at, previous, stored, payload, *columns in rows:
        stored_columns = "".join(("\x1d" if column is None else column) + "\x1f" for column in columns)
        contents.append(payload + stored_columns.encode() + b"\x1e")
        records.append(_NUMBERS(seq, at, len(payload)) + previous + stored
                       + _LENGTHS(len(contents[-1]), columns.count(None)))
    return Page.unpacked(len(rows), b"".join(records), b"".join(contents))


def anchors_of(rows: list[tuple[Any, ...]]) -> list[Anchor]:
    hashes = [row[3] for row in rows]
    return [Anchor(size, root_of(hashes[:size]), is_outside=True) for size in range(1, len(rows) + 1)]


@given(LEDGERS)
def test_honest_data_never_alarms(events: list[dict[str, Any]]) -> None:
    rows = rows_of(events)

    assert findings_of(rows, anchors_of(rows)) == ()


@given(LEDGERS, st.data())
def test_any_changed_bit_of_any_hashed_field_is_found_at_its_place(
    events: list[dict[str, Any]], data: st.DataObject,
) -> None:
    rows = rows_of(events)
    anchors = anchors_of(rows)
    place, field = data.draw(st.integers(0, len(rows) - 1)), data.draw(st.integers(1, 4))
    row = list(rows[place])
    if field == 1:
        row[1] ^= 1 << data.draw(st.integers(0, 62))
    else:
        changed = bytearray(row[field])
        changed[data.draw(st.integers(0, len(changed) - 1))] ^= 1 << data.draw(st.integers(0, 7))
        row[field] = bytes(changed)
    rows[place] = tuple(row)

    found = findings_of(rows, anchors)

    assert place in {seq for each in found for seq in range(each.seq, each.last_seq + 1)}


@given(LEDGERS, st.lists(st.integers(0, 3), min_size=8, max_size=8))
def test_an_entry_recorded_before_its_predecessor_is_found_and_nothing_else(
    events: list[dict[str, Any]], times: list[int],
) -> None:
    entry_hash, previous, rows = hasher(STREAM), GENESIS, []
    for row, at in zip(rows_of(events), times, strict=False):
        previous, before = entry_hash(previous, row[0], at, row[4]), previous
        rows.append((row[0], at, before, previous, *row[4:]))

    found = findings_of(rows, anchors_of(rows))

    assert {seq for each in found for seq in range(each.seq, each.last_seq + 1)} == {
        row[0] for before, row in itertools.pairwise(rows) if row[1] < before[1]}
    assert {each.kind for each in found} <= {Kind.CLOCK}


@given(LEDGERS, st.data())
def test_any_permutation_of_the_places_is_found(events: list[dict[str, Any]], data: st.DataObject) -> None:
    rows = rows_of(events)
    order = data.draw(st.permutations(range(len(rows))))
    moved = [(seq, *rows[origin][1:]) for seq, origin in enumerate(order)]

    found = findings_of(moved, [])

    assert bool(found) == (order != list(range(len(rows))))


@given(LEDGERS, st.data())
def test_any_entry_left_out_is_found(events: list[dict[str, Any]], data: st.DataObject) -> None:
    rows = rows_of(events)
    gone = data.draw(st.integers(0, len(rows) - 1))

    found = findings_of(rows[:gone] + rows[gone + 1:], anchors_of(rows))

    expected = [] if gone == len(rows) - 1 else [("missing", gone, gone)]
    assert [(str(each.kind), each.seq, each.last_seq) for each in found] == expected


async def test_odd_honest_events_pass_through_postgresql_unharmed(rig: Rig) -> None:
    ledger = rig.ledger()
    await ledger.start()
    for event in (
        {"a": "x" * (65_535 - 8)}, {"\U0001f600": "\ue000", "\ue000": 1}, {"user": {"id": "\0" * 600}},
        {"n": 2**53 - 1, "m": -(2**53) + 1}, {"@timestamp": "2026-11-18T11:06:40.123456789Z"}, {},
        {"event": {"action": ["not", "text"]}, "http": "neither", "q": '"\\\u2028\x7f'},
    ):
        await ledger.record(event)
    await ledger.stop()

    report = await rig.verify()

    assert (kinds(report), report.size) == ([], 8)
