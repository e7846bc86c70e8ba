"""What a decision demands: fulfilled by the gateway or by the route, or the answer is no."""

from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response

from control_plane.gateway.watermark import NoWatermarkError, Watermarks, read_mark
from shared_kernel.context import context_of
from shared_kernel.endpoint import Endpoint
from tests.control_plane.gateway_city import PEOPLE, City, Rules, Ruling, ask

VIEWER = {"Authorization": "Bearer viewer"}
READINGS = "/api/v1/readings/m-1"
MARKS = Watermarks(b"k" * 32)


def _deciding(**ruling: Any) -> City:
    async def decide(_question: Any) -> Ruling:
        return Ruling(**{"allow": True, "reasons": ("fine",), **ruling})

    return City(policy=Rules(decide))


@pytest.mark.parametrize("obligations", [
    {"row_filter": {"column": "meter_id", "in": ["M-1"]}}, {"aggregate_floor": {"n": 5, "grain": "hour"}},
    {"watermark": {}}, {"mask": {"columns": ["customer_id"]}, "row_filter": {"column": "meter_id", "in": []}},
])
async def test_a_demand_that_nobody_on_the_route_meets_is_a_no(obligations: dict[str, Any]) -> None:
    city = _deciding(obligations=obligations)

    told = await ask(city.gateway(), "GET", READINGS, headers=VIEWER)

    assert told.status == 403
    assert "this route cannot fulfil" in told.json["reasons"][0]
    assert city.contexts == []
    sealed = city.ledger.events[0]["grid"]["decision"]
    assert (sealed["allow"], sealed["obligations"]) == (False, obligations)


async def test_a_mask_is_no_business_of_a_route_without_data() -> None:
    city = _deciding(obligations={"mask": {"columns": ["customer_id"]}})

    assert (await ask(city.gateway(), "GET", "/admin/users", headers=VIEWER)).status == 403
    assert (await ask(city.gateway(), "GET", READINGS, headers=VIEWER)).status == 200


async def test_to_tell_somebody_the_sealed_decision_is_enough() -> None:
    city = _deciding(obligations={"notify": {"whom": "security", "why": "risk 67 is elevated"}})

    told = await ask(city.gateway(), "GET", "/admin/users", headers=VIEWER)

    assert told.status == 200
    assert city.ledger.events[0]["grid"]["decision"]["obligations"]["notify"]["whom"] == "security"


async def test_a_login_too_old_is_401_with_what_is_wanted() -> None:
    city = _deciding(allow=False, reasons=("log in again",), obligations={
        "step_up": {"acr": "urn:gridwarden:acr:mfa", "max_age": 900}})

    told = await ask(city.gateway(), "GET", "/admin/users", headers=VIEWER)

    assert told.status == 401
    challenge = told.headers["www-authenticate"]
    assert challenge.startswith("Bearer ")
    assert ('error="insufficient_user_authentication", acr_values="urn:gridwarden:acr:mfa", max_age="900"') in challenge
    assert told.json["type"] == "urn:gridwarden:problem:insufficient-user-authentication"
    assert (told.json["max_age"], told.json["reasons"]) == (900, ["log in again"])
    assert city.contexts == []


async def test_a_token_bound_to_a_key_is_challenged_in_its_own_scheme() -> None:
    city = _deciding(allow=False, reasons=("log in again",), obligations={"step_up": {"max_age": 900}})
    city.identity = _AnyToken()

    told = await ask(city.gateway(), "GET", "/admin/users", headers={"Authorization": "DPoP viewer"})

    assert 'error="insufficient_user_authentication"' in told.headers["www-authenticate"].split("DPoP", 1)[1]


class _AnyToken:
    async def authenticate(self, _credentials: Any) -> Any:
        return PEOPLE["Bearer viewer"]

    def fresh_nonce(self) -> str:
        return "n"


@pytest.mark.parametrize("name", [
    "Obligations", "X-Obligations", "Gridwarden-Obligations", "Gridwarden-Watermark", "X-Gridwarden-Step-Up",
])
async def test_what_a_client_says_of_obligations_changes_nothing(name: str) -> None:
    city = _deciding(obligations={"mask": {"columns": ["customer_id"]}})

    told = await ask(city.gateway(), "GET", READINGS, headers={**VIEWER, name: '{"mask": {"columns": []}}'})

    assert told.status == 200
    assert city.contexts[0].obligations == {"mask": {"columns": ["customer_id"]}}
    assert city.contexts[0].watermark is None
    assert "gridwarden-watermark" not in told.headers


async def test_a_demanded_mark_is_in_the_answer_and_leads_back() -> None:
    city = _deciding(obligations={"watermark": {}})
    city.watermarks = MARKS

    told = await ask(city.gateway(), "GET", "/admin/users", headers=VIEWER)

    mark = read_mark(told.headers["gridwarden-watermark"])
    assert city.contexts[0].watermark == told.headers["gridwarden-watermark"]
    assert mark.request_id == told.headers["x-request-id"]
    assert MARKS.is_genuine(mark, "u-viewer")


async def test_a_route_cannot_put_a_mark_of_its_own_on_an_answer() -> None:
    async def forging(request: Request) -> Response:
        assert context_of(request.scope).watermark is None
        return Response(b"{}", headers={"Gridwarden-Watermark": "gw1.forged"})

    city = City(more=(Endpoint("GET", "/forging", "public.read", forging),))

    assert "gridwarden-watermark" not in (await ask(city.gateway(), "GET", "/forging")).headers


def test_a_mark_is_genuine_for_its_subject_request_and_time_alone() -> None:
    text = MARKS.mark("u-1", "01a1ff22-2b65-7f89-884d-d0dbda81296e", 1_795_000_000_000_000)
    mark = read_mark(text)

    assert MARKS.is_genuine(mark, "u-1")
    assert not MARKS.is_genuine(mark, "u-2")
    assert not MARKS.is_genuine(read_mark(text.replace("d0dbda81296e", "d0dbda81296f")), "u-1")
    assert not MARKS.is_genuine(read_mark(text.replace(".1795", ".1796")), "u-1")
    assert not Watermarks(b"x" * 32).is_genuine(mark, "u-1")
    assert "u-1" not in text


@pytest.mark.parametrize("text", ["", "gw1", "gw1...",
                                  "gw2.01a1ff22-2b65-7f89-884d-d0dbda81296e.1.AAAAAAAAAAAAAAAAAAAAAA",
                                  "gw1.01a1ff22-2b65-7f89-884d-d0dbda81296e.1.AAAAAAAAAAAAAAAAAAAAAA\n"])
def test_what_is_no_mark_is_refused(text: str) -> None:
    with pytest.raises(NoWatermarkError):
        read_mark(text)
