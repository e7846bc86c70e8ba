"""Every page renders what the gateway really says, also when it says little or no."""

from typing import Any

import pytest
from starlette.responses import PlainTextResponse

from tests.control_plane.console_answers import (
    ALERT_ID,
    RUN_ID,
    STRANGER,
    alert,
    run,
)
from tests.control_plane.console_city import SECRET, City, problem, refusing

PAGES = (
    "/grid", "/alerts", f"/alerts/{ALERT_ID}", "/playbooks", f"/playbooks/runs/{RUN_ID}", "/ledger",
    "/ledger/entries/3", "/catalog", "/catalog/grid.meter_readings", "/access", "/why", "/why/0199-req",
    "/developers", "/sessions", "/policy",
)
MAY_LIVE_WITHOUT = {"/grid", "/why", "/developers"}
HTMX = {"hx-request": "true", "hx-current-url": "http://console.test/alerts?status=New"}


@pytest.mark.parametrize("path", PAGES)
async def test_every_page_renders_titled_and_reachable_by_keyboard(city: City, path: str) -> None:
    page = await city.browser.get(path)

    assert page.status_code == 200
    assert "· Gridwarden</title>" in page.text
    assert 'class="skip" href="#main"' in page.text
    assert 'aria-current="page"' in page.text
    assert page.text.count("<h1>") == 1
    assert "<th>" not in page.text
    assert " style=" not in page.text
    assert "vera &lt;viewer&gt;" in page.text


@pytest.mark.parametrize("path", PAGES)
async def test_no_page_tells_a_secret(city: City, path: str) -> None:
    page = await city.browser.get(path)

    told = page.text + str(page.headers)

    assert "secret-access" not in told
    assert "secret-refresh" not in told
    assert SECRET not in told
    assert "eyJ" not in told
    assert city.browser.cookies["gridwarden_console"] not in told


@pytest.mark.parametrize("path", PAGES)
async def test_a_refusal_is_shown_with_its_reasons_and_the_way_to_ask_why(city: City, path: str) -> None:
    for route in list(city.gateway.answers):
        city.gateway.answers[route] = refusing(403, "the policy does not allow this", reasons=["you lack <a role>"],
                                               why="/why/0199-req")

    page = await city.browser.get(path)

    if path not in MAY_LIVE_WITHOUT:
        assert page.status_code == 403
        assert "you lack &lt;a role&gt;" in page.text
        assert 'href="/why/0199-req"' in page.text
    else:
        assert page.status_code == 200


@pytest.mark.parametrize("status", [404, 422, 429, 500, 503])
@pytest.mark.parametrize("path", [path for path in PAGES if path not in MAY_LIVE_WITHOUT])
async def test_any_other_refusal_keeps_its_status_and_sentence(city: City, path: str, status: int) -> None:
    for route in list(city.gateway.answers):
        city.gateway.answers[route] = refusing(status, "the ledger rests")

    page = await city.browser.get(path)

    assert page.status_code == status
    assert "the ledger rests" in page.text
    assert "Why was I refused?</a>" not in page.text


@pytest.mark.parametrize("path", [*PAGES, "/grid/data"])
async def test_a_gateway_that_is_gone_is_said_with_502(city: City, path: str) -> None:
    city.gateway.is_down = True

    page = await city.browser.get(path)

    assert page.status_code == 502
    assert "does not answer" in page.text


async def test_the_chart_is_told_that_the_gateway_is_gone(city: City) -> None:
    city.gateway.is_down = True

    answer = await city.browser.get("/grid/data", headers={"accept": "application/json"})

    assert answer.status_code == 502
    assert "does not answer" in answer.json()["detail"]


async def test_the_chart_gets_exactly_what_the_gateway_gave(city: City) -> None:
    answer = await city.browser.get("/grid/data?from=2025-01-01&to=2025-01-02", headers={"accept": "application/json"})

    assert answer.json() == city.gateway.answers["GET /api/v1/analytics/load/comparison"]
    assert city.gateway.asked[-1][1] == "/api/v1/analytics/load/comparison"


async def test_the_chart_is_told_why_the_data_was_refused(city: City) -> None:
    city.gateway.answers["GET /api/v1/analytics/load/comparison"] = refusing(403, "not for you", reasons=["no"])

    answer = await city.browser.get("/grid/data", headers={"accept": "application/json"})

    assert (answer.status_code, answer.json()["detail"]) == (403, "not for you")


async def test_an_answer_that_is_no_json_is_the_gateways_fault(city: City) -> None:
    city.gateway.answers["GET /api/v1/alerts"] = PlainTextResponse("{", media_type="application/json")

    page = await city.browser.get("/alerts")

    assert page.status_code == 502


@pytest.mark.parametrize("path", ["/alerts", "/playbooks", "/ledger", "/catalog", "/access", "/why", "/grid"])
async def test_empty_lists_are_said_to_be_empty(city: City, path: str) -> None:
    for route, answer in list(city.gateway.answers.items()):
        if isinstance(answer, dict) and "items" in answer:
            city.gateway.answers[route] = {**answer, "items": [], "next": None, "kill_switches": []}

    page = await city.browser.get(path)

    assert page.status_code == 200


async def test_the_alert_page_takes_the_advice_of_the_detection_that_fired(city: City) -> None:
    page = await city.browser.get(f"/alerts/{ALERT_ID}")

    assert "Look at the address first." in page.text
    assert "the wrong advice" not in page.text
    assert "T1110.004" in page.text
    assert "bad_credentials" in page.text


async def test_the_alert_page_lives_without_rule_runs_and_entries(city: City) -> None:
    for route in ("GET /api/v1/rules/GR-001", "GET /api/v1/playbooks/runs", "GET /api/v1/ledger/entries/3"):
        city.gateway.answers[route] = refusing(403, "not yours")
    city.gateway.answers[f"GET /api/v1/alerts/{ALERT_ID}"] = alert(
        playbook=None, owner="sami.soc", reason="x", group={}, targets={}, observed={}, rule_text=None,
        sealed_seq=None, event={})

    page = await city.browser.get(f"/alerts/{ALERT_ID}")

    assert page.status_code == 200
    assert "Not shown to you." in page.text
    assert "does not show playbook runs" in page.text


@pytest.mark.parametrize("changes", [
    {"status": "done", "finished_at": "2026-11-21T07:01:00Z", "approval": {
        "state": "granted", "plan_hash": "ab", "requested_by": "u-9", "expires_at": "2026-11-21T07:01:00Z",
        "decided_by": "u-2", "decided_by_name": "orhan", "decided_at": "2026-11-21T07:01:00Z", "comment": "go"}},
    {"status": "needs_human", "approval": None, "alert": None, "steps": [], "journal": [], "targets": []},
    {"status": "failed", "approval": None, "alert": {"id": "", "seq": 4}, "steps": [
        {"step": "s", "connector": "c", "target": None, "params": {}, "position": 0, "state": "failed", "attempts": 3,
         "error": "no <answer>", "result": None, "intended_at": "2026-11-21T07:01:00Z",
         "finished_at": "2026-11-21T07:01:00Z"}]},
])
async def test_the_run_page_shows_every_state(city: City, changes: dict[str, Any]) -> None:
    city.gateway.answers[f"GET /api/v1/playbooks/runs/{RUN_ID}"] = run(**changes)

    page = await city.browser.get(f"/playbooks/runs/{RUN_ID}")

    assert page.status_code == 200
    assert changes["status"].replace("_", " ") in page.text
    assert 'value="approve"' not in page.text


async def test_a_finished_run_asks_no_more(city: City) -> None:
    city.gateway.answers[f"GET /api/v1/playbooks/runs/{RUN_ID}"] = run(
        status="done", finished_at="2026-11-21T07:01:00Z")

    page = await city.browser.get(f"/playbooks/runs/{RUN_ID}")

    assert "hx-get" not in page.text


@pytest.mark.parametrize("path", ["/alerts", f"/playbooks/runs/{RUN_ID}"])
async def test_a_page_that_did_not_change_is_not_sent_again(city: City, path: str) -> None:
    page = await city.browser.get(path)
    again = page.text.split('hx-get="', 1)[1].split('"', 1)[0].replace("&amp;", "&")

    unchanged = await city.browser.get(again, headers=HTMX)
    city.gateway.answers["GET /api/v1/alerts"] = {"items": [], "next": None}
    city.gateway.answers[f"GET /api/v1/playbooks/runs/{RUN_ID}"] = run(status="done")
    changed = await city.browser.get(again, headers=HTMX)

    assert (unchanged.status_code, unchanged.content) == (204, b"")
    assert changed.status_code == 200
    assert "<html" not in changed.text


async def test_a_decision_about_a_stranger_renders(city: City) -> None:
    city.gateway.answers["GET /api/v1/decisions/x"] = STRANGER

    page = await city.browser.get("/why/x")

    assert "a stranger" in page.text


async def test_the_access_log_names_masks_and_refusals(city: City) -> None:
    page = await city.browser.get("/access?dataset=grid.meter_readings")

    assert "customer_id: hash" in page.text
    assert "no permit" in page.text


async def test_approving_sends_the_plan_that_was_read(city: City) -> None:
    answer = await city.submit(
        f"/playbooks/runs/{RUN_ID}/decision", verdict="approve", comment="go", plan_hash="ab" * 32,
    )

    assert answer.headers["location"] == f"/playbooks/runs/{RUN_ID}"
    assert b'"plan_hash":"' + b"ab" * 32 in city.gateway.posted(f"/api/v1/playbooks/runs/{RUN_ID}/approve")


async def test_anything_but_approve_denies(city: City) -> None:
    await city.submit(f"/playbooks/runs/{RUN_ID}/decision", verdict="perhaps")

    assert city.gateway.posted(f"/api/v1/playbooks/runs/{RUN_ID}/deny")


async def test_changes_reach_the_gateway_as_it_wants_them(city: City) -> None:
    await city.submit(f"/alerts/{ALERT_ID}/status", status="Closed", reason=" done ")
    await city.submit("/playbooks/quarantine-meter/runs", target="meter-7, meter-8,", reason="it lies")
    await city.submit("/playbooks/kill-switch", on="no", reason="over")

    assert city.gateway.posted(f"/api/v1/alerts/{ALERT_ID}/status") == b'{"status":"Closed","reason":"done"}'
    assert b'["meter-7","meter-8"]' in city.gateway.posted("/api/v1/playbooks/quarantine-meter/runs")
    assert b'"on":false' in city.gateway.posted("/api/v1/playbooks/kill-switch")


async def test_the_purpose_travels_with_every_later_request(city: City) -> None:
    await city.submit("/purpose", purpose="billing")
    await city.browser.get("/alerts")
    stated = city.gateway.asked[-1][2]
    await city.submit("/purpose", purpose="because I want to")
    await city.browser.get("/alerts")

    assert stated["access-purpose"] == "billing"
    assert "access-purpose" not in city.gateway.asked[-1][2]


async def test_the_browsers_name_reaches_the_gateway_whatever_it_is_made_of(city: City) -> None:
    await city.browser.get("/alerts", headers=[(b"user-agent", b"Fire\xe9fox 1")])

    assert city.gateway.asked[-1][2]["user-agent"] == "Fire?fox 1"


@pytest.mark.parametrize("path", [
    "/alerts/%2e%2e", "/playbooks/runs/%2e%2e", "/catalog/%2e", "/catalog/x%3Fadmin=1%23y"])
async def test_a_path_never_climbs_at_the_gateway(city: City, path: str) -> None:
    before = len(city.gateway.asked)

    page = await city.browser.get(path)

    assert page.status_code == 400
    assert len(city.gateway.asked) == before


async def test_a_name_stays_one_segment_of_the_gateways_path(city: City) -> None:
    await city.browser.get("/catalog/x%20y&admin=1")

    assert "/api/v1/catalog/datasets/x y&admin=1" in {path for _, path, _, _ in city.gateway.asked}


async def test_problem_without_members_still_renders(city: City) -> None:
    city.gateway.answers["GET /api/v1/alerts"] = PlainTextResponse("no", 403)

    page = await city.browser.get("/alerts")

    assert page.status_code == 403
    assert "without a reason" in page.text
    assert problem(403, "x").status_code == 403
