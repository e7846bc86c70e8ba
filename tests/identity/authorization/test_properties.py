"""Laws of the authorization endpoint, over parameters nobody would think of."""

from urllib.parse import parse_qs, urlencode, urlsplit

import httpx2 as httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from identity.domain.oauth.authorization_details import read
from identity.domain.oauth.claims_request import acr_of_claims, read_claims, scopes_of_claims, subjects_of_claims
from identity.domain.oauth.errors import AuthorizationError, OAuthError
from identity.domain.oauth.pushed_request import reference_in
from tests.identity.authorization.kit import AUTHORIZE, EVERYTHING, METER, as_json, register
from tests.identity.world import CALLBACK, ISSUER, World, authorization

NAMES = (*authorization(), "response_mode", "prompt", "max_age", "claims", "acr_values", "id_token_hint", "login_hint",
         "ui_locales", "display", "resource", "authorization_details", "dpop_jkt", "request", "request_uri", "unknown")
VALUES = st.one_of(
    st.text(max_size=40), st.sampled_from([
        "none", "login consent", "select_account", "form_post", "query", "fragment", "code", "token", "openid", "0",
        "third", "web", "app", CALLBACK, f"{CALLBACK}/../x", "https://evil.test/", "//evil.test", "javascript:alert(1)",
        "a.b.c", "e30.e30.", "eyJhbGciOiJub25lIn0.e30.", "urn:ietf:params:oauth:request_uri:x", "{}", "[]", "null",
        '{"id_token":{"acr":{"essential":true,"value":"x"}}}', '{"userinfo":null}', '[{"type":"x"}]', "\x00", "\ud7ff",
        "S256", "plain", "A" * 43, "sq", ISSUER, f"{ISSUER}/api"]))
CHANGES = st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=5)
DOUBLES = st.lists(st.tuples(st.sampled_from(NAMES), VALUES), max_size=2)
MISSING = st.sets(st.sampled_from(tuple(authorization())), max_size=2)


def check_law(answer: httpx.Response) -> None:
    """Never a 5xx; elsewhere only to the registered place, and then with the issuer's name."""
    assert answer.status_code in {200, 303, 400}, answer.text
    if answer.status_code == 200:
        assert f'action="{CALLBACK}"' in answer.text
        assert f'name="iss" value="{ISSUER}"' in answer.text
    place = answer.headers.get("location", "")
    assert (answer.status_code == 303) is bool(place)
    if place and not place.startswith(("/login?interaction=", "/consent?interaction=", "/select-account?interaction=")):
        assert place.startswith(f"{CALLBACK}?"), place
        assert parse_qs(urlsplit(place).query)["iss"] == [ISSUER]


async def test_no_parameters_upset_the_endpoint(world: World) -> None:
    """Never a 5xx, never a redirect to anything unregistered, the issuer always named."""
    await register(world, "web", public=False)
    examples: list[str] = []

    @settings(max_examples=150, deadline=None, database=None)
    @given(changes=CHANGES, doubles=DOUBLES, missing=MISSING)
    def collect(changes: dict[str, str], doubles: list[tuple[str, str]], missing: set[str]) -> None:
        named = {name: value for name, value in (authorization() | changes).items() if name not in missing}
        examples.append(urlencode([*named.items(), *doubles], errors="surrogatepass"))

    collect()
    async with world.browser() as stranger, world.browser() as alice:
        await world.code_in(alice)
        for example in examples:
            check_law(await stranger.get(f"{AUTHORIZE}?{example}"))
            check_law(await alice.get(f"{AUTHORIZE}?{example}"))


@given(st.text() | st.binary().map(lambda raw: raw.decode("latin-1")))
def test_no_claims_parameter_upsets_its_reader(text: str) -> None:
    try:
        found = read_claims(text, EVERYTHING)
    except AuthorizationError:
        return
    assert found.keys() <= {"userinfo", "id_token"}


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
                    | st.text(max_size=10),
                    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
                        st.sampled_from(["userinfo", "id_token", "acr", "sub", "email", "essential", "value", "values",
                                         "type", "actions", "locations", "x"]), inner, max_size=5), max_leaves=25)


@given(JSON)
def test_whatever_the_claims_parameter_holds_can_be_asked_about(value: object) -> None:
    try:
        found = read_claims(as_json(value), EVERYTHING)
    except AuthorizationError:
        return
    assert scopes_of_claims(found) <= EVERYTHING
    assert all(isinstance(each, str) for each in (*acr_of_claims(found).values, *subjects_of_claims(found)))


@given(JSON)
def test_details_are_of_our_shape_or_refused(value: object) -> None:
    try:
        found = read(as_json(value), ("x",))
    except OAuthError:
        return
    assert all(detail["type"] == "x" for detail in found)


@given(st.text())
def test_no_text_upsets_the_reading_of_a_reference(text: str) -> None:
    assert reference_in(text) is None
    assert reference_in(f"urn:ietf:params:oauth:request_uri:{text}") is None


@pytest.mark.parametrize("text", [
    "", "null", "{}", "[]", "[1]", "[{}]", as_json([METER | {"type": "other"}]), as_json([METER | {"amount": "1"}]),
    as_json([METER | {"actions": "read"}]), as_json([METER | {"actions": []}]), as_json([METER | {"actions": [1]}]),
    as_json([METER | {"identifier": ["a"]}]), as_json([METER] * 17), '[{"type":"meter_access","type":"meter_access"}]',
    as_json([METER | {"identifier": "a\x00"}]), "[" * 100, as_json([METER | {"type": ["meter_access"]}]),
])
def test_details_that_are_not_ours_are_refused(text: str) -> None:
    """RFC 9396 section 5: unknown type, unknown field, wrong type of a field, or no JSON."""
    with pytest.raises(OAuthError) as refusal:
        read(text, ("meter_access",))
    assert refusal.value.code == "invalid_authorization_details"


def test_details_of_our_shape_are_read() -> None:
    """RFC 9396 section 2.2."""
    detail = METER | {"locations": ["https://meters.grid.test/"], "datatypes": ["readings"], "privileges": ["owner"]}

    assert read(as_json([detail, METER]), ("meter_access",)) == (detail, METER)


@pytest.mark.parametrize("text", [
    "", "[]", "null", "1", '{"userinfo": []}', '{"userinfo": {"email": true}}', '{"id_token": {"acr": "x"}}',
    '{"id_token": {"acr": {"essential": "yes"}}}', '{"id_token": {"acr": {"values": "x"}}}',
    '{"id_token": {"acr": {"value": {"a": 1}}}}', '{"userinfo": {}, "userinfo": {}}', '{"userinfo": {"a": NaN}}',
    '{"userinfo": {"a": 1e999}}', "{" * 100, as_json({"userinfo": {f"c{number}": None for number in range(65)}}),
    as_json({"userinfo": {"a" * 5_000: None}}),
])
def test_a_claims_parameter_of_another_shape_is_refused(text: str) -> None:
    """OIDC Core section 5.5."""
    with pytest.raises(AuthorizationError):
        read_claims(text, EVERYTHING)


def test_claims_open_nothing_the_scopes_would_not() -> None:
    """A client that is not registered for a scope cannot get its claims one by one."""
    text = as_json({"userinfo": {"email": {"essential": True}, "name": None, "acr": None}, "other": {"a": 1}})

    assert read_claims(text, frozenset({"openid", "profile"})) == {"userinfo": {"name": None, "acr": None}}
