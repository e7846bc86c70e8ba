"""The fast way of reading bodies finds what the strict way finds, or leaves the body to it."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grid_services.domain.readings import METER_TOPIC, SENSOR_TOPIC
from grid_services.http.reading_bodies import items_of
from grid_services.service.ingestion import Unreadable
from shared_kernel.errors import InvalidInputError

SENSOR = (b'{"event_id": "s-1", "sensor_id": "S-1", "type": "voltage", "value": 230.5, "unit": "V", '
          b'"observed_at": "2026-11-18T11:06:40Z", "provenance": "measured"}')
METER: dict[str, Any] = {
    "event_id": "e-1", "meter_id": "M-1", "customer_id": "C-1", "reading_kwh": "10.5", "unit": "kWh",
    "observed_at": "2026-11-18T12:06:40+01:00", "provenance": "simulated"}
CHANGES = st.dictionaries(
    st.sampled_from([*METER, "extra"]),
    st.one_of(st.none(), st.booleans(), st.integers(-2**63, 2**64 - 1), st.floats(allow_nan=False), st.text(max_size=6),
              st.sampled_from(["10.50", "a:b", "2026-11-18T11:06:40Z", "2026-11-18T11:06:40"])), max_size=2)


def _doubted(body: bytes) -> bytes:
    """Return the same JSON with an escape in it, which sends it the strict way."""
    return body.replace(b'"event_id"', b'"event\\u005fid"')


@given(st.lists(CHANGES, min_size=1, max_size=4))
def test_both_ways_find_the_same(changes: list[dict[str, Any]]) -> None:
    body = orjson.dumps([METER | change for change in changes])

    assert items_of(METER_TOPIC, body, lines=False) == items_of(METER_TOPIC, _doubted(body), lines=False)


@given(st.lists(CHANGES, min_size=1, max_size=4))
def test_lines_are_read_as_the_items_of_an_array(changes: list[dict[str, Any]]) -> None:
    items = [METER | change for change in changes]

    lines = items_of(METER_TOPIC, b"\r\n\n".join(orjson.dumps(one) for one in items), lines=True)

    assert lines == items_of(METER_TOPIC, orjson.dumps(items), lines=False)


@pytest.mark.parametrize("twice", [
    SENSOR.replace(b'"value": 230.5', b'"value": 1, "value": 230.5'),
    SENSOR.replace(b'"unit": "V"', b'"unit": "kV", "unit": "V"'),
    SENSOR.replace(b'"value": 230.5', b'"value": "1", "value": 230.5'),
])
def test_a_key_that_stands_twice_is_refused(twice: bytes) -> None:
    for body in (twice, b"[" + SENSOR + b"," + twice + b"]"):
        with pytest.raises(InvalidInputError, match="twice"):
            items_of(SENSOR_TOPIC, body, lines=False)
    found = items_of(SENSOR_TOPIC, SENSOR + b"\n" + twice, lines=True)
    assert isinstance(found, list)
    assert [isinstance(one, Unreadable) for one in found] == [False, True]


def test_an_object_over_two_lines_is_no_line() -> None:
    found = items_of(SENSOR_TOPIC, SENSOR.replace(b', "type"', b',\n"type"'), lines=True)

    assert isinstance(found, list)
    assert [isinstance(one, Unreadable) for one in found] == [True, True]


@pytest.mark.parametrize("body", [b"", b"[", b"\xef\xbb\xbf[]", b"[NaN]", SENSOR.replace(b"230.5", b"1e999")])
def test_what_is_no_json_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidInputError):
        items_of(SENSOR_TOPIC, body, lines=False)
