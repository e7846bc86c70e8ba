"""The shipped policy decides its cases as they say, on both engines, and both engines agree on anything else."""

import json
from collections import defaultdict
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from policy_engine.adapters.bundle_folder import BundleFolder
from policy_engine.adapters.opa_server import OpaServerEvaluator
from policy_engine.adapters.regorus_evaluator import RegorusEvaluator
from policy_engine.domain.bundle import Bundle
from policy_engine.service import Evaluator
from shared_kernel.clock import SystemClock
from shared_kernel.principal import Role
from tests.policy_engine.house import CASES, SHIPPED, faults
from tests.servers.opa import opa_binary, opa_server


def _by_data() -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for case in CASES:
        found[json.dumps(case.get("data", {}))].append(case)
    return found


def _with(shipped: Bundle, data: dict[str, Any]) -> Bundle:
    return Bundle({**shipped.files, "data.json": orjson.dumps(shipped.data | data)})


async def _answers(evaluator: Evaluator) -> dict[str, Any]:
    shipped = BundleFolder(SHIPPED).read()
    found = {}
    for data, cases in _by_data().items():
        bundle = _with(shipped, json.loads(data))
        await evaluator.prepare(bundle)
        await evaluator.adopt(bundle)
        for case in cases:
            found[case["note"]] = await evaluator.evaluate(orjson.dumps(case["input"]))
    return found


def test_there_are_enough_cases_each_with_a_name_of_its_own_and_every_role() -> None:
    notes = [case["note"] for case in CASES]
    roles = {role for case in CASES for role in case["input"].get("subject", {}).get("roles", ())}

    assert len(notes) >= 60
    assert len(set(notes)) == len(notes)
    assert set(Role) <= roles


async def test_regorus_decides_every_case_as_wanted() -> None:
    answers = await _answers(RegorusEvaluator())

    assert [fault for case in CASES for fault in faults(case, answers[case["note"]])] == []


@pytest.mark.opa
async def test_a_real_opa_decides_every_case_as_wanted_and_word_for_word_as_regorus() -> None:
    with opa_server() as url:
        async with OpaServerEvaluator(url, SystemClock()) as opa:
            answers = await _answers(opa)
    ours = await _answers(RegorusEvaluator())

    assert [fault for case in CASES for fault in faults(case, answers[case["note"]])] == []
    assert answers == ours


@pytest.mark.opa
def test_opa_finds_nothing_to_complain_of_in_the_shipped_policy() -> None:
    import subprocess

    checked = subprocess.run([str(opa_binary()), "check", "--strict", str(SHIPPED / "gateway")],
                             capture_output=True, text=True, check=False)

    assert checked.returncode == 0, checked.stderr


_labels = st.sampled_from(["PUBLIC", "INTERNAL", "CONFIDENTIAL", "RESTRICTED", None])
_actions = st.sampled_from(["users.me", "meters.read", "customers.read", "alerts.read", "login.page", "metrics.read",
                            "no.such", "ingest.write"])
_inputs = st.fixed_dictionaries({
    "subject": st.fixed_dictionaries({
        "id": st.sampled_from(["u-1", "", None]), "kind": st.sampled_from(["person", "service", "anonymous", None, 3]),
        "roles": st.one_of(st.lists(st.sampled_from([*Role, "wizard"]), max_size=3), st.none(), st.text(max_size=3)),
    }),
    "action": _actions,
    "resource": st.fixed_dictionaries({
        "dataset": st.sampled_from(["grid.x", None]), "classification": _labels,
        "columns": st.dictionaries(st.sampled_from(["a", "b", "c"]), _labels),
    }),
    "context": st.fixed_dictionaries({
        "purpose": st.sampled_from(["billing", "curiosity", None]), "loopback": st.sampled_from([True, False, None]),
        "risk": st.one_of(st.integers(-5, 105), st.none(), st.just("low")),
    }),
})


@pytest.mark.opa
async def test_both_engines_agree_on_whatever_is_asked() -> None:
    """One server and one machine; the questions are drawn first, because Hypothesis does not await."""
    drawn: list[Any] = []

    @settings(max_examples=150, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(_inputs)
    def draw(given_input: Any) -> None:
        drawn.append(given_input)

    draw()
    shipped, ours = BundleFolder(SHIPPED).read(), RegorusEvaluator()
    await ours.prepare(shipped)
    await ours.adopt(shipped)
    with opa_server() as url:
        async with OpaServerEvaluator(url, SystemClock()) as opa:
            await opa.adopt(shipped)
            differ = [
                asked for asked in drawn
                if await ours.evaluate(orjson.dumps(asked)) != await opa.evaluate(orjson.dumps(asked))
            ]

    assert differ == []
