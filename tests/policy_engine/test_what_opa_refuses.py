"""What the real OPA refuses to compile (`opa check --strict`) is refused at load here too, though regorus runs it."""

import json
import subprocess
from pathlib import Path

import pytest

from policy_engine.adapters.inspection import inspect
from policy_engine.domain.builtins import ARITY
from policy_engine.domain.bundle import RefusedBundleError
from tests.servers.opa import opa_binary

pytestmark = pytest.mark.opa

HEAD = 'package gateway\ndefault decision := {"allow": false}\n'
SCHEMA = '{"$ref": "http://127.0.0.1:1/schema.json"}'
REFUSED = {
    "two defaults in a file": ('default decision := {"allow": false}', "default beside the one in a.rego, line 2"),
    "no argument": ("p if count() == 1", "calls count in line 3 with 0 arguments: it takes 1"),
    "an argument too few": ('p := concat("a")', "calls concat in line 3 with 1 arguments: it takes 2"),
    "an argument too many": ("p := count([1], 2)", "with 2 arguments: it takes 1"),
    "a default of its own left out": ('p := object.get({}, "a")', "calls object.get in line 3 with 2 arguments"),
    "two arguments of a function of one": ("f(x) := x\np := f(1, 2)", "calls f in line 4 with 2 arg"),
    "no argument of a function of one": ("f(x) := x\np := f()", "calls f in line 4 with 0 arguments: it takes 1"),
    "a function of two arities": ("f(x) := x\nf(x, y) := x if y\np := f(1)", "line 4, defines data.gateway.f with 2"),
    "a function of no arguments": ("f() := 1\np := f()", "line 3, defines data.gateway.f without arguments"),
    "an argument that is looked up": ("f(input.x) := 1\np := f(1)", "computes an argument in the head"),
    "an argument named input": ("f(input) := input\np := f(1)", "names an argument of data.gateway.f input"),
    "a value and a set": ("p := 1\np contains 2", "as a set, which a.rego, line 3, defines as a value"),
    "a default and a set": ("default p := 1\np contains 2", "as a set, which a.rego, line 3, defines as a value"),
    "a value and a function": ("p := 1\np(x) := x", "as a function, which"),
    "a value and a table": ('p := 1\np[x] := 2 if x := "a"', "as a table, which"),
    "a set and a member's name": ('p contains 1\np["a"] := 1', "rule data.gateway.p.a in a.rego, line 4 stands"),
    "a value above a value": ("p := 1\np.q := 2", "the rule data.gateway.p.q in a.rego, line 4 stands below"),
    "a default that looks up": ("default p := input.x", "computes the default of data.gateway.p"),
    "a default that calls": ("default p := count([1])", "computes the default of data.gateway.p"),
    "a default that adds": ("default p := 1 + 1", "does not parse"),
    "a result nobody gives a value": ("p := x if true", "uses x in line 3, which nothing gives a value"),
    "a member nobody gives a value": ("p contains x if true", "uses x in line 3"),
    "a key nobody gives a value": ("p[x] := 1", "uses x in line 3"),
    "a declared name without a value": ("p := [x | some x]", "uses x in line 3"),
    "a value found under not": ("p if not input.a[x]", "uses x in line 3"),
    "anything under not": ("p if not input.a[_]", "uses _ in line 3"),
    "a wildcard as a result": ("p := _ if true", "uses _ in line 3"),
    "a wildcard as an argument": ("p if count(_) == 1", "uses _ in line 3"),
    "a builtin that is read": ("p := count", "uses count in line 3"),
    "a function that is read": ("f(x) := x\np := [f]", "reads the function f in line 4: call it"),
    "a function that is indexed": ("f(x) := x\np := f[1]", "reads the function f in line 4: call it"),
    "an assignment under not": ("p if not x := 1", "assigns under `not` in line 3"),
    "a name declared twice": ("p if { some x; some x; x = 1 }", "declares x in line 3"),
    "input declared": ("p if { some input; input == 1 }", "declares input in line 3"),
    "two signs": ("p := --1", "has two signs in line 3"),
    "a set by brackets": ("p[1]", "adds to a set by brackets in line 3: write p contains"),
    "a rule named contains": ("contains := 1", "names a rule contains in line 3"),
    "a schema from elsewhere": (
        f"# METADATA\n# scope: rule\n# schemas:\n#   - input: {SCHEMA}\np if input.x",
        "a.rego, line 3, has an annotation with schemas"),
    "a schema on one line": (f"# METADATA\n# {{scope: rule, schemas: [{{input: {SCHEMA}}}]}}\np if input.x", "schemas"),
    "a schema spelled so": (f'# METADATA\n# "\\x73chemas": [{{input: {SCHEMA}}}]\np if input.x', "schemas"),
    "a schema merged": (f"# METADATA\n# custom: &a\n#   schemas: [{{input: {SCHEMA}}}]\n# <<: *a\np if input.x", "<<"),
    "a schema behind another line end": (
        f"# METADATA\n# title: a\u2028schemas: [{{input: {SCHEMA}}}]\np if input.x", "an annotation"),
    "a schema of its own": ("# METADATA\n# scope: rule\n# schemas:\n#   - input: {type: string}\np if input.x", "sche"),
    "an annotation of no scope": ("# METADATA\n# scope: city\np if input.x", "of the scope 'city'"),
    "an annotation that is no YAML": ("# METADATA\n# scope: [\np if input.x", "that is no YAML"),
    "an annotation with a line twice": ("# METADATA\n# title: a\n# title: b\np if input.x", "title twice"),
    "an empty annotation": ("# METADATA\n\np if input.x", "that is no mapping"),
}
"""What follows HEAD in a.rego, and what the refusal says."""

ACROSS = {
    "two defaults": ({"b.rego": HEAD}, (
        "b.rego, line 2, gives data.gateway.decision a second default beside the one in a.rego, line 2: keep one")),
    "a package below a rule": ({"b.rego": "package gateway.decision\np := 1\n"}, "a.rego, line 2, defines"),
    "an empty package below a rule": ({"b.rego": "package gateway.decision\n"}, "the package gateway.decision stands"),
    "arities of a function": ({"b.rego": "package b\nf(x) := x\n", "c.rego": "package b\nf(x, y) := x + y\n"},
                              "c.rego, line 2, defines data.b.f with 2 arguments, which b.rego, line 2, defines with"),
    "an arity": ({"b.rego": "package b\nimport data.c\np := c.f(1, 2)\n", "c.rego": "package c\nf(x) := x\n"},
                 "b.rego calls c.f in line 3 with 2 arguments: it takes 1"),
    "two imports": ({"b.rego": "package b\nimport data.foo.x\nimport data.bar.x\np := x\n"}, "imports x in"),
    "an import named data": ({"b.rego": "package b\nimport input.x as data\np := data\n"}, "imports data in line 2"),
    "an unknown keyword": ({"b.rego": "package b\nimport future.keywords.zzz\n"}, "imports future.keywords.zzz"),
    "another language": ({"b.rego": "package b\nimport rego.v0\n"}, "imports rego.v0 in line 2"),
}
TAKEN = {
    "a result as the last argument": "p := x if count([1], x)",
    "a table and one of its entries": 'p[x] := 2 if x := "a"\np.q := 1',
    "rules beside each other": "p.q.r := 1\np.q.s contains 1",
    "a default and its rule": "default p := -1\np := 1 if input.x",
    "a default with a comprehension": "default p := [x | x := input.y[_]]",
    "a function by pattern": "f([x, y]) := x + y\nf(1) := 2\np := f([1, 2])",
    "a function below a name": "f.g(x) := x\np := f.g(2)",
    "a local that is named as a function": "f(x) := x\np if { some f in [1]; f == 1 }\nq := f(1)",
    "a comprehension under not": "p if not count([x | x := input.a[_]]) > 1",
    "names inside every": "p if every k, v in input.a { not k == v }",
    "a pattern on the right": "p := x if [1, 2] = [1, x]",
    "a value found in a table": "p contains k if input.a[k].b == 1",
    "a value for an else": "p := x if x := input.a else := y if y := input.b",
    "an annotation to describe": "# METADATA\n# title: who may\n# scope: rule\n# custom:\n#   schemas: 0\np if true",
    "a comment about metadata": "# the METADATA of a city\np if input.x",
}


def _said(files: dict[str, str]) -> str | None:
    try:
        inspect(files)
    except RefusedBundleError as error:
        return error.why
    return None


def _opa_takes(folder: Path, files: dict[str, str]) -> bool:
    for name, text in files.items():
        (folder / name).write_text(text)
    done = subprocess.run([opa_binary(), "check", "--strict", folder], capture_output=True, timeout=60, check=False)
    return done.returncode == 0


@pytest.mark.parametrize("name", REFUSED)
def test_what_opa_refuses_in_a_file_is_refused_with_its_line(name: str, tmp_path: Path) -> None:
    text, told = REFUSED[name]
    files = {"a.rego": f"{HEAD}{text}\n"}

    said = _said(files)

    assert told in (said or "taken")
    assert not _opa_takes(tmp_path, files)


@pytest.mark.parametrize("name", ACROSS)
def test_what_opa_refuses_between_files_is_refused_with_both(name: str, tmp_path: Path) -> None:
    others, told = ACROSS[name]
    files = {"a.rego": HEAD, **others}

    said = _said(files)

    assert told in (said or "taken")
    assert not _opa_takes(tmp_path, files)


@pytest.mark.parametrize("name", TAKEN)
def test_what_only_looks_odd_is_taken_by_both(name: str, tmp_path: Path) -> None:
    files = {"a.rego": f"{HEAD}{TAKEN[name]}\n"}

    assert _said(files) is None
    assert _opa_takes(tmp_path, files)


@pytest.mark.parametrize("text", ["p := " + "1 +\n" * 400 + "1", "p := " + "-\n# -\n" * 9_000 + "input.x"])
def test_an_endless_expression_is_refused_before_it_ends_the_process(text: str) -> None:
    assert _said({"a.rego": f"{HEAD}{text}\n"}) is not None


def test_the_arities_are_those_of_opa() -> None:
    told = subprocess.run([opa_binary(), "capabilities", "--current"], capture_output=True, text=True, check=True)

    theirs = {one["name"]: len(one["decl"].get("args") or []) for one in json.loads(told.stdout)["builtins"]}

    assert {name: theirs[name] for name in ARITY} == dict(ARITY)
