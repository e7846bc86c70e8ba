"""The developers' page: real endpoints, a client's secret once, tokens and introspection tried against the provider."""

import orjson

from tests.control_plane.console_city import City, refusing


async def test_the_endpoints_are_the_providers_own_words(city: City) -> None:
    page = await city.browser.get("/developers")

    assert "http://gateway.test/oauth2/token" in page.text


async def test_a_token_is_asked_for_as_the_client_and_shown_decoded(city: City) -> None:
    page = await city.submit("/developers/token", client_id="machine", client_secret="hush-hush", scope="read")

    assert "The provider answered 200" in page.text
    assert "&#34;scope&#34;: &#34;read&#34;" in page.text
    assert "hush-hush" not in page.text
    assert page.text.count('value="machine"') == 1, "the other form is not filled with a client it lacks the secret of"
    assert page.headers["cache-control"] == "no-store"


async def test_without_credentials_one_s_own_token_is_looked_at_by_the_console(city: City) -> None:
    page = await city.submit("/developers/introspect", token="", client_id="", client_secret="")

    assert "&#34;active&#34;: true" in page.text
    assert "&#34;asked_by&#34;: &#34;gridwarden-console&#34;" in page.text
    assert city.gateway.access not in page.text


async def test_with_credentials_the_client_asks_about_the_token_given(city: City) -> None:
    page = await city.submit("/developers/introspect", token="x.y", client_id="machine", client_secret="s")

    assert "&#34;active&#34;: false" in page.text
    assert "&#34;asked_by&#34;: &#34;machine&#34;" in page.text


async def test_another_client_never_gets_one_s_own_token_by_leaving_the_field_empty(city: City) -> None:
    page = await city.submit("/developers/introspect", token="", client_id="machine", client_secret="s")

    assert "&#34;active&#34;: false" in page.text


async def test_registering_shows_the_secret_once_and_sends_what_the_kind_means(city: City) -> None:
    city.gateway.answers["POST /api/v1/clients"] = {
        "client_id": "client-1", "client_name": "Meter reader", "client_secret": "gw_secret_1.once"}

    page = await city.submit("/developers/clients", name="Meter reader", kind="app", scope="openid profile",
                             redirect_uris="https://a.example/cb")

    assert page.text.count("gw_secret_1.once") == 1
    assert orjson.loads(city.gateway.posted("/api/v1/clients")) == {
        "client_name": "Meter reader", "scope": "openid profile", "redirect_uris": ["https://a.example/cb"],
        "grant_types": ["authorization_code", "refresh_token"], "token_endpoint_auth_method": "none"}
    assert "gw_secret_1.once" not in (await city.browser.get("/developers")).text


async def test_who_may_not_see_clients_is_told_so_and_can_still_try_tokens(city: City) -> None:
    city.gateway.answers["GET /api/v1/clients"] = refusing(403, "no")

    page = await city.browser.get("/developers")

    assert "Only administrators see and register clients" in page.text
    assert 'action="/developers/token"' in page.text
