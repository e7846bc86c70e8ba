"""A real OPA server, and servers that misbehave: each doubt is a *no*, and the breaker spares a server that is down."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from policy_engine.adapters.bundle_folder import BundleFolder
from policy_engine.adapters.opa_server import OpaServerEvaluator
from policy_engine.domain.breaker import Breaker
from policy_engine.domain.question import spelled, to_input
from policy_engine.service import Bundle, PolicyEngine, RefusedBundleError
from policy_engine.service.adoption import Adoption
from shared_kernel.errors import UnavailableError
from tests.frozen_clock import FrozenClock
from tests.policy_engine.authors import rules
from tests.policy_engine.house import SHIPPED, ListRecorder, bundle_of, question
from tests.servers.opa import opa_process, opa_server
from tests.servers.started import free_port

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Shipped:
    """A source that always has the shipped bundle, or what a test puts in its place."""

    def __init__(self) -> None:
        """Hold the shipped bundle."""
        self.bundle: Bundle = BundleFolder(SHIPPED).read()

    def fingerprint(self) -> object:
        """Return the revision."""
        return self.bundle.revision

    def read(self) -> Bundle:
        """Return the bundle."""
        return self.bundle


@asynccontextmanager
async def engine_on(url: str, clock: FrozenClock) -> AsyncIterator[tuple[PolicyEngine, Shipped]]:
    """Give an engine that asks the server at `url`."""
    source = Shipped()
    engine = PolicyEngine(OpaServerEvaluator(url, clock), source, ListRecorder(), clock)
    yield engine, source
    await engine.close()


@asynccontextmanager
async def server_that(answers: Answer, keeps: Answer | None = None) -> AsyncIterator[str]:
    """Run a server that takes any bundle, or what it is told to, and answers questions as told."""
    app = web.Application()
    app.router.add_get("/v1/policies", _no_modules)
    app.router.add_put("/{any:.*}", keeps or _taken)
    app.router.add_post("/{any:.*}", answers)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    yield f"http://127.0.0.1:{port}"
    await runner.cleanup()


async def _no_modules(_: web.Request) -> web.StreamResponse:
    return web.json_response({"result": []})


async def _taken(_: web.Request) -> web.StreamResponse:
    return web.json_response({})


async def _html(_: web.Request) -> web.StreamResponse:
    return web.Response(text="<!doctype html><title>Welcome</title>", content_type="text/html")


async def _slow(_: web.Request) -> web.StreamResponse:
    await asyncio.sleep(5)
    return web.json_response({})


async def _half_open(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b'{"result":')
    await asyncio.sleep(5)
    return response


async def _endless(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b" " * 65_536)


async def _redirect(_: web.Request) -> web.StreamResponse:
    raise web.HTTPFound("/elsewhere")


async def _another_revision(_: web.Request) -> web.StreamResponse:
    decision = {"allow": True, "reasons": ["all"], "obligations": {}, "ttl_s": 0}
    return web.json_response({"result": {"decision": decision, "revision": "0" * 64}})


def _saying(text: str, status: int = 200) -> Answer:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(text=text, status=status, content_type="application/json")

    return answer


@pytest.mark.parametrize("answers", [
    _html, _slow, _endless, _saying(" " * 2_000_000),
    _half_open, _redirect, _another_revision, _saying("{}"), _saying("null"), _saying('"true"'),
    _saying('{"result": true}'), _saying('{"result": {}}'), _saying("", 204),
    _saying('{"code": "internal_error"}', 500),
], ids=["html", "slow", "endless", "huge", "half-open", "redirect", "revision", "{}", "null", "true", "result-true",
        "result-{}", "204", "500"])
async def test_a_server_that_misbehaves_is_a_no_within_the_deadline(answers: Answer, clock: FrozenClock) -> None:
    async with server_that(answers) as url, engine_on(url, clock) as (engine, _):
        await engine.start()
        async with asyncio.timeout(2):
            decision = await engine.decide(question("login.page"))

    assert decision.allow is False
    assert decision.reasons == ("the policy engine did not answer: denied",)


async def test_a_server_that_failed_five_times_is_not_asked_for_a_minute(clock: FrozenClock) -> None:
    asked = 0

    async def fail(_: web.Request) -> web.StreamResponse:
        nonlocal asked
        asked += 1
        return web.Response(status=500)

    async with server_that(fail) as url, engine_on(url, clock) as (engine, _):
        await engine.start()
        for _ in range(8):
            await engine.decide(question())
        while_open = asked
        clock.advance(61)
        for _ in range(3):
            await engine.decide(question())

    assert (while_open, asked) == (5, 6)


def test_the_breaker_lets_one_caller_probe_and_closes_after_two_successes() -> None:
    breaker = Breaker()
    for _ in range(5):
        breaker.failed(0)
    later = 60_000_000

    first, second = breaker.may_ask(later), breaker.may_ask(later)
    breaker.succeeded()
    again = breaker.may_ask(later)
    breaker.succeeded()

    assert (first, second, again) == (True, False, True)
    assert breaker.may_ask(later)
    assert breaker.may_ask(later)


@pytest.mark.opa
async def test_a_changed_bundle_reaches_a_real_opa_and_a_broken_one_leaves_the_last_good(clock: FrozenClock) -> None:
    with opa_server() as url:
        async with engine_on(url, clock) as (engine, source):
            await engine.start()
            before = await engine.decide(question("alerts.read"))
            good = source.bundle
            data = json.loads(good.files["data.json"])
            data["access"]["by_role"]["alerts.read"].append("grid_viewer")
            source.bundle = Bundle({**good.files, "data.json": json.dumps(data).encode()})
            await engine.reload()
            after = await engine.decide(question("alerts.read"))
            source.bundle = Bundle({**source.bundle.files, "gateway/x.rego": b"package gateway\n\nx := no_such(1)\n"})
            await engine.reload()
            still = await engine.decide(question("alerts.read"))
            refused = engine.standing().refused

    assert (before.allow, after.allow, still.allow) == (False, True, True)
    assert still.revision == after.revision
    assert "no_such" in (refused or "")


@pytest.mark.opa
async def test_a_restarted_opa_is_denied_until_it_holds_the_bundle_again(clock: FrozenClock) -> None:
    port = free_port()
    async with engine_on(f"http://127.0.0.1:{port}", clock) as (engine, _):
        with opa_server(port):
            await engine.start()
            before = await engine.decide(question())
        with opa_server(port):
            empty = await engine.decide(question())
            await engine.reload()
            again = await engine.decide(question())

    assert (before.allow, empty.allow, again.allow) == (True, False, True)


@pytest.mark.opa
async def test_a_policy_that_uses_a_dangerous_builtin_never_reaches_opa(clock: FrozenClock) -> None:
    with opa_server() as url:
        async with OpaServerEvaluator(url, clock) as evaluator:
            with pytest.raises(RefusedBundleError, match=r"http\.send"):
                await evaluator.prepare(Bundle({"p.rego": b'package gateway\nx := http.send({"url": "http://a"})'}))
        async with aiohttp.ClientSession() as session, session.get(f"{url}/v1/policies") as response:
            assert (await response.json())["result"] == []


@pytest.mark.opa
async def test_an_opa_with_a_bundle_of_its_own_is_refused_in_a_line_and_serves_nothing(clock: FrozenClock) -> None:
    with opa_server(arguments=("--bundle", str(SHIPPED))) as url:
        async with OpaServerEvaluator(url, clock) as evaluator:
            with pytest.raises(RefusedBundleError) as refused:
                await evaluator.adopt(BundleFolder(SHIPPED).read())

    assert "owned by bundle" in refused.value.detail
    assert "\n" not in refused.value.detail


@pytest.mark.opa
async def test_what_opa_does_not_compile_is_told_in_a_line(clock: FrozenClock) -> None:
    bundle = BundleFolder(SHIPPED).read()
    broken = Bundle({**bundle.files, "gateway/x.rego": b"package gateway.x\n\nx := count()\n"})
    with opa_server() as url:
        async with OpaServerEvaluator(url, clock) as evaluator:
            with pytest.raises(RefusedBundleError) as refused:
                await evaluator.adopt(broken)

    assert "OPA says: count: arity mismatch" in refused.value.detail
    assert "\n" not in refused.value.detail


def test_tests_of_policies_are_no_part_of_a_bundle(tmp_path: Path) -> None:
    (tmp_path / "a.rego").write_text("package gateway")
    (tmp_path / "a_test.rego").write_text("package gateway_test")
    (tmp_path / "notes.md").write_text("hello")

    assert set(BundleFolder(tmp_path).read().files) == {"a.rego"}


@pytest.mark.opa
async def test_a_bundle_that_is_given_again_never_takes_the_place_of_one_that_took_over_meanwhile(
        clock: FrozenClock) -> None:
    with opa_server() as url:
        async with OpaServerEvaluator(url, clock) as evaluator:
            adoption = Adoption(evaluator, ListRecorder(), clock, lambda: None)
            await adoption.adopt(rules(1))
            await asyncio.gather(adoption.restore(), adoption.adopt(rules(2), 1), adoption.restore())
            answer = await evaluator.evaluate(b'{"action": "documents.read"}')

    assert (adoption.revision, adoption.version) == (rules(2).revision, 1)
    assert answer["reasons"] == ["rules 2"]


async def test_a_server_lost_while_the_last_good_bundle_is_given_again_gets_it_once_it_is_back(
        clock: FrozenClock) -> None:
    """It refuses a module, and goes away before it holds the good one again."""
    status = [200]

    async def keeps(request: web.Request) -> web.StreamResponse:
        answered = status[0]
        if "policies" in request.path and answered == 400:
            status[0] = 503
        return web.json_response({}, status=200 if "data" in request.path and answered == 400 else answered)

    async with server_that(_slow, keeps) as url, OpaServerEvaluator(url, clock) as evaluator:
        await evaluator.adopt(rules(1))
        status[0] = 400
        with pytest.raises(UnavailableError):
            await evaluator.adopt(rules(2))

        assert evaluator.needs_adoption


@pytest.mark.opa
async def test_a_decision_that_explains_itself_at_length_is_understood(clock: FrozenClock) -> None:
    """OPA compresses long answers for whoever says that it may."""
    told = [f"reason {number} of very many" for number in range(200)]
    bundle = bundle_of(
        'decision := {"allow": true, "reasons": data.told, "obligations": {}, "ttl_s": 0}', {"told": told})
    with opa_server() as url:
        async with OpaServerEvaluator(url, clock) as evaluator:
            await evaluator.adopt(bundle)
            answer = await evaluator.evaluate(b"{}")

    assert answer["reasons"] == told


@pytest.mark.opa
async def test_processes_that_share_a_server_do_not_take_the_bundle_from_each_other(clock: FrozenClock) -> None:
    bundle = BundleFolder(SHIPPED).read()
    input_ = spelled(to_input(question()))
    with opa_server() as url:
        async with OpaServerEvaluator(url, clock) as mine, OpaServerEvaluator(url, clock) as yours:
            await mine.adopt(bundle)
            adopting = asyncio.create_task(yours.adopt(bundle))
            answers = []
            while not adopting.done():
                answers.append(await mine.evaluate(input_))
            await adopting

    assert answers
    assert all(answer["allow"] is True for answer in answers)


@pytest.mark.opa
async def test_a_frozen_opa_that_goes_on_is_asked_again_at_once(clock: FrozenClock) -> None:
    """The clock stands still: nobody waits until the breaker's minute is over."""
    url = f"http://127.0.0.1:{free_port()}"
    with opa_process(url) as server:
        async with engine_on(url, clock) as (engine, _):
            await engine.start()
            server.send_signal(signal.SIGSTOP)
            frozen = [await engine.decide(question()) for _ in range(6)]
            server.send_signal(signal.SIGCONT)
            await engine.reload()
            again = await engine.decide(question())

    assert [decision.allow for decision in frozen] == [False] * 6
    assert again.allow


@pytest.mark.opa
@pytest.mark.parametrize("path", ["policies/gridwarden/gateway", "data/access"])
async def test_what_somebody_takes_out_of_opa_is_put_back(path: str, clock: FrozenClock) -> None:
    with opa_server() as url:
        async with OpaServerEvaluator(url, clock) as evaluator, aiohttp.ClientSession() as session:
            bundle = BundleFolder(SHIPPED).read()
            await evaluator.adopt(bundle)
            await session.delete(f"{url}/v1/{path}")
            await evaluator.adopt(bundle)
            answer = await evaluator.evaluate(spelled(to_input(question())))

    assert answer["allow"] is True
