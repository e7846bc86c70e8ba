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
    "not of the least of nothing": ("r if not min([1 | input.none]) in [1]", MISSING),
    "not of the greatest of nothing": ("r if not max([1 | input.none]) > 3", MISSING),
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
    "an equation in every": ('r if { every x in ["a"] { x = "b" } }', "compares by ="),
    "an equation in every's comprehension": ("r if { every x in [1] { count([1 | x = 2]) == 1 } }", "compares by ="),
    "not by every's name": ('r if { every x in ["z"] { not input.o[x] } }', "looks up by x under `not` inside"),
    "not by every's name inside": ('r if { every x in ["z"] { count([1 | not input.o[x]]) == 0 } }', "looks up by x"),
    "a list made in every": ('r if { every x in ["z"] { [input.o[x] | true] == [] } }', "looks up by x before the |"),
    "not by a call's last argument": ('r if { concat("", ["z"], x); not input.o[x] }', "looks up by x under `not`"),
    "not by a part of a list": ('r if { y := ["z", 1]; [x, 1] = y; not input.o[x] }', "looks up by x under `not`"),
    "a value with an else": ('q := {"k": 1} if true\nr := q[x] if { x := "z" } else := 2', "looks up by x in the"),
    "not in a value with an else": ('r := [1 | not input.o[x]] if { x := "z" } else := 5', "looks up by x in the"),
    "a function's value with an else": ("f(x) := input.o[x] if x else := 3\nr := f(1)", "function with an else"),
    "a function's last value": ("f(x) if x > 1 else := input.none\nr := f(1)", "function with an else"),
    "in for a key": ("r if { 9, input.none in [1] }", "asks `in` for a key and input.none"),
    "not of what with takes away": ('r if not startswith(input.action, "a") with input as {}', MISSING),
    "with behind some": ("r if { some x in [1] with input.action as 5; x; input.action == 5 }", "goes through"),
    "some that hides a rule": ("q := 7\nr if { some q; [1, 2][q] == 2 }", "declares q in line 3, which has a meaning"),
    "some that hides a name": ("r if { i := 0; x := [i | some i; [1, 2][i] == 2]; x == [1] }", "declares i in line 2"),
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
    "not of the greatest written": "r if not max([1, 2]) > 3",
    "in alone": "r if 1 in data.none",
    "in as a value of what is there": "r := input.action in [1]",
    "a value for one": "r := input.none if true",
    "a value for many by name": 'q[x] := y if { some x in ["k", "z"]; y := input.o[x] }\nr := q',
    "an object beside a pattern": 'r := x if { x := {"k": input.o.k} }',
    "a table with nothing": "q[k] := v if some k, v in data.none\nr if not q",
    "a literal key with nothing": 'q["k"] := 1 if input.none\nr := q',
    "a rounded part": "r := round(7 / 2)",
    "not with another attribute": "r if not input.context.risk in [1] with input.context.risk as 2",
    "a value with another value": "r if { xs := [input.action] with input.action as 5; some x in xs; x == 5 }",
    "some and an equation": "r if { some x; x = 1; [2, 3][x] == 3 }",
    "a comparison in every": 'r if { every x in ["a"] { x == "b" } }',
    "by every's name": 'r if { every x in ["z"] { input.o[x] } }',
    "not by another name in every": 'r if { every x in ["z"] { other := x; not input.o[other] } }',
    "not in, in every": 'q contains 1 if true\nr if { every x in ["z"] { not x in q } }',
    "not of a comprehension in every": 'r if { every x in ["z"] { not count([1 | input.o[x]]) > 0 } }',
    "a named value with an else": 'r := y if { x := "z"; y := input.o[x] } else := 2',
    "a value by the question with an else": "r := input.o[input.action] if true else := 2",
    "a list with an else": 'r := [y | y := input.o[x]] if { x := "z" } else := 2',
    "a function's named value with an else": "f(x) := y if y := input.o[x]\nelse := 3\nr := f(1)",
    "a function's stated value with an else": "f(x) := input.o[x] if input.o[x]\nelse := 3\nr := f(1)",
    "a function's value by an else": 'f(x) := 1 if x == 2\nelse := input.o[x]\nr := f("z")',
    "in for a key that is named": "r if { x := input.none; 9, x in [1] }",
    "not by a part by place": 'r if { y := ["z", 1]; x := y[0]; not input.o[x] }',
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


@pytest.mark.parametrize(("text", "why"), [
    ("r if { every k, v in input.o { v } }", "declares k"),
    ("r if { some x; input.action }", "declares x"),
    ("f(y) if { some y; [1][y] }\nr := f(1)", "declares y"),
    ("r if { [x, 1] := [2, 1]; x }", "assigns to a literal"),
    ('r if { some net in ["10.0.0.0/8"]; net.cidr_contains(net, "10.1.1.1") }', "rename the former"),
    ("f(x) := x\nr if { f := 1; f(f) }", "rename the former"),
])
def test_what_opa_refuses_for_its_names_is_refused(text: str, why: str, server: Opa) -> None:
    taken_by_opa = server.load([f"package asked\n{text}\n"])

    assert not taken_by_opa
    assert why in (_said(text) or "taken")


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
