"""What a decision costs: 100,000 role bindings in the bundle, marshaling and validation included."""

import time
from importlib.resources import files
from pathlib import Path

import orjson

from benchmarks.metric import Metric
from control_plane.memory import settle_memory
from policy_engine.adapters.bundle_folder import BundleFolder
from policy_engine.adapters.regorus_evaluator import RegorusEvaluator
from policy_engine.domain.bundle import DATA_FILE, Bundle
from policy_engine.service import PolicyEngine, Question
from shared_kernel.clock import SystemClock
from shared_kernel.events import Event, Receipt

RUNS = 5
DECISIONS = 2_000
BINDINGS = 100_000
_FOLDER = Path(str(files("policy_engine"))).parent / "opa_policies"
_ACTIONS = ("analytics.read", "meters.read", "users.me", "ingest.write", "alerts.read")


class Discard:
    """A recorder that keeps nothing: sealing has figures of its own."""

    async def record(self, event: Event) -> Receipt:  # noqa: ARG002 - kept nowhere
        """Keep nothing."""
        return Receipt(0, b"")


class Bound:
    """The shipped bundle with a role bound to each of 100,000 subjects."""

    def __init__(self) -> None:
        shipped = BundleFolder(_FOLDER).read()
        bindings = {f"user-{number:06}": ["grid_operator"] for number in range(BINDINGS)}
        self._bundle = Bundle({**shipped.files, DATA_FILE: orjson.dumps(shipped.data | {"role_bindings": bindings})})

    def fingerprint(self) -> object:
        """Never change."""
        return 0

    def read(self) -> Bundle:
        """Return the bundle."""
        return self._bundle


async def measure(url: str) -> list[Metric]:  # noqa: ARG001 - decisions need no database
    """Time decisions of five kinds, mixed."""
    engine = PolicyEngine(RegorusEvaluator(), Bound(), Discard(), SystemClock())
    await engine.start()
    settle_memory()  # as the product does
    runs = [await _decisions(engine, run) for run in range(RUNS)]
    known = [await _known(engine) for _ in range(RUNS)]
    return [
        Metric("policy.decision.p50_us", "us", tuple(_quantile(run, 50) for run in runs), "< 100",
               "OPA REST 312-363, Cerbos 721"),
        Metric("policy.decision.p99_us", "us", tuple(_quantile(run, 99) for run in runs), "< 250"),
        Metric("policy.cached.p50_us", "us", tuple(_quantile(run, 50) for run in known), ""),
    ]


async def _decisions(engine: PolicyEngine, run: int) -> list[float]:
    """No question is asked twice, so that none is answered from memory."""
    questions = [question_of(number) for number in range(run * DECISIONS, (run + 1) * DECISIONS)]
    took = []
    for question in questions:
        started = time.perf_counter_ns()
        await engine.decide(question)
        took.append((time.perf_counter_ns() - started) / 1_000)
    return took


async def _known(engine: PolicyEngine) -> list[float]:
    """Four questions of one kind each, again and again."""
    questions = [question_of(number) for number in range(4)]
    took = []
    for number in range(DECISIONS):
        started = time.perf_counter_ns()
        await engine.decide(questions[number % len(questions)])
        took.append((time.perf_counter_ns() - started) / 1_000)
    return took


def question_of(number: int) -> Question:
    """Return a question of one of five kinds, by a subject whose further roles are bound in the bundle."""
    action = _ACTIONS[number % len(_ACTIONS)]
    reads = action == "meters.read"
    return Question(
        subject={"id": f"user-{number * 37 % BINDINGS:06}", "kind": "person", "roles": ["grid_viewer"],
                 "scopes": ["openid", "api"], "client_id": "console", "acr": None, "amr": ["pwd"],
                 "auth_age_s": 60},
        action=action,
        resource={"path": "/api/v1/x", "method": "GET", "dataset": "grid.meter_readings" if reads else None,
                  "classification": "INTERNAL" if reads else None,
                  "columns": {"meter_id": "INTERNAL", "customer_id": "RESTRICTED"} if reads else {}},
        context={"source_ip": f"10.0.{number % 250}.7", "purpose": None, "risk": 12, "hour_utc": 9, "loopback": False},
    )


def _quantile(took: list[float], percent: int) -> float:
    return sorted(took)[len(took) * percent // 100]
