"""A playbook file is taken whole or refused with the place of its mistake."""

import json
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soar_playbooks.domain.errors import PlaybookError
from soar_playbooks.domain.plan import idempotency_key, plan_for
from soar_playbooks.domain.playbook import Approval
from soar_playbooks.domain.schema import playbook_from
from soar_playbooks.domain.strict_yaml import parse_yaml
from soar_playbooks.domain.template import REFERENCES, filled, unknown_references
from soar_playbooks.domain.trigger import Trigger
from tests.soar_playbooks.house import LOCK, QUARANTINE, one_step

GOOD = one_step("good")


@pytest.mark.parametrize(("name", "approval"), [(LOCK, Approval.NONE), (QUARANTINE, Approval.ANOTHER_PERSON)])
def test_the_shipped_playbooks_are_valid(name: str, approval: Approval) -> None:
    text = files("soar_playbooks").joinpath("playbooks", f"{name}.yml").read_text()

    playbook = playbook_from(parse_yaml(text), name, frozenset({"lock_account", "revoke_sessions", "quarantine_meter"}))

    assert playbook.approval is approval


@pytest.mark.parametrize(("change", "place"), [
    (("name: good", "name: better"), "file's name"),
    (("title: A test", "title: [1]"), "title"),
    (("title: A test", "colour: red"), "'title' is missing"),
    (("title: A test", "title: A test\ncolour: red"), "'colour' is not known"),
    (("rules: any", "rules: many"), "start.rules"),
    (("max: 5", "max: 0"), "targets.max"),
    (("max: 5", "max: true"), "targets.max"),
    (("approval: none", "approval: maybe"), "approval"),
    (("connector: act", "connector: ../act"), r"steps\[0\].connector"),
    (("connector: act", "connector: launch"), "not installed"),
    (("timeout_s: 5", "timeout_s: 9999"), "timeout_s"),
    (("${target}", "${target.__class__}"), "means nothing"),
    (("${target}", "${target"), "means nothing"),
    (("title: A test", "title: A test\ntitle: B"), "twice"),
    (("title: A test", "title: &a test\ndescription: *a"), "anchors"),
    (("title: A test", "title: !!python/object/apply:os.system ['true']"), "not YAML"),
    (("steps: [", "steps: [{"), "not YAML"),
])
def test_a_mistake_is_refused_with_its_place(change: tuple[str, str], place: str) -> None:
    text = GOOD.replace(*change)

    with pytest.raises(PlaybookError, match=place):
        playbook_from(parse_yaml(text), "good", frozenset({"act"}))


documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(documents)
def test_any_document_is_taken_or_refused_and_nothing_else(document: object) -> None:
    with pytest.raises(PlaybookError):
        playbook_from(document, "good")


def test_comments_and_the_order_of_keys_make_no_new_version() -> None:
    lines = GOOD.splitlines()

    one = playbook_from(parse_yaml(GOOD), "good")
    other = playbook_from(parse_yaml("# why\n" + "\n".join(reversed(lines))), "good")

    assert one.version_hash == other.version_hash


def test_a_changed_step_makes_a_new_version() -> None:
    one = playbook_from(parse_yaml(GOOD), "good")
    other = playbook_from(parse_yaml(GOOD.replace("timeout_s: 5", "timeout_s: 6")), "good")

    assert one.version_hash != other.version_hash


@given(st.text())
def test_a_value_that_looks_like_a_reference_stays_text(value: str) -> None:
    values = dict.fromkeys(REFERENCES, "${reason}" + value)

    assert filled("lock ${target}", values) == "lock ${reason}" + value


@given(st.text())
def test_a_text_is_either_refused_or_filled_without_an_error(text: str) -> None:
    if not unknown_references(text):
        filled(text, dict.fromkeys(REFERENCES, "x"))


@given(st.lists(st.text(min_size=1), max_size=4, unique=True), st.text())
def test_a_plan_is_a_pure_function_of_version_and_trigger(targets: list[str], reason: str) -> None:
    playbook = playbook_from(parse_yaml(GOOD), "good")
    trigger = Trigger(tuple(targets), reason)

    plan = plan_for(playbook, trigger)

    assert plan == plan_for(playbook, trigger)
    assert plan.hash == type(plan).from_document(json.loads(plan.content)).hash
    assert [call.params["who"] for call in plan.calls] == targets
    assert len({idempotency_key("run", call) for call in plan.calls}) == len(plan.calls)
