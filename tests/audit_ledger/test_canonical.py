"""One byte form: the fast path equals the reference, and the door lets nothing ambiguous in."""

import json
import struct
import unicodedata
from collections.abc import Callable
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import Any

import orjson
import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from audit_ledger.domain.canonical import canonical, is_canonical, payload_of
from audit_ledger.domain.columns import columns_of
from audit_ledger.domain.entry import hasher
from audit_ledger.domain.errors import RefusedEventError

TEXT = st.text(st.characters(exclude_categories=["Cs"])).map(lambda text: unicodedata.normalize("NFC", text))
SCALARS = st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | TEXT
VALUES = st.recursive(SCALARS, lambda held: st.lists(held) | st.dictionaries(TEXT, held), max_leaves=20)
EVENTS = st.dictionaries(TEXT, VALUES)


@given(EVENTS)
def test_the_fast_path_is_byte_equal_to_the_reference(event: dict[str, Any]) -> None:
    payload = payload_of(event)

    assert payload == rfc8785.dumps(event)
    assert orjson.loads(payload) == event
    assert is_canonical(payload, event)


def test_the_six_published_documents_come_out_byte_for_byte(shared_vectors: Path) -> None:
    names = sorted(path.name for path in (shared_vectors / "jcs/input").iterdir())

    for name in names:
        value = json.loads((shared_vectors / "jcs/input" / name).read_bytes())
        assert canonical(value) == (shared_vectors / "jcs/output" / name).read_bytes().rstrip(b"\n")
    assert len(names) == 6


def test_the_ten_thousand_published_numbers_come_out(shared_vectors: Path) -> None:
    lines = (shared_vectors / "jcs/numbers.csv").read_text().splitlines()

    wrong = []
    for line in lines:
        bits, expected = line.split(",")
        [value] = struct.unpack(">d", int(bits, 16).to_bytes(8, "big"))
        if canonical(value).decode() != expected:
            wrong.append(line)
    assert (len(lines), wrong) == (10_000, [])


@pytest.mark.parametrize(("event", "sentence"), [
    ({"a": 1.5}, r"a is the float 1\.5: send a scaled integer"),
    ({"a": [{"b": float("nan")}]}, r"a\[0\]\.b is the float nan"),
    ({"a": 2**53}, "a is an integer beyond 2"),
    ({"a": -(2**53)}, "a is an integer beyond 2"),
    ({"a": "e\u0301"}, "a is not in Unicode normalisation form C"),
    ({"e\u0301": 1}, "is not in Unicode normalisation form C"),
    ({1: "a"}, "has the key 1, and keys are strings"),
    ({"a": "\ud800"}, "is not JSON"),
    ({"a": b"bytes"}, "a is a bytes, which JSON does not have"),
    ({"a": {"b": {1}}}, r"a\.b is a set"),
    ({"a": "x" * 65_535}, "has 65543 bytes, at most 65535: store the evidence elsewhere"),
])
def test_the_door_says_what_it_refuses_and_where(event: dict[Any, Any], sentence: str) -> None:
    with pytest.raises(RefusedEventError, match=sentence):
        payload_of(event)


class Own(dict[str, Any]):
    """An object of somebody's own class."""


ODD_ONES = st.floats() | st.integers(2**53) | st.binary(max_size=2) | st.dates() | st.uuids() | st.integers().map(
    lambda number: {number: "a key that is no text"})


@given(EVENTS, st.data(), st.sampled_from([
    lambda odd: odd, lambda odd: [odd], lambda odd: (odd,), lambda odd: {"in": [{"deep": odd}]},
    lambda odd: Own(odd=odd),
]))
def test_nothing_the_door_refuses_gets_in_beside_what_is_plain(
    event: dict[str, Any], data: st.DataObject, wrapped: Callable[[Any], Any],
) -> None:
    event[data.draw(TEXT)] = wrapped(data.draw(ODD_ONES))

    with pytest.raises(RefusedEventError):
        payload_of(event)


def test_an_event_of_a_class_of_its_own_is_looked_through_too() -> None:
    with pytest.raises(RefusedEventError):
        payload_of(Own(a=1.5))


def test_nesting_beyond_64_levels_is_refused() -> None:
    deep: dict[str, Any] = {}
    for _ in range(70):
        deep = {"a": deep}

    with pytest.raises(RefusedEventError, match="nests deeper than 64 levels"):
        payload_of(deep)


def test_exactly_65535_bytes_pass() -> None:
    assert len(payload_of({"a": "x" * (65_535 - 8)})) == 65_535


def test_enumerations_are_sealed_as_their_values() -> None:
    class Colour(StrEnum):
        RED = "red"

    class Level(IntEnum):
        HIGH = 3

    assert payload_of({"c": Colour.RED, "l": Level.HIGH, "t": ("a", 1)}) == b'{"c":"red","l":3,"t":["a",1]}'


@given(EVENTS)
def test_columns_never_hold_what_postgresql_cannot(event: dict[str, Any]) -> None:
    columns = columns_of({"event": {"action": "\0" * 600}, "user": event, "http": {"request": [event]}} | event)

    assert all(value is None or ("\0" not in value and len(value) <= 512) for value in columns)


ENTRIES = st.tuples(
    st.text(min_size=1, max_size=20).filter(lambda name: len(name.encode(errors="ignore")) > 0 and name.isascii()),
    st.binary(min_size=32, max_size=32), st.integers(0, 2**63 - 1), st.integers(0, 2**63 - 1), st.binary(max_size=40))


@given(ENTRIES, ENTRIES)
def test_only_equal_entries_have_equal_hashes(one: tuple[Any, ...], other: tuple[Any, ...]) -> None:
    hashes = [hasher(entry[0])(*entry[1:]) for entry in (one, other)]

    assert (hashes[0] == hashes[1]) == (one == other)


def test_moving_a_byte_over_a_field_s_boundary_changes_the_hash() -> None:
    previous = bytes(32)

    assert hasher("ab")(previous, 1, 2, b"c") != hasher("a")(previous, 1, 2, b"bc")
    assert hasher("a")(previous, 0x0100, 2, b"") != hasher("a")(previous, 1, 2 << 8, b"")


@pytest.mark.parametrize("name", ["", "x" * 256])
def test_a_stream_name_has_one_to_255_bytes(name: str) -> None:
    with pytest.raises(ValueError, match="1 to 255 bytes"):
        hasher(name)


@pytest.mark.parametrize("number", ["1e16", "1.5", "10000000000000000", "-0", "1.0"])
def test_numbers_the_door_refuses_are_no_canonical_form(number: str) -> None:
    payload = f'{{"a":{number}}}'.encode()

    assert not is_canonical(payload, orjson.loads(payload))
