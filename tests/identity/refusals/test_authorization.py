"""What the authorization endpoint refuses, and to whom it says so (the design's list, RFC by RFC)."""

import re
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identity.domain.oauth.responses import ResponsePlace, error_response
from tests.identity.authorization.kit import (
    AUTHORIZE,
    answered,
    as_json,
    asking,
    decide,
    is_page,
    logged_in,
    register,
    told,
    visit,
)
from tests.identity.world import CALLBACK, ISSUER, World, authorization


@pytest.mark.parametrize("changes", [
    {"client_id": "nobody"}, {"client_id": ""}, {"redirect_uri": ""}, {"redirect_uri": f"{CALLBACK}?x"},
    {"redirect_uri": f"{CALLBACK}/"}, {"redirect_uri": f"{CALLBACK}#"}, {"redirect_uri": f"{CALLBACK}%2e"},
    {"redirect_uri": CALLBACK.replace("https://", "https://user@")}, {"redirect_uri": CALLBACK.upper()},
])
async def test_nothing_is_redirected_before_the_redirect_uri_is_trusted(
    world: World, changes: dict[str, str],
) -> None:
    """RFC 6749 section 4.1.2.1, RFC 9700 section 2.1: exact match, and a page in every doubt."""
    for also in ({}, {"prompt": "none"}, {"response_type": "token"}, {"response_mode": "form_post"},
                 {"request": "x.y.z"}, {"request_uri": "https://evil.test/"}):
        answer = await world.get(AUTHORIZE, params=authorization(**changes, **also))

        assert is_page(answer), also
        assert CALLBACK not in answer.text


@pytest.mark.parametrize("name", ["response_type", "scope", "state", "nonce", "prompt", "code_challenge", "claims"])
async def test_a_doubled_parameter_is_refused(world: World, name: str) -> None:
    """RFC 6749 section 3.1; only `resource` may stand twice (RFC 8707 section 2)."""
    query = urlencode([*authorization().items(), (name, "x"), (name, "y")])

    assert told(await world.get(f"{AUTHORIZE}?{query}")) == "invalid_request"


async def test_resource_may_stand_twice(world: World) -> None:
    """RFC 8707 section 2."""
    await register(world, "two", resources=("https://a.grid.test/", "https://b.grid.test/"))
    async with world.browser() as browser:
        await logged_in(world, browser)
        query = urlencode([*asking("two").items(), ("resource", "https://a.grid.test/"),
                           ("resource", "https://b.grid.test/"), ("resource", "https://a.grid.test/")])

        answer = await browser.get(f"{AUTHORIZE}?{query}")

    assert "code" in answered(answer)
    terms = await world.pool.fetchval("SELECT terms->'resources' FROM identity.grants WHERE client_id = 'two'")
    assert terms == '["https://a.grid.test/", "https://b.grid.test/"]'


@pytest.mark.parametrize("resource", [
    "https://a.grid.test", "https://A.grid.test/", "/api", "https://a.grid.test/#f", f"{ISSUER}/api/", "*"])
async def test_a_resource_that_is_not_registered_is_refused(world: World, resource: str) -> None:
    """RFC 8707 section 2: invalid_target."""
    await register(world, "one", resources=("https://a.grid.test/",))

    assert told(await world.get(AUTHORIZE, params=asking("one", resource=resource))) == "invalid_target"


@pytest.mark.parametrize("response_type", ["token", "id_token", "code token", "code id_token", "none", "CODE", "code "])
async def test_another_response_type_is_refused(world: World, response_type: str) -> None:
    """RFC 9700 section 2.1.2."""
    answer = await world.get(AUTHORIZE, params=authorization(response_type=response_type))

    assert told(answer) == "unsupported_response_type"


@pytest.mark.parametrize(("settings", "public"), [
    ({"require_pkce": False}, True), ({}, False), ({"require_pkce": True}, False),
    ({"require_pkce": False, "profile": "fapi2", "auth_method": "private_key_jwt"}, False)])
async def test_only_a_confidential_baseline_client_may_go_without_pkce(
    world: World, settings: dict[str, object], public: bool,  # noqa: FBT001 - a parameter
) -> None:
    """RFC 9700 section 2.1.1, RFC 7636 section 4.4.1, FAPI 2.0 section 5.3.2.2: whatever the row says."""
    await register(world, "careless", public=True)
    await world.pool.execute(
        "UPDATE identity.clients SET settings = $1, secret_hash = $2 WHERE id = 'careless'", as_json(settings),
        None if public else bytes(32))

    answer = await world.get(AUTHORIZE, params=asking("careless", code_challenge="", code_challenge_method=""))

    assert told(answer) == "invalid_request"


@pytest.mark.parametrize("changes", [
    {"code_challenge_method": "plain"}, {"code_challenge_method": ""}, {"code_challenge": ""},
    {"code_challenge": "A" * 42}, {"code_challenge": "A" * 44}, {"code_challenge": "ü" * 43}])
async def test_half_of_pkce_is_refused_where_none_is_allowed(world: World, changes: dict[str, str]) -> None:
    """RFC 7636 section 4.4.1, RFC 9700 section 4.8: no downgrade to plain."""
    await register(world, "free", require_pkce=False)

    assert told(await world.get(AUTHORIZE, params=asking("free", **changes))) == "invalid_request"


@pytest.mark.parametrize("mode", ["fragment", "query.jwt", "jwt", "web_message", "form_post.jwt", "Query"])
async def test_another_response_mode_is_refused(world: World, mode: str) -> None:
    """OAuth 2.0 Multiple Response Types section 2.1; told in the query."""
    assert told(await world.get(AUTHORIZE, params=authorization(response_mode=mode))) == "invalid_request"


@pytest.mark.parametrize("uri", ["https://evil.test/r", "http://169.254.169.254/", "file:///etc/passwd", "data:,x",
                                 "URN:ietf:params:oauth:request_uri:x", "urn:ietf:params:oauth:request_ur"])
async def test_a_request_uri_from_elsewhere_is_never_fetched(world: World, uri: str) -> None:
    """SSRF; OIDC Core section 6.2 and 3.1.2.6: request_uri_not_supported."""
    assert told(await world.get(AUTHORIZE, params=authorization(request_uri=uri))) == "request_uri_not_supported"


@pytest.mark.parametrize("details", [
    [{"type": "other"}], [{"type": "meter_access", "amount": 5}], [], {},
    [{"type": "meter_access", "actions": "read"}],
])
async def test_details_that_are_not_registered_are_refused(world: World, details: object) -> None:
    """RFC 9396 section 5: invalid_authorization_details."""
    await register(world, "rich", authorization_details_types=("meter_access",))

    answer = await world.get(AUTHORIZE, params=asking("rich", authorization_details=as_json(details)))

    assert told(answer) == "invalid_authorization_details"


async def test_details_may_stand_without_a_scope(world: World) -> None:
    """RFC 9396 section 3.1: scope is optional beside authorization_details."""
    await register(world, "rich", authorization_details_types=("meter_access",))

    answer = await world.get(AUTHORIZE, params=asking(
        "rich", scope="", authorization_details=as_json([{"type": "meter_access"}]), prompt="none"))

    assert told(answer) == "login_required"


@pytest.mark.parametrize("changes", [
    {"max_age": "-1"}, {"max_age": "1.5"}, {"max_age": "1e3"}, {"max_age": "+1"}, {"max_age": " 1"},
    {"max_age": "9" * 10}, {"dpop_jkt": "x"}, {"dpop_jkt": "A" * 44}, {"login_hint": "x" * 257},
    {"ui_locales": "s" * 201}, {"state": "s" * 1_025}, {"nonce": "n\x7f"}, {"claims": "[]"},
])
async def test_a_parameter_of_another_shape_is_refused(world: World, changes: dict[str, str]) -> None:
    """OIDC Core section 3.1.2.2."""
    assert told(await world.get(AUTHORIZE, params=authorization(**changes))) == "invalid_request"


async def test_the_issuer_is_named_in_every_answer(world: World) -> None:
    """RFC 9207 section 2: success and error."""
    async with world.browser() as browser:
        await logged_in(world, browser)
        answers = [answered(await visit(browser, **authorization(**changes))) for changes in (
            {}, {"prompt": "none"}, {"response_type": "token"}, {"scope": "openid admin"}, {"request_uri": "x"},
            {"request": "x"})]

    assert {answer["iss"] for answer in answers} == {ISSUER}


async def test_every_redirect_after_a_form_is_a_303(world: World) -> None:
    """RFC 9700 section 4.12: credentials must not be posted on."""
    async with world.browser() as browser:
        asked = await visit(browser, **asking("third"))
        login = await world.login(browser, await browser.get(asked.headers["location"]))
        consent = await browser.get(login.headers["location"])
        allowed = await decide(browser, consent)
        arrived = await browser.post(AUTHORIZE, data=authorization())

    assert {login.status_code, allowed.status_code, arrived.status_code} == {303}


async def test_an_error_page_can_be_spoken_about(world: World) -> None:
    """A reference, both languages, and nothing of what the stranger sent."""
    answer = await world.get(AUTHORIZE, params=authorization(client_id="<b>evil</b>", ui_locales="sq"))
    albanian = await world.get(AUTHORIZE, params={"client_id": "x"}, headers={"Accept-Language": "sq"})

    assert 'id="reference">r-1<' in answer.text
    assert "evil" not in answer.text.replace("%3Cb%3Eevil%3C%2Fb%3E", "")
    assert "Aplikacioni dërgoi një kërkesë" in albanian.text


@pytest.mark.parametrize("path", ["/consent", "/select-account"])
async def test_a_request_that_lost_its_trust_on_the_way_is_a_page(world: World, path: str) -> None:
    """Between page and answer the client's redirect URI was taken back."""
    await register(world, "brief", first_party=False)
    prompt = {"/consent": "consent", "/select-account": "select_account"}[path]
    async with world.browser() as browser:
        await logged_in(world, browser)
        place = (await visit(browser, **asking("brief", prompt=prompt))).headers["location"]
        page = await browser.get(place)
        await world.pool.execute("UPDATE identity.clients SET redirect_uris = '{}' WHERE id = 'brief'")

        shown = await browser.get(place)
        sent = await decide(browser, page) if path == "/consent" else await browser.get(place)

    assert is_page(shown)
    assert is_page(sent)


@given(st.text(max_size=200))
def test_what_is_told_of_an_error_keeps_to_its_alphabet(text: str) -> None:
    """RFC 6749 section 4.1.2.1: error_description is printable ASCII without quote and backslash."""
    found = error_response(ResponsePlace(CALLBACK), ISSUER, "invalid_request", text).parameters

    assert re.fullmatch(r"[ !#-\[\]-~]*", found["error_description"])
