"""Policies under test: rules that test them (`test_...` in `*_test.rego`), and which lines cases and tests reach."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from policy_engine.adapters.inspection import first_line
from policy_engine.adapters.regorus_evaluator import ENTRY
from policy_engine.adapters.syntax import chain, nodes, spelled_out
from policy_engine.domain.bundle import Bundle, RefusedBundleError
from policy_engine.domain.cases import Case

_PREFIX = "test_"


@dataclass(frozen=True, slots=True)
class Lines:
    """Which lines of a policy were reached and which were not."""

    file: str
    covered: tuple[int, ...]
    missed: tuple[int, ...]


class PolicyTrial:
    """Runs a bundle on regorus, with the tests beside it, and notes every line it reaches."""

    def __init__(self, bundle: Bundle, tests: Mapping[str, str]) -> None:
        self._bundle = bundle
        self._tests = tests
        self._reached: dict[str, set[int]] = {}
        self._all: dict[str, set[int]] = {}

    def answer(self, asked: Mapping[str, Any], data: Mapping[str, Any]) -> Any:  # noqa: ANN401 - an answer is any JSON
        """Return the decision on an input, with these data in the place of the bundle's own; None when it fails."""
        machine = self._machine(data)
        machine.set_input_json(orjson.dumps(asked).decode())
        found = self._run(machine, ENTRY)
        self._note(machine)
        return found

    def run_tests(self, cases: Sequence[Case] = ()) -> dict[str, str | None]:
        """Return what is wrong by the name of each test rule; None where it holds. `data.cases` are `cases`."""
        machine = self._machine({"cases": [case.row() for case in cases]})
        found = {}
        for name in self._names(machine):
            outcome = self._run(machine, name)
            found[name] = None if outcome is True else f"is {outcome!r}, not true"
        self._note(machine)
        return found

    def coverage(self) -> tuple[Lines, ...]:
        """Return the lines of every policy, those that tests are written in left out."""
        return tuple(
            Lines(name, tuple(sorted(self._reached[name])), tuple(sorted(self._all[name] - self._reached[name])))
            for name in sorted(self._all) if name in self._bundle.policies)

    def _machine(self, data: Mapping[str, Any]) -> Any:  # noqa: ANN401 - an untyped extension
        import regorus

        machine = regorus.Engine()
        machine.set_enable_coverage(True)
        try:
            for name, text in (*self._bundle.policies.items(), *self._tests.items()):
                machine.add_policy(name, text)
            machine.add_data_json(orjson.dumps({**self._bundle.data, **data}).decode())
        except RuntimeError as cause:
            raise RefusedBundleError(f"it does not compile: {first_line(cause)}") from cause
        return machine

    def _names(self, machine: Any) -> list[str]:  # noqa: ANN401 - an untyped extension
        """Return the paths of the rules in test files whose names begin with `test_`."""
        found = []
        for module in json.loads(machine.get_ast_as_json()):
            if module["source"]["file"] not in self._tests:
                continue
            root, steps, _ = chain(module["ast"]["package"]["refr"])
            package = ".".join(("data", root or "", *spelled_out(steps)))
            for head in nodes(module["ast"]["rules"], "head"):
                rule = next((chain(each["refr"])[0] for each in head.values() if "refr" in each), None)
                if rule and rule.startswith(_PREFIX):
                    found.append(f"{package}.{rule}")
        return sorted(set(found))

    def _run(self, machine: Any, path: str) -> Any:  # noqa: ANN401 - an untyped extension and any JSON
        try:
            found = json.loads(machine.eval_rule_as_json(path))
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as cause:  # noqa: BLE001 - a panic of the Rust side derives from BaseException
            return first_line(cause)
        return None if found == "<undefined>" else found

    def _note(self, machine: Any) -> None:  # noqa: ANN401 - an untyped extension
        for file in json.loads(machine.get_coverage_report_as_json())["files"]:
            covered = set(file["covered"])
            self._reached.setdefault(file["path"], set()).update(covered)
            self._all.setdefault(file["path"], set()).update(covered, file["not_covered"])
