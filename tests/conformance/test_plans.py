"""The files for the conformance suite are whole, and our pages have what it types into and clicks."""

import json
import re
from pathlib import Path

import pytest

from tests.conformance.plans import SHOWN, Target, as_text, files

TEMPLATES = Path(__file__).resolve().parents[2] / "identity" / "http" / "templates"
TARGET = Target("https://op.example", "https://suite.example:8443", "vera.viewer", "a password")


def test_every_plan_has_its_file_and_every_client_is_in_the_import() -> None:
    made = files(TARGET)
    imported = {client["client_id"] for client in made["clients.json"]}

    assert len(made) == 9
    named = {plan[role]["client_id"] for name, plan in made.items() if name != "clients.json"
             for role in ("client", "client2", "client_secret_post") if "client_id" in plan.get(role, {})}
    assert named == imported
    assert '"d":' not in as_text(made["clients.json"])


def test_the_receiver_of_signals_has_the_role_that_policy_asks_for() -> None:
    policy = json.loads((Path(__file__).resolve().parents[2] / "opa_policies" / "data.json").read_text())

    receiver = files(TARGET)["clients.json"][-1]

    assert set(receiver["roles"]) <= set(policy["access"]["by_role"]["signals.manage"])
    assert receiver["roles"]


def test_what_the_suite_types_and_clicks_is_on_our_pages() -> None:
    written = "".join(map(as_text, files(TARGET).values()))
    wanted = set(re.findall(r'"id",\s+"([\w-]+)"', written)) - {"submission_complete"}

    pages = "".join(path.read_text() for path in TEMPLATES.glob("*.html"))

    assert wanted == {"name", "password", "sign-in", "allow", "deny", "log-out"}
    assert [name for name in wanted if f'id="{name}"' not in pages] == []


@pytest.mark.parametrize("kind", ["dpop", "mtls"])
def test_who_shall_say_no_is_asked_and_who_shall_leave_leaves_once(kind: str) -> None:
    plan = files(TARGET)[f"fapi2-security-profile-final-{kind}.json"]
    rejects, leaves = plan["override"].values()

    assert set(plan["client"]["scope"].split()) < set(rejects["client"]["scope"].split())
    assert [["click", "id", "deny"]] in [task["commands"] for task in rejects["browser"][0]["tasks"]]
    assert leaves["browser"][0]["match-limit"] == 1
    assert "sign-in" not in as_text(leaves["browser"][0])


def test_no_module_waits_for_a_person_with_a_screenshot() -> None:
    plan = files(TARGET)["oidcc-basic.json"]

    shown = [task["match"] for entry in plan["browser"] for task in entry["tasks"] if SHOWN in task["commands"]]

    assert shown == [f"{TARGET.issuer}/{path}*" for path in ("oauth2/authorize", "oauth2/logout", "logout")]
    assert set(plan["override"]) == {"oidcc-prompt-login", "oidcc-max-age-1"}
