"""Who is signed in, and the button that ends it; decisions as they come."""

from tests.control_plane.console_answers import DECISION, STRANGER
from tests.control_plane.console_city import City, refusing

HTMX = {"hx-request": "true", "hx-current-url": "http://console.test/sessions"}


async def test_a_session_shows_who_from_where_how_and_for_what(city: City) -> None:
    page = await city.browser.get("/sessions", params={"name": "vera"})

    assert "vera &lt;viewer&gt;" in page.text
    assert "Prishtina, XK" in page.text
    assert "pwd, otp" in page.text
    assert "<script>" not in page.text.partition("<main")[2]
    assert 'action="/sessions/s%2F1/end"' in page.text or 'action="/sessions/s/1/end"' in page.text
    assert "after=17.s-2" in page.text


async def test_ending_one_is_asked_of_the_gateway_and_leads_back(city: City) -> None:
    answer = await city.submit("/sessions/s-2/end", name="ol ta")

    assert (answer.status_code, answer.headers["location"]) == (303, "/sessions?name=ol%20ta")
    assert ("DELETE", "/api/v1/sessions/s-2") in [(method, path) for method, path, *_ in city.gateway.asked]


async def test_a_refused_end_says_why(city: City) -> None:
    city.gateway.answers["DELETE /api/v1/sessions/s-2"] = refusing(403, "the policy does not allow this")

    answer = await city.submit("/sessions/s-2/end")

    assert answer.status_code == 403
    assert "the policy does not allow this" in answer.text


async def test_a_form_from_elsewhere_ends_nothing(city: City) -> None:
    answer = await city.browser.post("/sessions/s-2/end", data={"form_token": "made up"})

    assert answer.status_code in {400, 403}
    assert "DELETE" not in [method for method, *_ in city.gateway.asked]


async def test_decisions_come_by_themselves_without_those_about_this_page(city: City) -> None:
    own = DECISION | {"action": "decisions.read_all", "request_id": "own", "subject": {"id": "u-1", "name": "me"}}
    city.gateway.answers["GET /api/v1/decisions"] = {"items": [own, DECISION, STRANGER], "next": None}
    city.gateway.claims["sub"] = "u-1"

    page = await city.browser.get("/why")
    part = await city.browser.get("/why", headers=HTMX)

    assert 'hx-trigger="every 2s"' in page.text
    assert "<html" not in part.text
    assert "/why/own" not in part.text
