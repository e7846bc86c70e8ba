"""A remembered decision is the decision on what the policy saw, for as long as it says, and nobody else's."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy_engine.adapters.bundle_folder import BundleFolder
from policy_engine.adapters.regorus_evaluator import RegorusEvaluator
from policy_engine.domain.decision import Decision
from policy_engine.service import PolicyEngine, Question
from policy_engine.service.known_decisions import LONGEST_S, MAX_KNOWN, KnownDecisions
from tests.frozen_clock import FrozenClock
from tests.policy_engine.house import SHIPPED, ListRecorder, question


def _nothing() -> None:
    """Happen."""


class Counting(RegorusEvaluator):
    """Regorus that counts what it is asked; `meanwhile` happens while it answers."""

    asked = 0

    def __init__(self) -> None:
        """Let nothing happen meanwhile."""
        super().__init__()
        self.meanwhile: Callable[[], None] = _nothing

    async def evaluate(self, document: bytes) -> Any:
        self.asked += 1
        self.meanwhile()
        return await super().evaluate(document)


@pytest.fixture
async def counted(tmp_path: Path, clock: FrozenClock) -> tuple[PolicyEngine, Counting]:
    """Return a started engine on a copy of the shipped bundle, and its evaluator."""
    evaluator = Counting()
    folder = Path(shutil.copytree(SHIPPED, tmp_path / "bundle"))
    engine = PolicyEngine(evaluator, BundleFolder(folder), ListRecorder(), clock)
    await engine.start()
    return engine, evaluator


def _with(asked: Question, section: str, **other: Any) -> Question:
    changed: dict[str, Any] = {section: {**getattr(asked, section), **other}}
    return replace(asked, **changed)


READ: Mapping[str, Any] = {
    "subject.id": "u-2", "subject.kind": "service", "subject.roles": ("auditor",), "subject.scopes": ("api", "openid"),
    "subject.acr": "gold", "subject.auth_age_s": 7, "resource.dataset": "grid.x", "resource.classification": "PUBLIC",
    "resource.columns": {"a": "PUBLIC"}, "context.purpose": "billing", "context.risk": 11, "context.loopback": True,
}
UNREAD: Mapping[str, Any] = {
    "subject.client_id": "app", "subject.amr": ("pwd",), "resource.path": "/other", "resource.method": "POST",
    "context.source_ip": "198.51.100.1", "context.hour_utc": 10,
}


@pytest.mark.parametrize("attribute", READ)
async def test_whatever_the_policy_reads_makes_another_decision(
        counted: tuple[PolicyEngine, Counting], attribute: str) -> None:
    engine, evaluator = counted
    section, name = attribute.split(".")
    await engine.decide(question())
    await engine.decide(_with(question(), section, **{name: READ[attribute]}))

    assert evaluator.asked == 2


@pytest.mark.parametrize("attribute", UNREAD)
async def test_what_the_policy_does_not_read_is_the_same_decision_on_another_question(
        counted: tuple[PolicyEngine, Counting], attribute: str) -> None:
    engine, evaluator = counted
    section, name = attribute.split(".")
    first = await engine.decide(question())
    other = await engine.decide(_with(question(), section, **{name: UNREAD[attribute]}))

    assert evaluator.asked == 1
    assert replace(other, digest=first.digest) == first
    assert (other.digest == first.digest) == (attribute == "context.source_ip")  # of which digests hold nothing


async def test_an_allow_is_not_reused_after_a_revocation(counted: tuple[PolicyEngine, Counting]) -> None:
    engine, evaluator = counted
    await engine.decide(question())
    engine.forget_subject("u-1")
    await engine.decide(question())

    assert evaluator.asked == 2


async def test_a_revocation_of_one_leaves_the_others(counted: tuple[PolicyEngine, Counting]) -> None:
    engine, evaluator = counted
    other = _with(question(), "subject", id="u-2")
    for asked in (question(), other):
        await engine.decide(asked)
    engine.forget_subject("u-1")
    await engine.decide(other)

    assert evaluator.asked == 2


async def test_a_revocation_during_an_answer_keeps_it_from_being_remembered(
        counted: tuple[PolicyEngine, Counting]) -> None:
    engine, evaluator = counted
    evaluator.meanwhile = lambda: engine.forget_subject("u-1")
    await engine.decide(question())
    await engine.decide(question())

    assert evaluator.asked == 2


async def test_everything_can_be_forgotten(counted: tuple[PolicyEngine, Counting]) -> None:
    engine, evaluator = counted
    await engine.decide(question())
    engine.forget()
    await engine.decide(question())

    assert evaluator.asked == 2


@pytest.mark.parametrize(("asked", "times"), [(question(risk=60), 2), (question("users.lock"), 2), (question(), 1)],
                         ids=["elevated risk", "a no", "an allow"])
async def test_only_an_allow_without_risk_is_remembered(
        counted: tuple[PolicyEngine, Counting], asked: Question, times: int) -> None:
    engine, evaluator = counted
    for _ in range(2):
        await engine.decide(asked)

    assert evaluator.asked == times


async def test_who_changes_a_decision_in_hand_changes_nobody_elses(counted: tuple[PolicyEngine, Counting]) -> None:
    engine, _ = counted
    asked = _with(question("meters.read"), "resource", dataset="grid.meter_readings", classification="INTERNAL",
                  columns={"customer_id": "RESTRICTED"})
    first = await engine.decide(asked)
    first.obligations["mask"]["columns"].clear()
    again = await engine.decide(asked)
    again.obligations["mask"]["columns"].clear()

    assert (await engine.decide(asked)).obligations == {"mask": {"columns": ["customer_id"]}}


async def test_a_question_cannot_be_spelled_like_another(counted: tuple[PolicyEngine, Counting]) -> None:
    """What would collide if parts were only put side by side."""
    engine, evaluator = counted
    spellings = [("a", "b,c"), ("a,b", "c"), ('a","b', "c"), ("a", 'b","c'), ("a\x00b", "c"), ("a", "b\x00c")]
    for subject, role in spellings:
        await engine.decide(_with(question(), "subject", id=subject, roles=(role,)))

    assert evaluator.asked == len(spellings)


def _allow(ttl_s: int = 5) -> Decision:
    return Decision(allow=True, reasons=("so",), obligations={}, revision="r", ttl_s=ttl_s)


@given(ttl_s=st.integers(1, 3_600), later_us=st.integers(-1_000_000, 3_600_000_000))
def test_a_decision_lives_as_long_as_the_policy_says_and_a_minute_at_most(ttl_s: int, later_us: int) -> None:
    known = KnownDecisions()
    known.keep("u", b"q", _allow(ttl_s), 1_000_000, generation=known.generation)

    found = known.find("u", b"q", 1_000_000 + later_us, digest="")

    assert (found is not None) == (0 <= later_us < min(ttl_s, LONGEST_S) * 1_000_000)


def test_a_clock_set_back_does_not_lengthen_a_life() -> None:
    known = KnownDecisions()
    known.keep("u", b"q", _allow(), 10_000_000, generation=known.generation)

    assert known.find("u", b"q", 9_999_999, digest="") is None


def test_the_oldest_makes_room() -> None:
    known = KnownDecisions()
    for number in range(MAX_KNOWN + 1):
        known.keep(f"u-{number}", b"q", _allow(), 0, generation=known.generation)

    assert known.find("u-0", b"q", 0, digest="") is None
    assert known.find("u-1", b"q", 0, digest="") is not None
    assert known.find(f"u-{MAX_KNOWN}", b"q", 0, digest="") is not None
