"""The shipped rules prove themselves, and other people's rules and events judge the engine."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from control_plane.cli.rules import app
from shared_kernel.events import SealedEvent
from siem_rules.domain.engine import Engine
from siem_rules.domain.event_time import Lateness
from siem_rules.domain.sigma_file import parse_rule
from siem_rules.service.rule_folder import RuleFolders, shipped_rules
from siem_rules.service.samples import check, replay

SHIPPED = sorted(path.parent for path in shipped_rules().rglob("rule.yml"))


def test_the_shipped_rules_are_these_six() -> None:
    ruleset = RuleFolders([shipped_rules()]).read()

    assert ruleset.broken == ()
    assert sorted(rule.rule_id for rule in ruleset.rules) == [
        "GR-001", "GR-002", "GR-006", "GR-007", "GR-008", "GR-009"]


@pytest.mark.parametrize("folder", SHIPPED, ids=lambda folder: folder.name)
def test_a_shipped_rule_fires_and_stays_silent_where_it_says(folder: Path) -> None:
    rule = parse_rule((folder / "rule.yml").read_text(), folder.name)

    fires, silent = replay(rule, folder / "fires.jsonl"), replay(rule, folder / "silent.jsonl")

    assert {alert.profile.detection for alert in fires} == {profile.detection for profile in rule.profiles}
    assert silent == []
    assert all(profile.triage and profile.techniques and profile.uuid for profile in rule.profiles)


def test_a_rule_whose_samples_fail_is_named(tmp_path: Path) -> None:
    folder = SHIPPED[0]
    (tmp_path / "rule.yml").write_text((folder / "rule.yml").read_text())
    (tmp_path / "fires.jsonl").write_text((folder / "silent.jsonl").read_text())

    verdict, = check(tmp_path)

    assert "does not raise" in verdict.problems[0]


def test_the_command_line_checks_and_lists() -> None:
    runner = CliRunner()

    checked, listed = runner.invoke(app, ["check", "--json"]), runner.invoke(app, ["list", "--json"])

    assert (checked.exit_code, listed.exit_code) == (0, 0)
    assert {row["rule"] for row in json.loads(checked.stdout)} == {row["id"] for row in json.loads(listed.stdout)}


def test_the_command_line_fails_on_a_broken_rule(tmp_path: Path) -> None:
    (tmp_path / "broken.yml").write_text("title: nothing else")

    assert CliRunner().invoke(app, ["check", str(tmp_path)]).exit_code == 1


def test_every_public_rule_compiles(shared_vectors: Path) -> None:
    ruleset = RuleFolders([shared_vectors / "sigma" / name for name in ("rules", "rules-emerging-threats")]).read()

    assert (len(ruleset.rules), len(ruleset.broken)) == (409, 0)


def test_every_regression_event_fires_its_rule(shared_vectors: Path) -> None:
    rules = {path.stem: path for path in (shared_vectors / "sigma").rglob("*.yml") if path.name != "info.yml"}
    by_id = {document["id"]: path for path in rules.values() if (document := _first(path)) and "id" in document}
    cases = sorted((shared_vectors / "sigma" / "regression_data").rglob("info.yml"))

    silent = [info.parent.name for info in cases if not _fires(info, by_id)]

    assert (len(cases), silent) == (50, [])


def _first(path: Path) -> dict[str, Any]:
    found = next(iter(yaml.safe_load_all(path.read_text())), None)
    return found if isinstance(found, dict) else {}


def _fires(info: Path, by_id: dict[str, Path]) -> bool:
    told = yaml.safe_load(info.read_text())
    path = by_id[told["rule_metadata"][0]["id"]]
    engine = Engine([parse_rule(path.read_text(), path.name)], Lateness())
    events = [SealedEvent(seq, 0, event) for seq, event in enumerate(_stream(info.parent))]
    found = len(engine.observe("bus:windows", events).alerts)
    wanted = int(told["regression_tests_info"][0].get("match_count", 1))
    return found >= wanted  # two cases hold more matching events than they count


def _stream(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield one JSON object after another, as the vectors hold them."""
    decoder = json.JSONDecoder()
    for path in folder.glob("*.json"):
        text, position = path.read_text().strip(), 0
        while position < len(text):
            event, end = decoder.raw_decode(text, position)
            yield event
            position = end + len(text[end:]) - len(text[end:].lstrip())
