"""Bundles are kept for good, rules read from their text, and changes tried until the answer turns."""

from typing import Any

import asyncpg
import pytest

from policy_engine.adapters.bundle_folder import BundleFolder
from policy_engine.adapters.regorus_evaluator import RegorusEvaluator
from policy_engine.adapters.replay_machine import UNDEFINED, ReplayMachine
from policy_engine.domain.bundle import Bundle
from policy_engine.domain.question import Question, digest_of, to_document
from policy_engine.domain.rules import rules_of
from policy_engine.service import PolicyEngine
from policy_engine.service.explaining import Explainer, Sealed, Why
from policy_engine.store.kept_bundles import KeptBundles
from tests.frozen_clock import FrozenClock
from tests.policy_engine.house import CASES, SHIPPED, ListRecorder, question


@pytest.fixture
def kept(app_pool: asyncpg.Pool) -> KeptBundles:
    return KeptBundles(app_pool)


def _sealed(asked: Question, bundle: Bundle, **changed: Any) -> Sealed:
    with ReplayMachine(bundle) as machine:
        answer = machine.answer(to_document(asked))
    honest = {"allow": answer["allow"], "reasons": tuple(answer["reasons"]), "obligations": answer["obligations"]}
    return Sealed(asked, digest_of(to_document(asked)), bundle.revision, **(honest | changed))


async def _why(kept: KeptBundles, asked: Question, **changed: Any) -> Why:
    bundle = BundleFolder(SHIPPED).read()
    await kept.keep(bundle)
    return await Explainer(kept, lambda: bundle).explain(_sealed(asked, bundle, **changed))


def _words(why: Why) -> list[str]:
    return [turned.change.words for turned in why.turned]


async def test_a_bundle_is_kept_as_it_is_and_once(kept: KeptBundles) -> None:
    bundle = Bundle({**BundleFolder(SHIPPED).read().files, "data.json": b'{ "access" : {} }'}, "mine", 7)
    await kept.keep(bundle)
    await kept.keep(bundle)

    found = await kept.find(bundle.revision)

    assert found == bundle
    assert await kept.find("0" * 64) is None


async def test_a_kept_bundle_that_was_exchanged_is_not_returned(
    kept: KeptBundles, app_pool: asyncpg.Pool,
) -> None:
    bundle = BundleFolder(SHIPPED).read()
    other = Bundle({**bundle.files, "data.json": b'{"access": {}}'})
    await kept.keep(other)
    await app_pool.execute(
        "INSERT INTO policy_engine.kept_bundles (revision, name, files) SELECT $1, '', files "
        "FROM policy_engine.kept_bundles WHERE revision = $2", bundle.revision, other.revision)

    assert await kept.find(bundle.revision) is None


async def test_the_product_cannot_change_or_remove_what_was_kept(kept: KeptBundles, app_pool: asyncpg.Pool) -> None:
    await kept.keep(BundleFolder(SHIPPED).read())

    for statement in ("UPDATE policy_engine.kept_bundles SET name = 'x'", "DELETE FROM policy_engine.kept_bundles",
                      "TRUNCATE policy_engine.kept_bundles"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await app_pool.execute(statement)


async def test_a_bundle_is_kept_before_it_decides(kept: KeptBundles, app_pool: asyncpg.Pool) -> None:
    engine = PolicyEngine(RegorusEvaluator(), BundleFolder(SHIPPED), ListRecorder(), FrozenClock(0), kept=kept)
    await engine.start()

    assert await app_pool.fetchval("SELECT revision FROM policy_engine.kept_bundles") == engine.revision
    await engine.close()


def test_rules_are_read_with_their_comments_and_what_they_need() -> None:
    rules = rules_of({"a.rego": """package gateway

# What is
# decided.
decision := {"allow": true} if {
	allowed # not denied
	not "masked" in input.x
	data.risk.masked
}
default allowed := false
allowed if risk < limit(3)

limit(n) := n
risk := input.risk
masked contains 1 if decision.x
""", "b.rego": "package elsewhere\nignored := 1\n"})

    assert set(rules) == {"decision", "allowed", "risk", "masked"}
    assert (rules["decision"].note, rules["decision"].line) == ("What is decided.", 5)
    assert rules["decision"].needs == ("allowed",)
    assert rules["allowed"].needs == ("risk",)


def test_every_rule_of_the_shipped_policy_has_a_value_or_none_and_the_answer_is_the_evaluators() -> None:
    bundle = BundleFolder(SHIPPED).read()
    machine, rules = ReplayMachine(bundle), rules_of(bundle.policies)
    assert {"decision", "rights", "refusals", "obligations", "login_missing"} <= rules.keys()

    for case in [case for case in CASES if "data" not in case][:20]:
        asked = case["input"]
        machine.answer(to_document(Question(asked["subject"], asked["action"], asked["resource"], asked["context"])))
        assert machine.value("decision")["allow"] is case["want"]["allow"], case["note"]
        assert all(machine.value(name) is not None for name in rules)


def test_a_rule_that_does_not_exist_has_no_value() -> None:
    machine = ReplayMachine(BundleFolder(SHIPPED).read())
    machine.answer(to_document(question()))

    assert machine.value("no_such_rule") is UNDEFINED


async def test_a_role_is_named_that_turns_a_no(kept: KeptBundles) -> None:
    why = await _why(kept, question("alerts.read"))

    assert why.agrees is True
    assert _words(why) == ["with the role admin", "with the role auditor", "with the role soc_analyst"]


async def test_a_purpose_is_named_that_turns_a_no(kept: KeptBundles) -> None:
    asked = question("customers.read", roles=("data_steward",))
    restricted = {**asked.resource, "dataset": "grid.customers", "classification": "RESTRICTED",
                  "columns": {"name": "RESTRICTED"}}

    why = await _why(kept, Question(asked.subject, asked.action, restricted, asked.context))

    assert "for the purpose billing" in _words(why)


async def test_the_least_lower_risk_is_named(kept: KeptBundles) -> None:
    assert _words(await _why(kept, question("alerts.read", roles=("auditor",), risk=95))) == ["at a risk of 79 or less"]


async def test_a_login_is_named_that_turns_a_no(kept: KeptBundles) -> None:
    assert "after logging in again" in _words(await _why(kept, question("users.write", roles=("admin",))))


async def test_where_one_change_is_not_enough_two_are_named(kept: KeptBundles) -> None:
    words = _words(await _why(kept, question("alerts.read", risk=95)))

    assert words
    assert all(" and " in each and "at a risk of" in each for each in words)


async def test_what_nobody_may_do_nothing_turns(kept: KeptBundles) -> None:
    assert _words(await _why(kept, question("no.such"))) == []


async def test_an_answer_that_was_altered_differs(kept: KeptBundles) -> None:
    why = await _why(kept, question("alerts.read"), allow=True)

    assert why.agrees is False
    assert why.differences == ("sealed answer: True; asked again: False",)


async def test_a_decision_of_a_bundle_that_is_not_taken_any_more_says_so_and_what_is_answered_today(
    kept: KeptBundles,
) -> None:
    shipped, asked = BundleFolder(SHIPPED).read(), question()
    old = Bundle({**shipped.files, "gateway/old.rego": b"package gateway\nhalf := 0.5\n"})
    await kept.keep(old)
    sealed = Sealed(asked, digest_of(to_document(asked)), old.revision, allow=False, reasons=(), obligations={})

    why = await Explainer(kept, lambda: shipped).explain(sealed)

    assert "is not taken any more (gateway/old.rego writes the number 0.5" in (why.obstacle or "")
    assert why.agrees is None
    assert why.now is not None
