"""Two engines, one truth: whatever a bundle may contain, regorus and OPA answer it alike.

OPA's own cases (`shared_vectors/opa`) are run on both where `inspect` lets them into a bundle; the others are refused
there, each for a reason, so that no difference that is known can decide anything.
"""

import json
import random
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from policy_engine.adapters.inspection import inspect
from policy_engine.domain.builtins import ALLOWED, COSTLY, DIFFERS
from policy_engine.domain.bundle import RefusedBundleError
from tests.policy_engine.hostile import arguments
from tests.policy_engine.two_engines import NO_ANSWER, Opa, Regorus, asking, evaluated_by_opa, opa, without_complaints

pytestmark = pytest.mark.opa

OUTSIDE = {
    "a function outside the list": 463, "sprintf": 10, "a dangerous function": 26, "a variable in a name": 12,
    "a package as data": 16, "a function replaced": 31, "a function's default": 8, "recursion": 1,
    "not parsed by regorus": 58, "an input that is no JSON": 3, "an object pattern": 53, "a number": 25,
    "a table of sets": 4, "what may be missing": 2, "with behind some": 1,
}
"""How many cases no bundle may contain, by the reason it is refused for; the other 696 run on both engines."""
CALLS_EACH = 120
_REASONS = {
    "a function outside the list": r"calls (?!sprintf other)", "sprintf": "sprintf other",
    "a dangerous function": " uses ",
    "a variable in a name": "by a variable", "a package as data": "as a document", "a function replaced": "replaces a",
    "a function's default": "default of a function", "recursion": "depends on itself", "depth": "nests brackets",
    "not parsed by regorus": "does not parse", "an object pattern": "takes an object apart",
    "a number": r"writes the number|divides in", "a table of sets": "table of sets",
    "what may be missing": "may be missing", "an order of sets": "in order",
    "with behind some": "goes through something",
}


def _variables(case: dict[str, Any]) -> list[str]:
    if case.get("want_result"):
        return sorted({name for binding in case["want_result"] for name in binding})
    spelled = re.sub(r"data(\.\w+|\[[^\]]*\])*", "", case["query"])
    return sorted(set(re.findall(r"(?<![\w.\"])([a-z])(?![\w\"(])", spelled)))


def _input(case: dict[str, Any]) -> str | None:
    if "input_term" in case:
        return str(case["input_term"])
    return json.dumps(case["input"]) if "input" in case else None


def _refusal(modules: list[str]) -> str | None:
    try:
        inspect({f"m{number}.rego": text for number, text in enumerate(modules)})
    except RefusedBundleError as error:
        return next((reason for reason, said in _REASONS.items() if re.search(said, error.why)), error.why)
    return None


def _in_order(answer: Any, *, sets: bool) -> Any:
    """Return bindings in an order of their own, and if `sets`, the lists bound to a name too (as the vectors ask)."""
    if not isinstance(answer, list):
        return answer
    if sets:
        answer = [{name: sorted(value, key=json.dumps) if isinstance(value, list) else value
                   for name, value in binding.items()} for binding in answer]
    return sorted(answer, key=lambda binding: json.dumps(binding, sort_keys=True))


def _fault(case: dict[str, Any], modules: list[str], server: Opa) -> str | None:
    """Return how the engines differ from each other, or from what OPA's authors want; None when they do not."""
    document, sets = _input(case), bool(case.get("sort_bindings"))
    theirs = server.answer(document) if server.load(modules, case.get("data")) else evaluated_by_opa(
        modules, case.get("data"), document)
    ours = Regorus(modules, case.get("data")).answer(document)
    if _in_order(ours, sets=sets) != _in_order(theirs, sets=sets):
        return f"{case['note']}: regorus says {ours}, OPA {theirs}"
    wanted = _in_order(case.get("want_result", NO_ANSWER), sets=sets)
    if theirs != NO_ANSWER and _in_order(theirs, sets=sets) != wanted:
        return f"{case['note']}: both say {theirs}, wanted {wanted}"
    return None


def test_every_case_of_opa_that_a_bundle_may_contain_has_one_answer(shared_vectors: Path) -> None:
    cases = json.loads((shared_vectors / "opa" / "cases.json").read_text())
    outside: Counter[str] = Counter()
    faults, run = [], 0
    with opa() as server, without_complaints():
        for case in cases:
            modules = [*(case.get("modules") or []), asking(case["query"], _variables(case))]
            document = _input(case)
            if document is not None and not _is_json(document):
                outside["an input that is no JSON"] += 1
            elif refusal := _refusal(modules):
                outside[refusal] += 1
            else:
                run += 1
                faults += [fault] if (fault := _fault(case, modules, server)) else []

    assert faults == []
    assert dict(outside) == OUTSIDE
    assert run + outside.total() == len(cases) == 1_409


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


_SETS = "given(x) := {y | some y in x.members} if is_array(x.members)\nelse := x\n"
"""JSON has no sets: {"members": [...]} stands for one."""


@pytest.mark.parametrize("seed", [1, 2])
def test_every_function_a_policy_may_call_answers_alike_whatever_it_is_given(seed: int) -> None:
    chance, differ = random.Random(seed), []  # noqa: S311 - a repeatable choice of arguments, no secret
    with opa() as server, without_complaints():
        for name in sorted(ALLOWED - {"sprintf"}):
            arity, draw = arguments(name)
            call = f"{name}({', '.join(f'given(input.a[{place}])' for place in range(arity))})"
            module = f"package asked\nanswers := [{call}]\n{_SETS}"
            assert server.load([module])
            ours = Regorus([module])
            for _ in range(CALLS_EACH):
                asked = json.dumps({"a": draw(chance)})
                answers = ours.answer(asked), server.answer(asked)
                if _plain(answers[0]) != _plain(answers[1]):
                    differ.append((name, asked, answers))

    assert differ == []


def _plain(answer: Any) -> Any:
    """Return an answer in which undefined is one thing: regorus spells it as a text, OPA by leaving it out."""
    return None if answer == "<undefined>" else answer


def test_the_one_known_difference_is_the_length_of_a_text_beyond_the_basic_plane() -> None:
    module = asking("x := count(input.text)", ["x"])
    with opa() as server:
        server.load([module])
        theirs = server.answer('{"text": "\U0001f600"}')

    assert theirs == [{"x": 1}]
    assert Regorus([module]).answer('{"text": "\U0001f600"}') == [{"x": 2}]


def test_a_function_is_allowed_or_refused_but_not_both() -> None:
    assert not ALLOWED & (DIFFERS.keys() | COSTLY.keys())


def test_text_for_people_is_the_same_for_whatever_stands_in_it() -> None:
    module = asking('x := sprintf("%v and %v%%", [input.a, input.b])', ["x"])
    chance, differ = random.Random(3), []  # noqa: S311 - a repeatable choice of arguments, no secret
    _, draw = arguments("object.get")
    with opa() as server:
        server.load([module])
        ours = Regorus([module])
        for _ in range(CALLS_EACH):
            first, second, _ = draw(chance)
            asked = json.dumps({"a": first, "b": second})
            if ours.answer(asked) != server.answer(asked):
                differ.append(asked)

    assert differ == []
