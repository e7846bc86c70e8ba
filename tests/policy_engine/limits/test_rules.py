"""The operator's file: what it may say, and what is told when it does not."""

from pathlib import Path

import pytest

from policy_engine.adapters.limits_file import MAX_BYTES, rules_of
from policy_engine.domain.limits.gcra import Quota
from policy_engine.domain.limits.rules import By, Rule, UnusableRulesError

GOOD = "rules:\n- {name: few, by: subject, per_second: 0.5, burst: 3, actions: [meters.read], each_action: true}\n"


def test_a_file_takes_the_place_of_the_shipped_table(tmp_path: Path) -> None:
    path = tmp_path / "limits.yml"
    path.write_text(GOOD)

    assert rules_of(path) == (Rule("few", By.SUBJECT, Quota(0.5, 3), frozenset({"meters.read"}), each_action=True),)


@pytest.mark.parametrize(("text", "told"), [
    ("", "one list named rules"),
    ("rules: []", "one list named rules"),
    ("rules: three", "one list named rules"),
    ("rules:\n- {name: x, by: subject, per_second: 1}", "rule 1 must have"),
    ("rules:\n- {name: x, by: subject, per_second: 1, burst: 1, color: red}", "rule 1 must have"),
    ("rules:\n- {name: x, by: person, per_second: 1, burst: 1}", "by must be one of"),
    ("rules:\n- {name: x, by: subject, per_second: 0, burst: 1}", "per_second"),
    ("rules:\n- {name: x, by: subject, per_second: .nan, burst: 1}", "per_second"),
    ("rules:\n- {name: x, by: subject, per_second: true, burst: 1}", "per_second"),
    ("rules:\n- {name: x, by: subject, per_second: 1, burst: 1.5}", "burst"),
    ("rules:\n- {name: 'a b', by: subject, per_second: 1, burst: 1}", "name"),
    ("rules:\n- {name: x, by: subject, per_second: 1, burst: 1, actions: all}", "actions"),
    ("rules:\n- {name: x, by: subject, per_second: 1, burst: 1, each_action: 1}", "each_action"),
    (GOOD + GOOD.partition("\n")[2], "the same name"),
    ("rules: [", "cannot be used"),
    ("!!python/object/apply:os.system [ls]", "cannot be used"),
    ("x" * (MAX_BYTES + 1), "longer than"),
])
def test_an_unusable_file_is_named_with_what_is_wrong(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "limits.yml"
    path.write_text(text)

    with pytest.raises(UnusableRulesError, match=told) as refused:
        rules_of(path)

    assert str(path) in str(refused.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnusableRulesError, match=r"nothing\.yml"):
        rules_of(tmp_path / "nothing.yml")
