"""Where policies are tested: cases and test rules on regorus, and the same cases on an OPA server if there is one."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from control_plane.cli.policy.author_desk import read, tried
from control_plane.wiring.policy import SHIPPED_POLICIES
from policy_engine.adapters.opa_server import OpaServerEvaluator
from policy_engine.adapters.policy_trial import Lines, PolicyTrial
from policy_engine.domain.bundle import TEST_SUFFIX, Bundle
from policy_engine.domain.cases import Case, MalformedCaseError
from shared_kernel.clock import SystemClock
from shared_kernel.errors import UnprocessableError

Progress = Callable[[int, int], None]


class NothingToTestError(UnprocessableError):
    """A test that tests nothing must not pass."""

    def __init__(self, place: Path) -> None:
        super().__init__(f"{place} holds neither cases (cases/*.json) nor test rules (*{TEST_SUFFIX}): name a folder "
                         "of cases with --cases")


@dataclass(slots=True)
class Outcome:
    """What holds, and what is wrong by the name of the case or rule."""

    passed: int = 0
    faults: dict[str, list[str]] = field(default_factory=dict)
    lines: tuple[Lines, ...] = ()

    def note(self, name: str, faults: tuple[str, ...]) -> None:
        """Count one."""
        self.passed += not faults
        if faults:
            self.faults.setdefault(name, []).extend(faults)


def tested(place: Path | None, cases: Path | None, opa: str | None, progress: Progress) -> Outcome:
    """Run everything; raise RefusedBundleError for policies that must not decide, NothingToTestError for no tests."""
    bundle = read(place)
    tried(bundle)
    found, rules = _cases(place or SHIPPED_POLICIES, cases), _rules(place or SHIPPED_POLICIES)
    if not found and not rules:
        raise NothingToTestError(place or SHIPPED_POLICIES)
    outcome, trial = Outcome(), PolicyTrial(bundle, rules)
    for done, case in enumerate(found, 1):
        outcome.note(f"{case.file}: {case.note}", case.faults(trial.answer(case.input, case.data)))
        progress(done, len(found))
    for name, why in trial.run_tests(found).items() if rules else ():
        outcome.note(name, (why,) if why else ())
    if opa:
        asyncio.run(_on_opa(opa, bundle, found, outcome))
    outcome.lines = trial.coverage()
    return outcome


async def _on_opa(url: str, bundle: Bundle, cases: list[Case], outcome: Outcome) -> None:
    by_data: dict[bytes, list[Case]] = {}
    for case in cases:
        by_data.setdefault(orjson.dumps(case.data, option=orjson.OPT_SORT_KEYS), []).append(case)
    async with OpaServerEvaluator(url, SystemClock()) as server:
        for data, asked in by_data.items():
            given = Bundle({**bundle.files, "data.json": orjson.dumps({**bundle.data, **orjson.loads(data)})})
            await server.prepare(given)
            await server.adopt(given)
            for case in asked:
                answer = await server.evaluate(orjson.dumps(case.input))
                outcome.note(f"{case.file}: {case.note} (on OPA)", case.faults(answer))


def _cases(place: Path, folder: Path | None) -> list[Case]:
    folder = folder or (place / "cases" if place.is_dir() else place.parent / "cases")
    try:
        return [case for path in sorted(folder.glob("*.json")) for case in Case.parse(path.name, path.read_bytes())]
    except OSError as cause:
        raise MalformedCaseError(str(folder), cause.strerror or "cannot be read") from cause


def _rules(place: Path) -> dict[str, str]:
    if not place.is_dir():
        return {}
    return {path.relative_to(place).as_posix(): path.read_text("utf-8")
            for path in sorted(place.rglob(f"*{TEST_SUFFIX}"))}
