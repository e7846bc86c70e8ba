"""Decisions beside a real OPA server (the same bundle, the same questions) and Cerbos (an equivalent policy), by turns.

Each is asked one question after the other over one kept-alive connection, as a gateway would that waits for the answer.
CPU counted: the server process with all its threads, and this process, which makes the questions and reads the answers;
ours is both in one. Cerbos is given the roles with each question: it has no bindings of its own to look up.
"""

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
import orjson
import psutil

from benchmarks.metric import Metric
from benchmarks.peers.providers import NoPeerError, _cache, _fetch, _free_port, _made, _running
from benchmarks.policy import Bound, Discard, question_of
from policy_engine.adapters.opa_server import OpaServerEvaluator
from policy_engine.adapters.regorus_evaluator import RegorusEvaluator
from policy_engine.service import Evaluator, PolicyEngine, Question
from shared_kernel.clock import SystemClock

TURNS, DECISIONS = 5, 500
_SOURCES = Path(__file__).parent / "cerbos"
Ask = Callable[[Question], Awaitable[object]]


async def measure_peers(_url: str) -> list[Metric]:
    """Measure each peer that can be had, and ours between them; say why where one cannot."""
    async with AsyncExitStack() as running:
        contestants: list[tuple[str, str, Ask, tuple[int, ...]]] = [
            ("in_process", "regorus in this process", (await _engine(RegorusEvaluator())).decide, ())]
        for name, title, start in (("opa", "OPA 1.22 server, same bundle", _opa), ("cerbos", "Cerbos 0.55", _cerbos)):
            try:
                ask, pid = await running.enter_async_context(start())
                contestants.append((name, title, ask, (pid,)))
            except NoPeerError as cause:
                print(f"skipping {name}: {cause}", file=sys.stderr)
        return await _by_turns(contestants)


async def _by_turns(contestants: list[tuple[str, str, Ask, tuple[int, ...]]]) -> list[Metric]:
    figures: dict[tuple[str, str], list[tuple[float, float, float]]] = {}
    for turn in range(TURNS + 1):
        for name, title, ask, pids in contestants:
            measured = await _turn(ask, pids, turn)
            if turn:  # the first warms
                figures.setdefault((name, title), []).append(measured)
    return [
        Metric(f"policy.peer.{name}.{figure}", unit, tuple(run[place] for run in runs), "", title)
        for (name, title), runs in figures.items()
        for place, (figure, unit) in enumerate((("p50_us", "us"), ("p99_us", "us"), ("per_cpu_s", "/CPU-s")))
    ]


async def _turn(ask: Ask, pids: tuple[int, ...], turn: int) -> tuple[float, float, float]:
    """Return p50 and p99 in microseconds, and decisions per CPU-second of this process and the server."""
    processes = [psutil.Process(pid) for pid in (os.getpid(), *pids)]
    questions = [question_of(number) for number in range(turn * DECISIONS, (turn + 1) * DECISIONS)]
    before, took = _cpu_s(processes), []
    for question in questions:
        started = time.perf_counter_ns()
        await ask(question)
        took.append((time.perf_counter_ns() - started) / 1_000)
    spent = _cpu_s(processes) - before
    took.sort()
    return took[len(took) // 2], took[len(took) * 99 // 100], len(took) / max(spent, 0.01)


def _cpu_s(processes: list[psutil.Process]) -> float:
    return float(sum(times.user + times.system for times in (process.cpu_times() for process in processes)))


async def _engine(evaluator: Evaluator) -> PolicyEngine:
    engine = PolicyEngine(evaluator, Bound(), Discard(), SystemClock())
    await engine.start()
    return engine


@asynccontextmanager
async def _opa() -> AsyncIterator[tuple[Ask, int]]:
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    binary = _cache() / "opa"
    if not binary.exists():
        await asyncio.to_thread(_build_opa)
    command = (str(binary), "run", "--server", "--addr", f"127.0.0.1:{port}", "--disable-telemetry",
               "--log-level", "error")
    async with _running(command, f"{url}/health") as pid, OpaServerEvaluator(url, SystemClock()) as evaluator:
        yield (await _engine(evaluator)).decide, pid


def _build_opa() -> None:
    _fetch("env", f"GOBIN={_cache()}", "CGO_ENABLED=0", "go", "install",
           "github.com/open-policy-agent/opa@v1.22.0", cwd=_cache())


@asynccontextmanager
async def _cerbos() -> AsyncIterator[tuple[Ask, int]]:
    folder = await asyncio.to_thread(_made, _cache() / "cerbos-0.55.0", _install_cerbos)
    binary = next((path for path in (folder / "node_modules" / "@cerbos" / "cerbos-linux-x64").rglob("cerbos*")
                   if path.is_file() and os.access(path, os.X_OK) and path.stat().st_size > 1_000_000), None)
    if binary is None:
        raise NoPeerError("the npm package holds no program")
    http, grpc = _free_port(), _free_port()
    with tempfile.TemporaryDirectory() as work:
        policies = Path(work) / "policies"
        policies.mkdir()
        (policies / "action.yaml").write_text((_SOURCES / "action.yaml").read_text())
        config = Path(work) / "cerbos.yaml"
        config.write_text(orjson.dumps({
            "server": {"httpListenAddr": f"127.0.0.1:{http}", "grpcListenAddr": f"127.0.0.1:{grpc}"},
            "storage": {"driver": "disk", "disk": {"directory": str(policies)}}, "telemetry": {"disabled": True},
        }).decode())
        url = f"http://127.0.0.1:{http}"
        command = (str(binary), "server", f"--config={config}", "--log-level=error")
        async with (
            _running(command, f"{url}/_cerbos/health") as pid,
            aiohttp.ClientSession() as session,
        ):
            yield _asking_cerbos(session, f"{url}/api/check/resources"), pid


def _install_cerbos(folder: Path) -> None:
    (folder / "package.json").write_bytes((_SOURCES / "package.json").read_bytes())
    _fetch("npm", "install", "--no-audit", "--no-fund", cwd=folder)


def _asking_cerbos(session: aiohttp.ClientSession, url: str) -> Ask:
    async def ask(question: Question) -> object:
        body = orjson.dumps({
            "requestId": "1",
            "principal": {"id": question.subject["id"], "roles": [*question.subject["roles"], "grid_operator"]},
            "resources": [{"actions": [question.action], "resource": {
                "kind": "action", "id": "1",
                "attr": {**question.resource, **question.context, "scopes": question.subject["scopes"]}}}],
        })
        async with session.post(url, data=body, headers={"Content-Type": "application/json"}) as response:
            return orjson.loads(await response.read())["results"][0]["actions"]

    return ask
