"""A shape never vouches for what parsing would refuse, and what it vouches for it has the columns of."""

from typing import Any

import orjson
import pytest
from hypothesis import given

from audit_ledger.domain.audit.shapes import Shapes
from audit_ledger.domain.canonical import is_canonical, payload_of
from audit_ledger.domain.columns import Columns, columns_of
from tests.audit_ledger.test_walk import EVENTS, packed

EVENT: dict[str, Any] = {
    "@timestamp": "2026-11-18T11:06:40.000000Z", "event": {"action": "data_access", "outcome": "success"},
    "grid": {"data": {"dataset": "grid.customers", "permit": None, "rows": 12}, "resource": {"dataset": "grid.asked"}},
    "http": {"request": {"id": "request-1"}}, "ok": True, "user": {"id": "ada", "roles": ["auditor", "admin"]},
}


def taught(event: dict[str, Any]) -> Shapes:
    """Return shapes that have seen the event often enough."""
    shapes = Shapes()
    for _ in range(16):
        shapes.learn(payload_of(event), event)
    return shapes


def vouches(shapes: Shapes, payload: bytes, columns: Columns) -> bool:
    """Tell whether the shapes prove the middle one of three such entries, whatever its neighbours are."""
    row = (0, 0, bytes(32), bytes(32), payload, *columns)
    page = packed([row, row, row])
    return page is not None and list(shapes.unproven(page)) == []


def test_an_event_alike_but_for_its_values_is_vouched_for() -> None:
    other = orjson.loads(orjson.dumps(EVENT))
    other["grid"]["data"]["rows"] = -999
    other["ok"] = False
    other["user"] = {"id": "grace", "roles": ["analyst"]}

    assert vouches(taught(EVENT), payload_of(other), columns_of(other))


def test_a_column_that_says_something_else_is_not_vouched_for() -> None:
    columns = columns_of(EVENT)

    for name in Columns._fields[1:]:
        for lie in {"somebody else", None, ""} - {getattr(columns, name)}:
            assert not vouches(taught(EVENT), payload_of(EVENT), columns._replace(**{name: lie}))


@pytest.mark.parametrize(("honest", "smuggled"), [
    (b'"rows":12', b'"rows":012'), (b'"rows":12', b'"rows":-0'), (b'"rows":12', b'"rows":1.5'),
    (b'"rows":12', b'"rows":9007199254740993'), (b'"rows":12', b'"rows": 12'), (b'"rows":12', b'"rows":12,"rows":12'),
    (b'"ok":true', b'"ok":"true"'), (b'"ok":true', b'"ok":tru'), (b'"permit":null', b'"permit":0'),
    (b"request-1", b"request\\u002d1"), (b"request-1", b"request\x011"), (b"request-1", "requ\u00ebst".encode()),
    (b"request-1", b"request\xff"), (b"request-1", b"request\x7f"), (b'["auditor",', b'["auditor" ,'),
    (b'["auditor",', b'["auditor",,'), (b"}}", b"}}\n"), (b'{"@', b' {"@'), (b"ada", b"a" * 513),
])
def test_no_other_spelling_is_vouched_for(honest: bytes, smuggled: bytes) -> None:
    payload = payload_of(EVENT)
    assert honest in payload

    assert not vouches(taught(EVENT), payload.replace(honest, smuggled), columns_of(EVENT))


@given(EVENTS, EVENTS)
def test_whatever_is_vouched_for_is_canonical_and_has_these_columns(
    learnt: dict[str, Any], asked: dict[str, Any],
) -> None:
    payload, columns = payload_of(asked), columns_of(asked)

    if vouches(taught(learnt), payload, columns):
        assert is_canonical(payload, orjson.loads(payload))
        assert columns_of(orjson.loads(payload)) == columns


def test_what_cannot_be_left_open_is_parsed_every_time() -> None:
    for odd in ({"ke\u00ff": "x"}, {"a\\b": 1}, {"event": {"action": ""}}, {"name": "\u00e9"}):
        assert not vouches(taught(odd), payload_of(odd), columns_of(odd))


def test_the_number_of_shapes_is_bounded() -> None:
    shapes = Shapes()
    events = [{"event": {"action": "many"}, f"field{number}": 1} for number in range(40)]

    for event in events:
        for _ in range(16):
            shapes.learn(payload_of(event), event)

    assert sum(vouches(shapes, payload_of(event), columns_of(event)) for event in events) == 8
