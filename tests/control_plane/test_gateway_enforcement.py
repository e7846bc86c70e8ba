"""The road of a request through the gateway: what passes, what is refused, and what is sealed about it."""

from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response

from control_plane.gateway.enforcement import LEARN_BELOW
from control_plane.gateway.routes import AmbiguousRouteError
from shared_kernel.endpoint import Endpoint
from shared_kernel.errors import ConflictError, UnavailableError
from shared_kernel.principal import Role
from tests.control_plane.gateway_city import BrokenLedger, City, FixedRisk, Rules, Ruling, ask

ADMIN = {"Authorization": "Bearer admin"}
VIEWER = {"Authorization": "Bearer viewer"}


async def test_an_allowed_request_reaches_its_handler_with_a_sealed_permit() -> None:
    city = City()

    told = await ask(city.gateway(), "GET", "/api/v1/readings/m-1", headers={**VIEWER, "Access-Purpose": "billing"})

    assert told.status == 200
    assert told.json == {"meter_id": "m-1"}
    [context] = city.contexts
    assert (context.principal.name, context.permit, context.purpose, context.risk) == ("vera", 0, "billing", 7)
    assert context.obligations == {"mask": {"columns": ["customer_id"]}}
    assert context.request_id == told.headers["x-request-id"]


async def test_the_policy_is_asked_about_subject_resource_and_context() -> None:
    city = City()

    await ask(city.gateway(), "GET", "/api/v1/readings/m-1", headers={**VIEWER, "Access-Purpose": "billing"},
              peer="::ffff:203.0.113.9")

    [question] = city.policy.questions
    assert question.action == "grid.read"
    assert question.subject == {
        "id": "u-viewer", "kind": "person", "roles": [Role.GRID_VIEWER.value], "scopes": [], "client_id": None,
        "acr": None, "amr": [], "auth_age_s": None,
    }
    assert question.resource == {
        "path": "/api/v1/readings/m-1", "method": "GET", "dataset": "grid.meter_readings",
        "classification": "INTERNAL", "columns": {"customer_id": "RESTRICTED"},
    }
    assert question.context == {
        "source_ip": "203.0.113.9", "purpose": "billing", "risk": 7, "hour_utc": 11, "loopback": False,
    }


async def test_the_sealed_decision_says_who_what_and_why() -> None:
    city = City()

    told = await ask(city.gateway(), "GET", "/api/v1/readings/m-1", headers={**VIEWER, "User-Agent": "curl/8"})

    [event] = city.ledger.events
    assert event["event"]["action"] == "access_decision"
    assert event["event"]["category"] == ["web"]
    assert event["event"]["type"] == ["access", "allowed"]
    assert event["user"] == {"id": "u-viewer", "name": "vera", "roles": ["grid_viewer"]}
    assert event["grid"]["decision"] == {
        "allow": True, "reasons": ["a role allows it"], "obligations": {"mask": {"columns": ["customer_id"]}},
        "revision": "r1", "action": "grid.read", "risk": 7, "risk_reasons": ["new address"],
    }
    assert event["grid"]["resource"] == {
        "path": "/api/v1/readings/{meter_id}", "method": "GET", "dataset": "grid.meter_readings",
    }
    assert event["url"] == {"path": "/api/v1/readings/m-1"}
    assert event["http"]["request"] == {"method": "GET", "id": told.headers["x-request-id"]}
    assert event["user_agent"] == {"original": "curl/8"}


async def test_a_denied_request_is_explained_sealed_and_never_handled() -> None:
    city = City()

    told = await ask(city.gateway(), "GET", "/admin/users", headers=VIEWER)

    assert told.status == 403
    assert told.headers["content-type"] == "application/problem+json"
    assert told.json == {
        "type": "urn:gridwarden:problem:forbidden", "title": "Forbidden", "status": 403,
        "detail": "the policy does not allow this", "request_id": told.headers["x-request-id"],
        "reasons": ["no role allows it"], "why": f"/why/{told.headers['x-request-id']}", "instance": "/admin/users",
    }
    assert city.contexts == []
    assert city.ledger.events[0]["event"]["outcome"] == "failure"
    assert city.ledger.events[0]["event"]["type"] == ["access", "denied"]


async def test_a_stranger_is_asked_to_authenticate() -> None:
    city = City()

    told = await ask(city.gateway(), "GET", "/admin/users")

    assert told.status == 401
    assert told.headers["www-authenticate"] == (
        'Bearer realm="gridwarden", DPoP algs="ES256 PS256 EdDSA Ed25519"')
    assert "reasons" not in told.json
    assert len(city.ledger.events) == 1


async def test_a_stranger_learns_nothing_about_which_paths_and_methods_exist() -> None:
    gateway = City().gateway()

    told = [await ask(gateway, *request) for request in (
        ("GET", "/admin/users"), ("DELETE", "/admin/users"), ("GET", "/nowhere"), ("GET", "/stream"),
    )]

    assert {answer.status for answer in told} == {401}
    assert len({(answer.json["detail"], *sorted(answer.headers)) for answer in told}) == 1


async def test_strangers_reach_public_routes() -> None:
    city = City()

    told = await ask(city.gateway(), "GET", "/public")

    assert told.status == 200
    assert city.contexts[0].principal.subject == "anonymous"
    assert city.contexts[0].permit == 0


async def test_an_unknown_path_is_a_decision_too() -> None:
    city = City()

    told = await ask(city.gateway(), "GET", "/nowhere", headers=ADMIN)

    assert told.status == 404
    assert city.ledger.events[0]["grid"]["decision"]["action"] == "gateway.unknown"


async def test_an_unoffered_method_names_the_offered_ones() -> None:
    told = await ask(City().gateway(), "DELETE", "/admin/users", headers=VIEWER)

    assert told.status == 405
    assert told.headers["allow"] == "GET, HEAD"


async def test_head_is_decided_as_the_get_it_is() -> None:
    city = City()

    told = await ask(city.gateway(), "HEAD", "/admin/users", headers=ADMIN)

    assert told.status == 200
    assert city.policy.questions[0].action == "users.read"


@pytest.mark.parametrize("path", [
    "/admin%2fusers", "/admin/users%0a", "//admin/users", "/x/../admin/users", "/admin/users;x", "/admin\\users",
    "/admin%252fusers", "/admin/%2e/users", "/admin/users#x", b"/admin/\xff", "http://x/admin/users", "",
])
async def test_a_path_with_another_spelling_is_refused_before_anyone_is_asked(path: str | bytes) -> None:
    city = City()

    told = await ask(city.gateway(), "GET", path, headers=ADMIN)

    assert told.status == 400
    assert told.json["type"] == "urn:gridwarden:problem:path-refused"
    assert city.contexts == []
    assert city.policy.questions == []


@pytest.mark.parametrize("name", [
    "X-User", "X_User", "X-Roles", "X-Forwarded-For", "X-Forwarded-User", "X-HTTP-Method-Override", "X-Original-URL",
    "X-Rewrite-URL", "Forwarded", "X-Request-ID", "Remote_User", "X-Real-IP", "True-Client-IP", "Remote-User",
    "X-Gridwarden-Assertion", "x-gridwarden-subject", "Gridwarden-Request-Id", "X-HTTP-Method", "X-Method-Override",
    "X-Forwarded-Proto", "X-Forwarded-Host", "X-Original-Host", "Remote-Groups", "Proxy-Authorization", "SSL-Client-DN",
    "Front-End-Https", "CF-Connecting-IP", "Client-Cert", "X-Authenticated-User", "x_roles", "Via",
])
async def test_client_sent_identity_headers_never_reach_a_handler(name: str) -> None:
    city = City()

    told = await ask(city.gateway(), "GET", "/public", headers={name: "admin", "Accept": "*/*"})

    assert told.status == 200
    assert dict(city.scopes[0]["headers"]) == {b"accept": b"*/*"}
    assert city.contexts[0].principal.subject == "anonymous"
    assert told.headers["x-request-id"] != "admin"


@pytest.mark.parametrize("named", ["authorization", "host", "x-request-id, authorization", "close, access-purpose"])
async def test_a_field_that_connection_names_still_counts(named: str) -> None:
    city = City()

    told = await ask(city.gateway(), "GET", "/admin/users", headers={**ADMIN, "Connection": named,
                                                                     "Access-Purpose": "billing"})

    assert told.status == 200
    assert (city.contexts[0].principal.name, city.contexts[0].purpose) == ("ada", "billing")
    assert told.headers["x-request-id"] == city.contexts[0].request_id


@pytest.mark.parametrize("authorization", ["Bearer stolen", "Bearer", "Digest x", "admin", "bearer\tadmin", ""])
async def test_a_bad_credential_is_refused_sealed_and_not_taken_for_a_stranger(authorization: str) -> None:
    city = City()

    told = await ask(city.gateway(), "GET", "/public", headers={"Authorization": authorization})

    assert told.status == 401
    assert told.headers["www-authenticate"] == (
        'Bearer realm="gridwarden", error="invalid_token", DPoP algs="ES256 PS256 EdDSA Ed25519"')
    assert city.contexts == []
    assert city.ledger.events[0]["event"]["reason"] == "the credential is not valid"


async def test_a_clients_basic_credentials_are_its_own_business_with_the_token_endpoint() -> None:
    city = City()

    allowed = await ask(city.gateway(), "GET", "/public", headers={"Authorization": "Basic eDp5"})
    refused = await ask(city.gateway(), "GET", "/admin/users", headers={"Authorization": "Basic eDp5"})

    assert (allowed.status, refused.status) == (200, 401)


@pytest.mark.parametrize("name", ["Authorization", "Content-Type", "Access-Purpose", "Host", "Content-Length"])
async def test_a_header_that_must_be_single_and_is_not_is_malformed(name: str) -> None:
    city = City()

    told = await ask(city.gateway(), "GET", "/admin/users", headers=[(name, "Bearer admin"), (name, "Bearer viewer")])

    assert told.status == 400
    assert name.lower() in told.json["detail"]
    assert city.contexts == []


@pytest.mark.parametrize("purpose", ["Billing", "a b", "x" * 41, "", "billing\r\nX: y", "é"])
async def test_a_purpose_that_is_not_a_word_is_malformed(purpose: str) -> None:
    told = await ask(City().gateway(), "GET", "/admin/users", headers={**ADMIN, "Access-Purpose": purpose})

    assert told.status == 400


async def test_a_compressed_body_is_not_taken() -> None:
    told = await ask(City().gateway(), "POST", "/public", headers={"Content-Encoding": "gzip"}, chunks=[b"\x1f\x8b"])

    assert told.status == 415


async def test_a_body_longer_than_its_route_takes_is_cut_off_while_it_arrives() -> None:
    told = await ask(City().gateway(), "POST", "/public", headers={"Content-Length": "3"}, chunks=[b"x" * 60] * 9)

    assert told.status == 413
    assert told.headers["connection"] == "close"


async def test_a_declared_length_over_the_cap_is_refused_before_a_byte_is_read() -> None:
    city = City()

    told = await ask(city.gateway(), "POST", "/public", headers={"Content-Length": "65"})

    assert told.status == 413
    assert city.contexts == []


async def test_a_body_within_the_cap_arrives_whole() -> None:
    told = await ask(City().gateway(), "POST", "/public", chunks=[b"x" * 32, b"y" * 32])

    assert told.body == b"x" * 32 + b"y" * 32


@pytest.mark.parametrize("length", ["-1", "1e3", "", " 5", "²"])
async def test_an_unreadable_length_is_malformed(length: str) -> None:
    told = await ask(City().gateway(), "POST", "/public", headers={"Content-Length": length})

    assert told.status == 400


async def test_without_a_ledger_nothing_is_done() -> None:
    city = City(ledger=BrokenLedger())

    told = await ask(city.gateway(), "GET", "/admin/users", headers=ADMIN)

    assert told.status == 503
    assert told.headers["retry-after"] == "1"
    assert city.contexts == []


@pytest.mark.parametrize("request_of", [("GET", "/admin/users"), ("GET", "/nowhere"), ("GET", "/public")])
async def test_not_even_a_refusal_leaves_unsealed(request_of: tuple[str, str]) -> None:
    told = await ask(City(ledger=BrokenLedger()).gateway(), *request_of)

    assert told.status == 503


async def test_probes_answer_without_identity_policy_and_ledger() -> None:
    city = City(identity=None, policy=None, ledger=BrokenLedger())

    told = await ask(city.gateway(), "GET", "/health/live")

    assert told.status == 200
    assert city.contexts[0].permit is None


async def test_risk_is_observed_after_an_accepted_request_and_not_for_strangers() -> None:
    city = City()
    gateway = city.gateway()

    await ask(gateway, "GET", "/admin/users", headers=ADMIN)
    await ask(gateway, "GET", "/admin/users", headers=VIEWER)
    await ask(gateway, "GET", "/public")

    assert [features.subject for features in city.risk.observed] == ["u-admin"]


async def test_a_stolen_token_does_not_make_itself_familiar() -> None:
    city = City(risk=FixedRisk(LEARN_BELOW))

    await ask(city.gateway(), "GET", "/admin/users", headers=ADMIN)

    assert city.policy.questions[0].context["risk"] == LEARN_BELOW
    assert city.risk.observed == []


@pytest.mark.parametrize("value", [RuntimeError("no model"), float("nan"), None, -1, 101, True, "3"])
async def test_a_risk_that_cannot_be_scored_is_the_highest(value: Any) -> None:
    city = City(risk=FixedRisk(value))

    await ask(city.gateway(), "GET", "/admin/users", headers=ADMIN)

    assert city.policy.questions[0].context["risk"] == 100
    assert city.ledger.events[0]["grid"]["decision"]["risk_reasons"] == ["the risk could not be scored"]


async def test_every_answer_carries_the_security_headers() -> None:
    gateway = City().gateway()

    for method, path in (("GET", "/public"), ("GET", "//"), ("GET", "/admin/users"), ("GET", "/health/live")):
        told = await ask(gateway, method, path, scheme="https")
        assert told.headers["x-content-type-options"] == "nosniff"
        assert told.headers["referrer-policy"] == "no-referrer"
        assert told.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert told.headers["cache-control"] == "no-store"
        assert told.headers["strict-transport-security"].startswith("max-age=")


async def test_a_handler_may_choose_its_own_content_policy_and_caching() -> None:
    async def page(_request: Request) -> Response:
        return Response(b"", headers={"Content-Security-Policy": "default-src 'self'", "Cache-Control": "max-age=60",
                                      "X-Request-ID": "forged"})
    city = City(more=(Endpoint("GET", "/page", "public.read", page),))

    told = await ask(city.gateway(), "GET", "/page")

    assert told.headers["content-security-policy"] == "default-src 'self'"
    assert told.headers["cache-control"] == "max-age=60"
    assert told.headers["x-request-id"] != "forged"
    assert "strict-transport-security" not in told.headers


@pytest.mark.parametrize(("error", "status", "detail"), [
    (ConflictError("it is closed"), 409, "it is closed"),
    (UnavailableError("the bus is down"), 503, "the bus is down"),
    (RuntimeError("password=hunter2"), 500, "something failed on our side; the request id finds it in our logs"),
])
async def test_a_handlers_error_is_a_problem_that_keeps_our_secrets(error: Exception, status: int, detail: str) -> None:
    async def fail(_request: Request) -> Response:
        raise error
    city = City(more=(Endpoint("GET", "/fail", "public.read", fail),))

    told = await ask(city.gateway(), "GET", "/fail")

    assert (told.status, told.json["detail"]) == (status, detail)


async def test_a_kind_of_scope_nobody_defined_is_refused() -> None:
    with pytest.raises(NotImplementedError):
        await ask(City().gateway(), "GET", "/public", kind="telnet")


def test_one_method_and_path_cannot_be_offered_twice() -> None:
    async def nothing(_request: Request) -> Response:
        return Response()
    again = Endpoint("GET", "/api/v1/readings/{other}", "grid.read", nothing)

    with pytest.raises(AmbiguousRouteError):
        City(more=(again,)).gateway()


async def test_a_policy_that_allows_everything_does_not_make_paths_exist() -> None:
    async def allow(_question: Any) -> Ruling:
        return Ruling(allow=True)
    city = City(policy=Rules(allow))

    told = await ask(city.gateway(), "GET", "/nowhere", headers=ADMIN)

    assert told.status == 404
    assert len(city.ledger.events) == 1
