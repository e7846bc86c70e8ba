"""What a policy reads is found in its syntax, shown to it, and nothing else is."""

import json

import pytest

from policy_engine.adapters.bundle_folder import BundleFolder
from policy_engine.adapters.inputs_read import inputs_read
from policy_engine.domain.question import ATTRIBUTES, to_input
from policy_engine.domain.reads import EVERYTHING, Path, Reads
from tests.policy_engine.house import SHIPPED, question


def reads_of(*texts: str) -> frozenset[Path]:
    """Return the paths that policies read."""
    import regorus

    engine = regorus.Engine()
    for number, text in enumerate(texts):
        engine.add_policy(f"m{number}.rego", text)
    return inputs_read(json.loads(engine.get_ast_as_json())).paths


@pytest.mark.parametrize(("rego", "paths"), [
    ("x := input.subject.id", {("subject", "id")}),
    ('x := input["subject"]["id"]', {("subject", "id")}),
    ("x := input.resource.columns.power_kw", {("resource", "columns")}),
    ("x := input.resource[y].z if y := input.action", {("action",), ("resource",)}),
    ("x := input[y] if y := input.action", {(), ("action",)}),
    ("x := object.keys(input)", {()}),
    ("x if q with input as {}\nq := input.subject.id", {(), ("subject", "id")}),
    ("import input.subject as s\nx := s.id", {("subject",)}),
    ("f(a) := a.id\nx := f(input.subject)", {("subject",)}),
    ("f(a) := a\nx := f(input.subject).id", {("subject",)}),
    ("x := {input.context.risk: 1}", {("context", "risk")}),
    ("x := [y | some y in input.subject.roles; y in input.resource.columns[input.action]]",
     {("action",), ("subject", "roles"), ("resource", "columns")}),
    ('x if every r in input.subject.roles { r == input.context["purpose"] }',
     {("subject", "roles"), ("context", "purpose")}),
    ('x := 1 if input.action == "a"\nelse := input.context.risk', {("action",), ("context", "risk")}),
    ("x contains input.subject.id if input.action", {("subject", "id"), ("action",)}),
    ("x[input.action] := input.subject.id", {("subject", "id"), ("action",)}),
    ("x := 1", set()),
])
def test_every_way_of_reading_an_input_counts_up_to_its_first_variable_part(rego: str, paths: set[Path]) -> None:
    assert reads_of(f"package gateway\n{rego}\n") == paths


def test_the_shipped_policy_never_sees_path_address_hour_or_application() -> None:
    seen = reads_of(*BundleFolder(SHIPPED).read().policies.values())
    known = {("action",)} | {(section, name) for section, names in ATTRIBUTES.items() for name in names}

    assert seen <= known
    assert not seen & {("resource", "path"), ("resource", "method"), ("context", "source_ip"), ("context", "hour_utc"),
                       ("subject", "client_id")}


def test_a_document_is_narrowed_to_what_is_read() -> None:
    narrowed = Reads([("action",), ("subject", "id"), ("resource",)]).narrow(to_input(question("a.b")))

    assert narrowed.keys() == {"action", "subject", "resource"}
    assert narrowed["subject"] == {"id": "u-1"}
    assert narrowed["resource"].keys() == set(ATTRIBUTES["resource"])


def test_who_reads_everything_sees_everything() -> None:
    assert EVERYTHING.narrow(to_input(question("a.b"))) == to_input(question("a.b"))


def test_a_policy_that_reads_nothing_sees_nothing() -> None:
    assert Reads([]).narrow(to_input(question("a.b"))) == {}
