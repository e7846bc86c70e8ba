"""Which policy decides, and what is the matter when none or an old one does."""

from tests.control_plane.console_answers import ANSWERS
from tests.control_plane.console_city import City, refusing

POLICY = ANSWERS["GET /api/v1/policy"]


async def test_the_page_names_the_revision_its_age_and_what_was_published(city: City) -> None:
    page = await city.browser.get("/policy")

    assert "publication 3" in page.text
    assert "city &lt;2&gt;" in page.text
    assert '<span class="badge good">decides</span>' in page.text
    assert "hour: 0.310 (shifted)" in page.text
    assert "it is unsigned" in page.text


async def test_a_refused_bundle_and_a_stale_process_are_shown_first(city: City) -> None:
    city.gateway.answers["GET /api/v1/policy"] = POLICY | {
        "stale": "stale_policy: the channel is silent", "refused": "data.json: <b>"}

    page = await city.browser.get("/policy")

    assert "Nobody decides here." in page.text
    assert "stale_policy: the channel is silent" in page.text
    assert "data.json: &lt;b&gt;" in page.text


async def test_a_process_on_its_own_folder_says_so(city: City) -> None:
    city.gateway.answers["GET /api/v1/policy"] = POLICY | {"version": 0, "sequence": None, "built_at": None, "name": ""}
    city.gateway.answers["GET /api/v1/policy/bundles"] = {"items": [], "next": None}

    page = await city.browser.get("/policy")

    assert "own folder or file" in page.text
    assert "gridwarden policy publish" in page.text


async def test_who_may_not_see_risk_sees_the_policy_all_the_same(city: City) -> None:
    city.gateway.answers["GET /api/v1/policy/risk"] = refusing(403, "no")

    page = await city.browser.get("/policy")

    assert page.status_code == 200
    assert "Scored by" not in page.text
