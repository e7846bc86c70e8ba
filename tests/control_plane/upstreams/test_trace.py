"""W3C Trace Context: what is continued, and what begins anew."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_plane.upstreams.trace import next_hop

TRACE, SPAN = b"4bf92f3577b34da6a3ce929d0e0e4736", b"00f067aa0ba902b7"
GOOD = b"00-" + TRACE + b"-" + SPAN + b"-01"
PARENT = re.compile(rb"00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]")


def hop(*fields: tuple[bytes, bytes]) -> dict[bytes, bytes]:
    return dict(next_hop(fields))


@pytest.mark.parametrize(("parent", "flags"), [
    (GOOD, b"01"), (GOOD[:-2] + b"00", b"00"), (GOOD[:-2] + b"ff", b"01"), (b"01" + GOOD[2:], b"01"),
    (b"cc" + GOOD[2:] + b"-what-the-future-brings", b"01"),
])
def test_a_valid_trace_goes_on_in_a_new_span(parent: bytes, flags: bytes) -> None:
    told = hop((b"traceparent", parent))[b"traceparent"]

    version, trace, span, sampled = told.split(b"-")
    assert (version, trace, sampled) == (b"00", TRACE, flags)
    assert span != SPAN


@pytest.mark.parametrize("parent", [
    b"ff" + GOOD[2:], GOOD.upper(), GOOD + b"-more", GOOD + b"x", GOOD[:-1], b"00-" + b"0" * 32 + b"-" + SPAN + b"-01",
    b"00-" + TRACE + b"-" + b"0" * 16 + b"-01", b"", b"garbage", b"cc" + GOOD[2:] + b"more", GOOD + b", " + GOOD,
])
def test_an_invalid_trace_begins_anew_without_its_state(parent: bytes) -> None:
    told = hop((b"traceparent", parent), (b"tracestate", b"vendor=1"))

    assert told.keys() == {b"traceparent"}
    assert TRACE not in told[b"traceparent"]
    assert PARENT.fullmatch(told[b"traceparent"])


def test_two_parents_are_none() -> None:
    told = next_hop([(b"traceparent", GOOD), (b"traceparent", GOOD)])

    assert TRACE not in told[0][1]


@pytest.mark.parametrize(("states", "wanted"), [
    ([b"a=1,b=2"], b"a=1,b=2"), ([b"a=1", b"b=2"], b"a=1,b=2"), ([b"a=1 , ,\tb=2"], b"a=1,b=2"),
    ([b"t@v=1"], b"t@v=1"), ([b"a=1,a=2"], None), ([b"A=1"], None), ([b"a"], None), ([b"a=\x01"], None),
    ([b"a=" + b"x" * 257], None), ([b",".join(b"k%d=1" % n for n in range(33))], None),
    ([b"a=b=c"], None), ([b",".join(b"k%d=%s" % (n, b"x" * 200) for n in range(3))], None),
])
def test_a_state_passes_whole_or_not_at_all(states: list[bytes], wanted: bytes | None) -> None:
    told = hop((b"traceparent", GOOD), *((b"tracestate", state) for state in states))

    assert told.get(b"tracestate") == wanted


@given(st.binary(max_size=80), st.binary(max_size=80))
def test_whatever_comes_what_goes_is_valid(parent: bytes, state: bytes) -> None:
    told = hop((b"traceparent", parent), (b"tracestate", state))

    assert PARENT.fullmatch(told[b"traceparent"])
    assert b"\r" not in told.get(b"tracestate", b"")
    assert b"\n" not in told.get(b"tracestate", b"")
