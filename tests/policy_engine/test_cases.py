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
from shared_kernel.errors import UnavailableError
from shared_kernel.principal import Role
from tests.policy_engine.house import CASES, SHIPPED, faults
from tests.servers.opa import opa_server


class Unhurried(SystemClock):
    """A clock on which a breaker is closed again at each look: errors are expected here and are no outage."""

    def now_us(self) -> int:
        """Return a time a minute after the last."""
        self.minutes = getattr(self, "minutes", 0) + 1
        return self.minutes * 61_000_000


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


_labels = st.sampled_from(["PUBLIC", "INTERNAL", "CONFIDENTIAL", "RESTRICTED", None])
_actions = st.sampled_from(["users.me", "meters.read", "customers.read", "alerts.read", "login.page", "metrics.read",
                            "no.such", "ingest.write"])
_odd = st.sampled_from([None, True, 0, -1, "", "admin", [], ["admin"], {}, {"api": True}, [["x"]], "\u00df", "\0"])


def _or_odd(usual: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Draw what is usual, and now and then what no validated question holds."""
    return st.one_of(usual, usual, usual, _odd)


_inputs = st.fixed_dictionaries({
    "subject": _or_odd(st.fixed_dictionaries({
        "id": _or_odd(st.sampled_from(["u-1", "u-2"])), "kind": _or_odd(st.sampled_from(["person", "service"])),
        "roles": _or_odd(st.lists(st.sampled_from([*Role, "wizard"]), max_size=3)),
        "scopes": _or_odd(st.lists(st.sampled_from(["api", "openid"]), max_size=2)),
    }, optional={"acr": _or_odd(st.just("urn:gridwarden:acr:mfa")), "auth_age_s": _or_odd(st.integers(0, 5_000))})),
    "action": _or_odd(_actions),
    "resource": _or_odd(st.fixed_dictionaries({
        "dataset": _or_odd(st.sampled_from(["grid.x", "grid.meter_readings"])), "classification": _or_odd(_labels),
        "columns": _or_odd(st.dictionaries(st.sampled_from(["a", "meter_id", "customer_id"]), _or_odd(_labels))),
    })),
    "context": _or_odd(st.fixed_dictionaries({
        "purpose": _or_odd(st.sampled_from(["billing", "curiosity"])), "loopback": st.sampled_from([True, False, None]),
        "risk": _or_odd(st.integers(-5, 105)),
    })),
})
_SILENT = "no answer"


async def _said(evaluator: Evaluator, asked: Any) -> Any:
    """Return the answer; an error, which the engine turns into a no, is one as good as another."""
    try:
        return await evaluator.evaluate(orjson.dumps(asked))
    except UnavailableError:
        return _SILENT


@pytest.mark.opa
async def test_both_engines_agree_on_whatever_is_asked() -> None:
    """One server and one machine; the questions are drawn first, because Hypothesis does not await."""
    drawn: list[Any] = []

    @settings(max_examples=400, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(_inputs)
    def draw(given_input: Any) -> None:
        drawn.append(given_input)

    draw()
    shipped, ours = BundleFolder(SHIPPED).read(), RegorusEvaluator()
    await ours.prepare(shipped)
    await ours.adopt(shipped)
    with opa_server() as url:
        async with OpaServerEvaluator(url, Unhurried()) as opa:
            await opa.adopt(shipped)
            differ = [
                asked for asked in drawn
                if await _said(ours, asked) != await _said(opa, asked)
            ]

    assert differ == []
