"""Constructs that regorus and OPA read in two ways: both are shown doing so, and the loader refuses each.

They came out of random modules run on both engines.
"""

from collections.abc import Iterator

import pytest

from policy_engine.adapters.inspection import inspect, inspect_bundle
from policy_engine.domain.bundle import Bundle, RefusedBundleError
from tests.policy_engine.two_engines import Opa, Regorus, opa, without_complaints

pytestmark = pytest.mark.opa

INPUT = '{"action": "a.b", "context": {"risk": 1}, "o": {"k": 1, "l": 2}}'
MISSING = "which may be missing"
DIFFERENT = {
    "not of a function": ('r if not startswith(data.none[input.action], "a")', MISSING),
    "not of a member": ("r if not input.action in data.none", MISSING),
    "not of an inequality": ("r if not data.none > 1", MISSING),
    "not of a list": ("r if not [data.none]", MISSING),
    "not of a place": ("r if { x := input.o; not x[input.none] }", MISSING),
    "not of a rule": ("q := 1 if false\nf(x) := x\nr if not f(q)", MISSING),
    "not of a function's answer": ("f(x) := x if x > 1\nr if not f(1) == 2", MISSING),
    "not in a comprehension": ("r := [1 | not is_null(input.none)]", MISSING),
    "in as a value": ("r := 1 in data.none", "uses `in` as a value"),
    "in as a side": ("r if (1 in data.none) == false", "uses `in` as a value"),
    "a value for many": ('q[x] := input.o[x] if some x in ["k", "z", "l"]\nr := q', "a key or a value of input.o"),
    "a member for many": ('q contains input.o[x] if some x in ["z", "k"]\nr := q', "a key or a value of input.o"),
    "a pattern": ('r := x if {"k": x} := input.o', "takes an object apart"),
    "a pattern for each": ('r := [x | some {"k": x} in [input.o]]', "takes an object apart"),
    "an argument's pattern": ('f({"k": 1}) := 1\nr := f(input.o)', "takes an object apart"),
    "an empty table of sets": ("q[k] contains v if some k, v in data.none\nr if not q", "table of sets"),
    "nothing below a name": ("q.k := 1 if input.none\nr if not q", "reads q in line 3 as a whole"),
    "a rule by with": ("q := input.action\nr := x if x := q with input.o as q", "by the value of a rule"),
    "fractions": ("r := 1 if 0.1 + 0.2 == 0.3", "writes the number 0.1"),
    "a large number": ("r := 123456789012345678901234567890", "writes the number 1234567890123456789012"),
    "a fraction by division": ("r := 1 if 1 / 49 * 49 == 1", "divides in line 2: write round"),
    "order": ('r if { {1} < {"a": 1} }', "puts a set or an object in order"),
    "IPv4 as IPv6": ('r := net.cidr_contains("::ffff:10.0.0.0/104", "10.1.1.1")', "writes an IPv4 address as IPv6"),
    "a version": ('r := semver.compare("v1.0.0", "1.0.0")', "v before a version"),
    "a line end": ('r := base64.decode("YQ==\\n")', "line ends"),
    "no text": ('r := hex.decode("ff") == "\\ufffd"', "bytes that are no text"),
    "half a pair": ('r := json.unmarshal("\\"\\\\ud800\\"")', "halves of surrogate pairs"),
    "a leap second": ('r := time.parse_rfc3339_ns("2016-12-31T23:59:60Z")', "leap seconds"),
}
ALIKE = {
    "not of what is missing": "r if not data.none[input.action]",
    "not of an equation": "r if not data.none == 1",
    "not of what is named": 'r if { x := data.none; not startswith(x, "a") }',
    "not of what has a default": "default q := []\nq := [1] if false\nr if not 1 in q",
    "not of a set": "q contains 1 if false\nr if not 1 in q",
    "not of what is asked": "r if not input.action in [1]",
    "not of a comprehension": "r if not count([x | x := data.none]) > 0",
    "in alone": "r if 1 in data.none",
    "in as a value of what is there": "r := input.action in [1]",
    "a value for one": "r := input.none if true",
    "a value for many by name": 'q[x] := y if { some x in ["k", "z"]; y := input.o[x] }\nr := q',
    "an object beside a pattern": 'r := x if { x := {"k": input.o.k} }',
    "a table with nothing": "q[k] := v if some k, v in data.none\nr if not q",
    "a literal key with nothing": 'q["k"] := 1 if input.none\nr := q',
    "a rounded part": "r := round(7 / 2)",
    "with a name": "q := input.o\nr := x if { y := input.action; x := q with input.o as y }",
}


@pytest.fixture(scope="module")
def server() -> Iterator[Opa]:
    with opa() as running:
        yield running


def _answers(server: Opa, text: str) -> tuple[object, object]:
    module = f'package asked\n{text}\nanswers := {{"r": r}}\n'
    assert server.load([module])
    with without_complaints():
        ours = Regorus([module]).answer(INPUT)
    return None if ours == "<undefined>" else ours, server.answer(INPUT)


def _said(text: str) -> str | None:
    try:
        inspect({"a.rego": f"package gateway\n{text}\n"})
    except RefusedBundleError as error:
        return error.why
    return None


@pytest.mark.parametrize("name", DIFFERENT)
def test_what_has_two_readings_is_refused(name: str, server: Opa) -> None:
    text, why = DIFFERENT[name]

    ours, theirs = _answers(server, text)

    assert ours != theirs
    assert why in (_said(text) or "taken")


@pytest.mark.parametrize("name", ALIKE)
def test_what_only_resembles_it_is_taken_and_answered_alike(name: str, server: Opa) -> None:
    ours, theirs = _answers(server, ALIKE[name])

    assert ours == theirs
    assert _said(ALIKE[name]) is None


@pytest.mark.parametrize("data", [
    b'{"a": 0.5}', b'{"a": [1.0]}', b'{"a": 1e3}', b'{"a": -1234567890123456}', b'{"a": "::ffff:10.0.0.0/104"}',
    b'{"a": "0:0:0:0:0:FFFF:a00:1"}',
])
def test_data_of_two_readings_are_refused(data: bytes) -> None:
    with pytest.raises(RefusedBundleError, match=r"data\.json holds"):
        inspect_bundle(Bundle({"a.rego": b"package gateway\n", "data.json": data}))


def test_data_that_only_resemble_them_are_taken() -> None:
    data = b'{"a": "1.5 \\" 2.5", "b": [123456789012345, -1], "c": "2001:db8::ffff:1"}'

    inspect_bundle(Bundle({"a.rego": b"package a\n", "data.json": data}))
