"""The data path over HTTP on a real database: durable, idempotent, strict, and honest about what it refuses."""

import asyncio
from typing import Any

import asyncpg
import httpx2 as httpx
import orjson
import pytest

from grid_services.domain.readings import METER_TOPIC, SENSOR_TOPIC
from grid_services.service import Bus, Processing, telemetry_events
from grid_services.store.window_store import WindowStore
from shared_kernel.clock import to_iso
from tests.frozen_clock import FrozenClock
from tests.grid_services.load_fakes import KeptLineage
from tests.grid_services.telemetry_fakes import KeptRecorder

LISTENERS = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'"


async def _seen(pool: asyncpg.Pool, query: str, effect: str = "$1::int") -> int:
    """Wait until the query finds a backend, and do `effect` to it, as the database's owner."""
    async with asyncio.timeout(10), pool.acquire() as owner:
        await owner.execute("SET ROLE NONE")
        while (pid := await owner.fetchval(query)) is None:  # noqa: ASYNC110 - a process has no event
            await asyncio.sleep(0.01)
        await owner.fetchval(f"SELECT {effect}", pid)
        await owner.execute("RESET ROLE")
    return int(pid)


async def _terminate(pool: asyncpg.Pool, query: str) -> int:
    """End the backend the query finds, as a restart of the database would."""
    return await _seen(pool, query, "pg_terminate_backend($1)")


async def test_a_replay_makes_no_second_row_or_message(
    client: httpx.AsyncClient, meter: dict[str, Any], bus: Bus,
) -> None:
    first, again = [await client.post("ingest/meter", json=meter) for _ in range(2)]

    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json()["duplicates"] == 1
    assert len(await bus.read(METER_TOPIC, 0, 10)) == 1
    assert len((await client.get("meters/MTR-0001/readings")).json()["items"]) == 1


async def test_an_event_id_with_other_content_conflicts(client: httpx.AsyncClient, meter: dict[str, Any]) -> None:
    await client.post("ingest/meter", json=meter)

    answer = await client.post("ingest/meter", json=meter | {"reading_kwh": "11"})

    assert (answer.status_code, answer.json()["kind"]) == (409, "event-id-conflict")


async def test_bad_items_never_poison_good_ones(client: httpx.AsyncClient, sensor: dict[str, Any]) -> None:
    items = [sensor, sensor, sensor | {"value": 231}, sensor | {"event_id": "s-2", "value": 1e9},
             sensor | {"event_id": "s-3"}, 7]

    answer = await client.post("ingest/sensor", json=items)

    assert (answer.json()["accepted"], answer.json()["duplicates"]) == (2, 1)
    assert [(one["index"], one["kind"]) for one in answer.json()["rejected"]] == [
        (2, "conflict"), (3, "invalid"), (5, "invalid")]
    assert [one["event_id"] for one in (await client.get("bus/dlq")).json()["items"]] == ["s-2", None]


async def test_ndjson_rejects_a_broken_line_only(client: httpx.AsyncClient, sensor: dict[str, Any]) -> None:
    body = orjson.dumps(sensor) + b"\n{broken\n"

    answer = await client.post("ingest/sensor", content=body, headers={"content-type": "application/x-ndjson"})

    assert answer.json()["accepted"] == 1
    assert [one["index"] for one in answer.json()["rejected"]] == [1]


@pytest.mark.parametrize("body", [b"{", b'{"value": NaN}', b'{"a": 1, "a": 2}', b"\xff"])
async def test_malformed_json_is_400(client: httpx.AsyncClient, body: bytes) -> None:
    assert (await client.post("ingest/sensor", content=body)).status_code == 400


@pytest.mark.parametrize("change", [
    {"unit": "MWh"}, {"reading_kwh": "-1"}, {"reading_kwh": "NaN"}, {"observed_at": "2026-11-18T11:00:00"},
    {"observed_at": "2026-11-18T12:06:40Z"}, {"provenance": "guessed"}, {"extra": 1}, {"event_id": ""},
])
async def test_a_reading_that_breaks_a_rule_is_422(
    client: httpx.AsyncClient, meter: dict[str, Any], change: dict[str, Any],
) -> None:
    assert (await client.post("ingest/meter", json=meter | change)).status_code == 422


async def test_a_quarantined_meter_is_refused_until_released(
    client: httpx.AsyncClient, meter: dict[str, Any], recorder: KeptRecorder,
) -> None:
    await client.post("meters/MTR-0001/quarantine", json={"reason": "tampered"})
    refused = await client.post("ingest/meter", json=meter)
    await client.post("meters/MTR-0001/release")
    taken = await client.post("ingest/meter", json=meter)

    assert (refused.status_code, refused.json()["kind"]) == (403, "meter-quarantined")
    assert "tampered" in refused.json()["detail"]
    assert taken.status_code == 201
    assert [one["event"]["action"] for one in recorder.events] == [
        "meter_quarantined", "reading_refused", "readings_ingested", "meter_released", "readings_ingested"]


async def test_two_quarantines_at_once_seal_one(client: httpx.AsyncClient, recorder: KeptRecorder) -> None:
    answers = await asyncio.gather(*(
        client.post("meters/MTR-0001/quarantine", json={"reason": "tampered"}) for _ in range(2)))

    assert sorted(answer.json()["changed"] for answer in answers) == [False, True]
    assert [one["event"]["action"] for one in recorder.events] == ["meter_quarantined"]


@pytest.mark.parametrize("action", ["quarantine", "release"])
async def test_what_cannot_be_sealed_changes_no_quarantine(
    client: httpx.AsyncClient, recorder: KeptRecorder, action: str,
) -> None:
    await client.post("meters/MTR-0001/quarantine", json={"reason": "first"})
    before = (await client.get("meters")).json()
    recorder.down = True
    meter_id = "MTR-0002" if action == "quarantine" else "MTR-0001"

    answer = await client.post(f"meters/{meter_id}/{action}", json={"reason": "second"})

    assert answer.status_code == 503
    assert (await client.get("meters")).json() == before


async def test_meters_are_those_read_registered_or_quarantined(
    client: httpx.AsyncClient, meter: dict[str, Any],
) -> None:
    await client.post("ingest/meter", json=meter | {"meter_id": "MTR-9001"})
    await client.post("meters/MTR-9002/quarantine", json={"reason": "tampered"})

    found = {one["meter_id"]: one for one in (await client.get("meters")).json()["items"]}

    assert len(found) == 22
    assert (found["MTR-0001"]["timestamp"], found["MTR-0001"]["quarantined"]) == (None, None)
    assert found["MTR-9001"]["timestamp"] == "2026-11-18T11:06:40Z"
    assert found["MTR-9002"]["quarantined"] == "tampered"


async def test_sensors_are_listed_by_type_and_provenance_as_of_their_newest_reading(
    client: httpx.AsyncClient, sensor: dict[str, Any],
) -> None:
    power = sensor | {"type": "power", "unit": "kW"}
    older = {"observed_at": "2026-11-18T11:00:00Z"}
    await client.post("ingest/sensor", json=[
        one | {"event_id": f"s-{n}"} for n, one in enumerate((
            sensor, sensor | older, power | older, sensor | {"sensor_id": "S-0"},
            sensor | {"provenance": "simulated"}))])

    found = (await client.get("sensors")).json()["items"]

    assert [(one["sensor_id"], one["sensor_type"], one["provenance"], one["timestamp"][11:16]) for one in found] == [
        ("S-0", "voltage", "measured", "11:06"), ("S-1", "power", "measured", "11:00"),
        ("S-1", "voltage", "measured", "11:06"), ("S-1", "voltage", "simulated", "11:06")]


@pytest.mark.parametrize("path", [
    "analytics/sensors/S%001/statistics", "meters/M%00/readings", f"meters/{'M' * 65}/readings",
    "analytics/sensors/windows?sensor_id=%00", "analytics/consumption/windows?meter_id=a%20b",
])
async def test_an_identifier_that_names_nothing_is_400(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path)).status_code == 400


@pytest.mark.parametrize("action", ["quarantine", "release"])
async def test_a_meter_of_no_valid_name_cannot_be_quarantined_or_released(
    client: httpx.AsyncClient, recorder: KeptRecorder, action: str,
) -> None:
    answer = await client.post(f"meters/M%00/{action}", json={"reason": "tampered"})

    assert answer.status_code == 400
    assert recorder.events == []


async def test_a_refused_reading_sent_again_is_one_dead_letter(
    client: httpx.AsyncClient, sensor: dict[str, Any], clock: FrozenClock,
) -> None:
    for _ in range(3):
        assert (await client.post("ingest/sensor", json=sensor | {"value": 1e9})).status_code == 422
        clock.advance(1)
    await client.post("ingest/sensor", json=[7, 7, sensor | {"value": 1e9}])

    assert [one["event_id"] for one in (await client.get("bus/dlq")).json()["items"]] == ["s-1", None]


async def test_an_endless_item_is_kept_cut(client: httpx.AsyncClient, bus: Bus) -> None:
    await client.post("ingest/sensor", json={"event_id": "x" * 100_000})

    (letter,) = await bus.read("smartgrid-dlq", 0, 10)
    assert len(letter.body["message"]) == 16_384


async def test_what_could_not_be_sealed_is_503_and_its_retry_succeeds(
    client: httpx.AsyncClient, meter: dict[str, Any], recorder: KeptRecorder,
) -> None:
    recorder.down = True
    refused = await client.post("ingest/meter", json=meter)
    recorder.down = False

    assert refused.status_code == 503
    assert (await client.post("ingest/meter", json=meter)).json()["duplicates"] == 1


async def test_a_database_that_is_gone_is_503(
    client: httpx.AsyncClient, meter: dict[str, Any], app_pool: asyncpg.Pool,
) -> None:
    app_pool.terminate()

    assert (await client.post("ingest/meter", json=meter)).status_code == 503


async def test_a_database_gone_in_mid_ingest_is_503_stores_nothing_and_lets_the_retry_through(
    client: httpx.AsyncClient, meter: dict[str, Any], app_pool: asyncpg.Pool, bus: Bus,
) -> None:
    items = [meter | {"event_id": f"e-{n}"} for n in range(100)]
    async with app_pool.acquire() as other, other.transaction():
        await other.execute("SELECT FROM grid_services.topics WHERE name = $1 FOR UPDATE", METER_TOPIC)
        sending = asyncio.create_task(client.post("ingest/meter", json=items))
        await _terminate(app_pool, "SELECT pid FROM pg_stat_activity WHERE datname = current_database() "
                                   "AND wait_event_type = 'Lock'")
        refused = await sending
        stored = await app_pool.fetchval("SELECT count(*) FROM grid_services.meter_readings")

    again = await client.post("ingest/meter", json=items)

    assert (refused.status_code, stored) == (503, 0)
    assert (again.status_code, again.json()["accepted"]) == (201, 100)
    assert [one.offset for one in await bus.read(METER_TOPIC, 0, 1000)] == list(range(100))


async def test_late_shuffled_and_repeated_telemetry_gives_exact_windows(
    client: httpx.AsyncClient, sensor: dict[str, Any], app_pool: asyncpg.Pool, bus: Bus, clock: FrozenClock,
) -> None:
    lineage = KeptLineage()
    processing = Processing(WindowStore(app_pool), bus, lineage)
    window_us = clock.now_us() // 300_000_000 * 300_000_000
    seconds = ((3, 30), (1, 10), (2, 20), (1, 10), (4, -600), (5, -1500))
    items = [sensor | {"event_id": f"s-{n}", "value": n, "observed_at": to_iso(window_us + s * 1_000_000)}
             for n, s in seconds]
    await client.post("ingest/sensor", json=items)

    assert [await processing.step(SENSOR_TOPIC), await processing.step(SENSOR_TOPIC)] == [5, 0]

    found = (await client.get("analytics/sensors/windows?sensor_id=S-1")).json()["items"]
    assert [(one["count"], one["avg"], one["stddev"]) for one in found] == [(3, 2.0, 1.0), (1, 4.0, None)]
    assert [one["is_final"] for one in found] == [False, False]
    assert [one["reason"] for one in (await client.get("bus/dlq")).json()["items"]] == ["late"]
    assert len(lineage.runs) == 1


async def test_a_reader_waits_for_a_message_and_sees_ecs(
    client: httpx.AsyncClient, meter: dict[str, Any], bus: Bus,
) -> None:
    waiting = asyncio.create_task(bus.wait(METER_TOPIC, 0, 5))
    await client.post("ingest/meter", json=meter)
    await waiting

    (event,) = telemetry_events(await bus.read(METER_TOPIC, 0, 10))
    assert event.event["grid"]["meter"]["reading_kwh"] == "10.5"
    assert event.event["event"]["action"] == "meter_reading"


async def test_a_reader_hears_again_after_its_connection_was_lost(
    client: httpx.AsyncClient, meter: dict[str, Any], bus: Bus, app_pool: asyncpg.Pool,
) -> None:
    first = asyncio.create_task(bus.wait(METER_TOPIC, 0, 10))
    lost = await _terminate(app_pool, LISTENERS)
    second = asyncio.create_task(bus.wait(METER_TOPIC, 0, 10))
    await _seen(app_pool, f"{LISTENERS} AND pid <> {lost}")
    await client.post("ingest/meter", json=meter)

    async with asyncio.timeout(5):
        await asyncio.gather(first, second)


@pytest.mark.parametrize("path", ["sensors?x=1", "sensors?limit=0", "analytics/sensors/windows?from=yesterday"])
async def test_unknown_parameters_are_400(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path)).status_code == 400


@pytest.mark.parametrize("path", [
    "customers", "sensors", "meters", "analytics/consumption/windows", "analytics/sensors/S-1/statistics", "bus/topics",
])
async def test_every_list_answers(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path)).status_code == 200
