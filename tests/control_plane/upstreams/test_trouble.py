"""Services that are dead, slow, broken or flapping: what their callers see, and when they are left alone."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from control_plane.upstreams.targets import Target
from tests.control_plane.upstreams.bed import (
    ADMIN,
    Bed,
    Scripted,
    Seen,
    Speak,
    ask,
    bed,
    client,
    listening,
    ok,
    plan_of,
    scripted,
)
from tests.servers.started import free_port

KEYED = {**ADMIN, "Idempotency-Key": "k-1"}
QUICK = "retry: {first_pause_s: 0.001}\ntimeouts: {total_s: 0.5, attempt_s: 0.2}"


def after(failures: int, failing: bytes) -> Speak:
    """Fail so many times, then be well."""
    answers = iter([failing] * failures)

    async def speak(_seen: Seen, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answer = next(answers, None)
        if answer == b"":
            writer.close()
            return
        writer.write(ok() if answer is None else answer)

    return speak


async def silent(_seen: Seen, _reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """Say nothing, ever."""
    await asyncio.Event().wait()


FAULT = ok(b"", status=b"500 Internal Server Error")


async def test_a_dead_service_is_a_503_and_nothing_was_done(tmp_path: Path) -> None:
    async with bed(tmp_path, plan_of(f"http://127.0.0.1:{free_port()}")) as here:
        told = await ask(here.gateway, "GET", "/billing/1", headers=ADMIN)

    assert told.status == 503
    assert "nothing was done" in told.json["detail"]


async def test_a_dead_target_hands_on_to_another_at_once(tmp_path: Path) -> None:
    async with scripted(ok()) as service:
        plan = plan_of(service.url).replace('["', f'["http://127.0.0.1:{free_port()}", "')
        async with bed(tmp_path, plan) as here:
            told = [await ask(here.gateway, "POST", "/billing/1", headers={**ADMIN, "Content-Length": "3"},
                              chunks=(b"pay",)) for _ in range(4)]

    assert [each.status for each in told] == [200] * 4
    assert [seen.body for seen in service.seen] == [b"pay"] * 4


async def test_a_slow_service_is_a_504_in_the_routes_time(tmp_path: Path) -> None:
    async with scripted(silent) as service, bed(
            tmp_path, plan_of(service.url, service="timeouts: {total_s: 0.2}")) as here:
        began = time.monotonic()
        told = await ask(here.gateway, "GET", "/billing/1", headers=ADMIN)

    assert told.status == 504
    assert time.monotonic() - began < 1.0


@pytest.mark.parametrize("failing", [FAULT, b"", b"nonsense\r\n\r\n"])
async def test_five_failures_in_a_row_leave_a_target_alone_for_a_minute(tmp_path: Path, failing: bytes) -> None:
    async with scripted(after(99, failing)) as service, bed(tmp_path, plan_of(service.url)) as here:
        for _ in range(5):
            assert (await ask(here.gateway, "GET", "/billing/1", headers=ADMIN)).status in {500, 502}
        asked = len(service.seen)
        told = await ask(here.gateway, "GET", "/billing/1", headers=ADMIN)

    assert (told.status, told.headers["retry-after"], len(service.seen)) == (503, "60", asked)


async def test_refusals_of_the_caller_are_no_failures(tmp_path: Path) -> None:
    async with scripted(ok(b"", status=b"404 Not Found")) as service, bed(tmp_path, plan_of(service.url)) as here:
        told = [(await ask(here.gateway, "GET", "/billing/1", headers=ADMIN)).status for _ in range(8)]

    assert told == [404] * 8


async def test_after_a_minute_one_at_a_time_tries_and_two_successes_close_it(tmp_path: Path) -> None:
    gate = asyncio.Event()
    failing = [FAULT] * 5

    async def speak(_seen: Seen, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if failing:
            writer.write(failing.pop())
            return
        await gate.wait()
        writer.write(ok())

    async with scripted(speak) as service, bed(tmp_path, plan_of(service.url)) as here:
        for _ in range(5):
            await ask(here.gateway, "GET", "/billing/1", headers=ADMIN)
        here.clock.advance(61)
        probe = asyncio.create_task(ask(here.gateway, "GET", "/billing/1", headers=ADMIN))
        await _until(lambda: len(service.seen) == 6)
        others = await asyncio.gather(*(ask(here.gateway, "GET", "/billing/2", headers=ADMIN) for _ in range(5)))
        gate.set()
        first = await probe
        second = await ask(here.gateway, "GET", "/billing/1", headers=ADMIN)
        crowd = await asyncio.gather(*(ask(here.gateway, "GET", "/billing/3", headers=ADMIN) for _ in range(5)))

    assert {each.status for each in others} == {503}
    assert (first.status, second.status) == (200, 200)
    assert {each.status for each in crowd} == {200}


async def test_a_failed_probe_leaves_it_alone_for_another_minute(tmp_path: Path) -> None:
    async with scripted(after(6, FAULT)) as service, bed(tmp_path, plan_of(service.url)) as here:
        for _ in range(5):
            await ask(here.gateway, "GET", "/billing/1", headers=ADMIN)
        here.clock.advance(61)
        probe = await ask(here.gateway, "GET", "/billing/1", headers=ADMIN)
        here.clock.advance(59)
        soon = await ask(here.gateway, "GET", "/billing/1", headers=ADMIN)
        here.clock.advance(2)
        later = await ask(here.gateway, "GET", "/billing/1", headers=ADMIN)

    assert (probe.status, soon.status, later.status) == (500, 503, 200)


@pytest.mark.parametrize(("method", "headers", "route", "wanted"), [
    ("POST", KEYED, "", 200), ("GET", KEYED, "", 200), ("GET", ADMIN, "idempotent: true", 200),
    ("POST", ADMIN, "", 502), ("GET", ADMIN, "", 502), ("POST", {**ADMIN, "Idempotency-Key": "a b"}, "", 502),
    ("POST", {**KEYED, "Connection": "close, Idempotency-Key"}, "", 502),
])
@pytest.mark.parametrize("failing", [b"", ok(b"", status=b"503 Service Unavailable")])
async def test_only_what_is_declared_repeatable_is_repeated(  # noqa: PLR0913, PLR0917 - a table
    tmp_path: Path, method: str, headers: dict[str, str], route: str, wanted: int, failing: bytes,
) -> None:
    async with scripted(after(1, failing)) as service, bed(
            tmp_path, plan_of(service.url, service=QUICK, route=route)) as here:
        told = await ask(here.gateway, method, "/billing/1", headers={**headers, "Content-Length": "3"},
                         chunks=(b"pay",))

    assert told.status == (wanted if wanted == 200 or failing == b"" else 503)
    assert [seen.body for seen in service.seen] == [b"pay"] * (2 if wanted == 200 else 1)


async def test_a_repetition_goes_to_another_target_with_less_time(tmp_path: Path) -> None:
    async with scripted(silent) as slow, scripted(ok()) as well:
        plan = plan_of(well.url, service=QUICK).replace('["', f'["{slow.url}", "')
        async with bed(tmp_path, plan) as here:
            told = [await ask(here.gateway, "GET", "/billing/1", headers=KEYED) for _ in range(2)]

    assert [each.status for each in told] == [200, 200]
    assert len(slow.seen) == 1
    left_ms = [int(seen.fields["x-request-timeout-ms"]) for seen in well.seen]
    assert min(left_ms) <= 310
    assert max(left_ms) > 400


async def test_a_body_too_long_to_keep_is_not_repeated(tmp_path: Path) -> None:
    headers = {**KEYED, "Content-Length": "100000"}
    async with scripted(after(1, b"")) as service, bed(tmp_path, plan_of(service.url, service=QUICK)) as here:
        told = await ask(here.gateway, "POST", "/billing/1", headers=headers, chunks=(b"x" * 50_000,) * 2)

    assert (told.status, len(service.seen)) == (502, 1)


async def test_a_storm_of_repetitions_is_bounded(tmp_path: Path) -> None:
    service: Scripted
    calm = f"{QUICK}\nbreaker: {{failures: 1000}}"
    async with scripted(after(999, b"")) as service, bed(tmp_path, plan_of(service.url, service=calm)) as here:
        for _ in range(50):
            await ask(here.gateway, "GET", "/billing/1", headers=KEYED)

    assert 50 + 3 <= len(service.seen) <= 50 + 3 + 50 * 20 // 100


async def test_a_client_that_leaves_ends_the_question_and_blames_nobody(tmp_path: Path) -> None:
    async with scripted(silent) as service, bed(tmp_path, plan_of(service.url)) as here, listening(
            here.gateway) as port, client() as caller:
        for n in range(6):
            task = asyncio.create_task(caller.get(f"http://127.0.0.1:{port}/billing/1", headers=ADMIN))
            await _until(lambda wanted=n + 1: len(service.seen) == wanted)  # type: ignore[misc]
            task.cancel()
        await _until(lambda: all(not target.outstanding for target in _targets(here)))
        told = asyncio.create_task(ask(here.gateway, "GET", "/billing/2", headers=ADMIN))
        await _until(lambda: len(service.seen) == 7)
        told.cancel()

    assert service.connections == 7


async def test_a_client_that_sends_slowly_is_to_blame_itself(tmp_path: Path) -> None:
    plan = plan_of("URL", service="timeouts: {total_s: 0.1}")
    async with scripted(ok()) as service, bed(tmp_path, plan.replace("URL", service.url)) as here, listening(
            here.gateway) as port:
        for _ in range(5):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"POST /billing/1 HTTP/1.1\r\nHost: grid.test\r\nAuthorization: Bearer admin\r\n"
                         b"Content-Length: 10\r\n\r\nabc")
            assert (await reader.readline()).startswith(b"HTTP/1.1 408")
            writer.close()
        told = await ask(here.gateway, "GET", "/billing/1", headers=ADMIN)

    assert told.status == 200


async def test_a_crowd_is_turned_away_and_the_service_is_not_to_blame(tmp_path: Path) -> None:
    gate = asyncio.Event()

    async def waiting(_seen: Seen, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await gate.wait()
        writer.write(ok())

    async with scripted(waiting) as service, bed(
            tmp_path, plan_of(service.url, service="max_connections: 2")) as here:
        held = [asyncio.create_task(ask(here.gateway, "GET", "/billing/1", headers=ADMIN)) for _ in range(2)]
        await _until(lambda: len(service.seen) == 2)
        away = [(await ask(here.gateway, "GET", "/billing/2", headers=ADMIN)).status for _ in range(8)]
        gate.set()
        served = [(await task).status for task in held]
        later = await ask(here.gateway, "GET", "/billing/3", headers=ADMIN)

    assert (away, served, later.status) == ([503] * 8, [200] * 2, 200)


async def test_the_least_busy_target_is_asked(tmp_path: Path) -> None:
    async with scripted(silent) as busy, scripted(ok()) as free:
        plan = plan_of(free.url).replace('["', f'["{busy.url}", "')
        async with bed(tmp_path, plan) as here:
            stuck = asyncio.create_task(ask(here.gateway, "GET", "/billing/0", headers=ADMIN))
            await asyncio.sleep(0.05)
            if not busy.seen:
                await stuck
                stuck = asyncio.create_task(ask(here.gateway, "GET", "/billing/0", headers=ADMIN))
                await _until(lambda: len(busy.seen) == 1)
            told = [await ask(here.gateway, "GET", "/billing/1", headers=ADMIN) for _ in range(6)]
            stuck.cancel()

    assert [each.status for each in told] == [200] * 6
    assert len(busy.seen) == 1


async def test_attempts_are_counted_by_service_and_outcome(tmp_path: Path) -> None:
    def count(outcome: str) -> float:
        labels = {"service": "billing", "outcome": outcome}
        return REGISTRY.get_sample_value("gridwarden_upstream_attempts_total", labels) or 0.0

    before = {outcome: count(outcome) for outcome in ("answered", "5xx")}
    async with scripted(after(1, FAULT)) as service, bed(tmp_path, plan_of(service.url)) as here:
        for _ in range(2):
            await ask(here.gateway, "GET", "/billing/1", headers=ADMIN)

    assert {outcome: count(outcome) - before[outcome] for outcome in before} == {"answered": 1, "5xx": 1}


def _targets(here: Bed) -> list[Target]:
    return here.upstreams._remotes["billing"].targets._targets


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not holds():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)
