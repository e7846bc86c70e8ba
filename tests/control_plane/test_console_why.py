"""The console tells why, sounds the alarm when the record differs, and asks for another login in words."""

from typing import Any

import pytest

from control_plane.console.rule_picture import rule_picture
from tests.control_plane.console_city import City, parameters, refusing

ID = "01a1ff22-2b65-7f89-884d-d0dbda81296e"
DECISION = {
    "request_id": ID, "seq": 7, "decided_at": "2026-11-21T07:00:00Z",
    "subject": {"name": "vera", "roles": ["grid_viewer"]},
    "source_ip": "203.0.113.7", "resource": {"method": "GET", "path": "/api/v1/alerts"}, "path": "/api/v1/alerts",
    "action": "alerts.read", "allow": False, "reasons": ["alerts.read needs <another> role"], "obligations": {},
    "risk": 10, "risk_reasons": [], "revision": "a" * 64, "purpose": None, "bundle_age_s": 7200,
}
RULES = [
    {"name": "decision", "holds": True, "value": {"allow": False}, "file": "d.rego", "line": 3, "note": "The answer.",
     "needs": ["rights", "risk"]},
    {"name": "rights", "holds": False, "value": [], "file": "p.rego", "line": 9, "note": "", "needs": ["decision"]},
    {"name": "risk", "holds": True, "value": "<script>alert(1)</script>", "file": "r.rego", "line": 1, "note": "",
     "needs": []},
    {"name": "unneeded", "holds": False, "value": None, "file": "x.rego", "line": 1, "note": "", "needs": []},
]


def _why(**changed: Any) -> dict[str, Any]:
    return {
        "decision": DECISION, "agrees": True, "differences": [], "obstacle": None, "rules": RULES,
        "replay": {"allow": False, "reasons": ["no"], "obligations": {}, "revision": "a" * 64},
        "now": {"allow": True, "reasons": ["the role permits it now"], "obligations": {}, "revision": "b" * 64},
        "changes": [{"kind": "role", "words": "with the role auditor", "allow": True, "reasons": [],
                     "obligations": {"mask": {}}}], **changed,
    }


@pytest.fixture
async def city() -> City:
    city = City()
    city.gateway.answers |= {
        f"GET /api/v1/decisions/{ID}": DECISION, f"GET /api/v1/decisions/{ID}/why": _why()}
    await city.sign_in()
    return city


async def test_the_page_tells_what_would_turn_it_and_draws_the_rules(city: City) -> None:
    page = (await city.browser.get(f"/why/{ID}")).text

    assert "with the role auditor" in page
    assert "same answer" in page
    assert "would allow" in page
    assert "the role permits it now" in page
    assert page.count("<circle") == 3
    assert "<script>alert" not in page
    assert "style=" not in page


async def test_an_answer_that_differs_is_an_alarm(city: City) -> None:
    city.gateway.answers[f"GET /api/v1/decisions/{ID}/why"] = _why(
        agrees=False, differences=["sealed answer: True; asked again: False"])

    page = (await city.browser.get(f"/why/{ID}")).text

    assert 'role="alert"' in page
    assert "the policy answers otherwise" in page
    assert "sealed answer: True; asked again: False" in page


async def test_what_cannot_be_asked_again_says_so(city: City) -> None:
    city.gateway.answers[f"GET /api/v1/decisions/{ID}/why"] = _why(
        agrees=None, replay=None, now=None, rules=[], changes=[], obstacle="the bundle is not kept any more")

    page = (await city.browser.get(f"/why/{ID}")).text

    assert "cannot be asked" in page
    assert "the bundle is not kept any more" in page


async def test_whoever_may_not_have_it_explained_sees_the_decision(city: City) -> None:
    city.gateway.answers[f"GET /api/v1/decisions/{ID}/why"] = refusing(403, "no")

    assert "alerts.read needs &lt;another&gt; role" in (await city.browser.get(f"/why/{ID}")).text


async def test_a_login_that_is_too_old_is_asked_for_again_in_words_and_as_demanded(city: City) -> None:
    city.gateway.answers["GET /api/v1/catalog/datasets"] = refusing(
        401, "log in again", type="urn:gridwarden:problem:insufficient-user-authentication", max_age=900,
        acr_values="urn:gridwarden:acr:mfa", reasons=["users.write needs a login no older than 15 minutes"])

    page = await city.browser.get("/catalog")

    assert page.status_code == 401
    assert "Log in again" in page.text
    assert "no older than 15 minutes" in page.text
    assert city.gateway.refreshes == 0
    link = page.text.split('class="button" href="', 1)[1].split('"', 1)[0].replace("&amp;", "&")
    asked = parameters((await city.browser.get(link)).headers["location"])
    assert (asked["max_age"], asked["acr_values"]) == ("900", "urn:gridwarden:acr:mfa")


@pytest.mark.parametrize("query", ["max_age=-1", "max_age=1e9", "acr_values=a%20b", "acr_values=%22", "prompt=none"])
async def test_nothing_else_is_passed_on_to_the_provider(city: City, query: str) -> None:
    asked = parameters((await city.browser.get(f"/sign-in?{query}")).headers["location"])

    assert asked.keys().isdisjoint({"max_age", "acr_values", "prompt"})


def test_each_rule_is_drawn_once_below_what_needs_it() -> None:
    picture = rule_picture(RULES)

    assert picture is not None
    assert [(row.name, row.parent_y) for row in picture.rows] == [("decision", None), ("rights", 22), ("risk", 22)]
    assert rule_picture([]) is None


@pytest.mark.parametrize("typed", ["../admin", "a b", "<script>", "%00", "\N{CYRILLIC SMALL LETTER A}", "a" * 129])
async def test_what_cannot_be_a_request_id_is_said_so_on_a_page(city: City, typed: str) -> None:
    page = await city.browser.get("/why", params={"request_id": typed})

    assert page.status_code == 404
    assert "That is no request id" in page.text
    assert "<script>" not in page.text.replace('<script src="', "")
