"""Ids sort by time, times survive their text, events say what they must."""

import time
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared_kernel.clock import SystemClock, from_iso, to_iso
from shared_kernel.context import RequestContext, context_of, put_context
from shared_kernel.events import security_event
from shared_kernel.ids import secret, uuid7
from tests.frozen_clock import FrozenClock


def test_ids_are_uuids_of_version_seven_and_sort_by_time() -> None:
    first = uuid7()
    time.sleep(0.002)
    second = uuid7()

    assert uuid.UUID(first).version == 7
    assert uuid.UUID(first).variant == uuid.RFC_4122
    assert first < second


def test_a_secret_has_256_bits() -> None:
    assert len(secret()) == 43
    assert secret() != secret()


@given(st.integers(0, 4_102_444_800_000_000))
def test_a_time_survives_its_text(at_us: int) -> None:
    assert from_iso(to_iso(at_us)) == at_us


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        from_iso("2026-11-21T07:00:00")


def test_the_system_clock_counts_microseconds() -> None:
    assert abs(SystemClock().now_us() - time.time() * 1e6) < 5e6


def test_an_event_names_who_and_where_and_keeps_its_sections(clock: FrozenClock) -> None:
    context = RequestContext(request_id="r1", source_ip="192.0.2.7", user_agent="curl")

    event = security_event(clock, "user_login", category="authentication", outcome="failure", reason="locked",
                           context=context, user={"name": "arta"})

    assert event["user"] == {"id": "anonymous", "name": "arta", "roles": []}
    assert event["source"] == {"ip": "192.0.2.7"}
    assert event["event"]["category"] == ["authentication"]
    assert event["@timestamp"] == to_iso(clock.now_us())


def test_a_request_that_met_no_enforcement_has_no_permit() -> None:
    assert context_of({}).permit is None


def test_the_context_travels_in_the_scope() -> None:
    scope: dict[str, object] = {}
    context = RequestContext(request_id="r2", permit=7)

    put_context(scope, context)

    assert context_of(scope) is context
