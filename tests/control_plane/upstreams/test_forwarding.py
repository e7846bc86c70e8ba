"""A request through the gateway to a service on a real socket, and its answer back."""

import asyncio
from pathlib import Path

import pytest

from identity.domain.jose.front import verified_claims
from identity.domain.oauth.errors import InvalidTokenError
from tests.control_plane.gateway_city import City
from tests.control_plane.upstreams.bed import ADMIN, ISSUER, Scripted, Seen, ask, bed, ok, plan_of, scripted


async def test_a_request_reaches_the_service_by_its_own_path_and_the_answer_comes_back(tmp_path: Path) -> None:
    async with scripted(ok(b"the bill")) as service, bed(tmp_path, plan_of(service.url)) as here:
        told = await ask(here.gateway, "GET", "/billing/a%20b/c", headers={**ADMIN, "Accept": "text/plain"},
                         query=b"year=2026&a=%20")

    assert (told.status, told.body, told.headers["content-type"]) == (200, b"the bill", "text/plain")
    [seen] = service.seen
    assert seen.line == "GET /v2/a%20b/c?year=2026&a=%20 HTTP/1.1"
    assert seen.fields["host"] == f"127.0.0.1:{service.port}"
    assert seen.fields["accept"] == "text/plain"


async def test_what_the_caller_may_not_do_never_reaches_the_service(tmp_path: Path) -> None:
    plan = plan_of("http://127.0.0.1:1").replace("public.read", "bills.read")

    async with bed(tmp_path, plan) as here:
        stranger = await ask(here.gateway, "GET", "/billing/1")
        viewer = await ask(here.gateway, "GET", "/billing/1", headers={"Authorization": "Bearer viewer"})

    assert (stranger.status, viewer.status) == (401, 403)
    assert [event["grid"]["decision"]["action"] for event in here.city.ledger.events] == ["bills.read"] * 2


async def test_who_asks_is_asserted_for_this_service_and_request(tmp_path: Path) -> None:
    async with scripted(ok()) as service, bed(tmp_path, plan_of(service.url)) as here:
        told = await ask(here.gateway, "GET", "/billing/1", headers=ADMIN)

    assertion = service.seen[0].fields["x-gridwarden-assertion"]
    claims = verified_claims(assertion, here.pen.keys.rings, token_type="gridwarden-assertion+jwt", issuer=ISSUER)
    assert claims["aud"] == "urn:gridwarden:service:billing"
    assert (claims["sub"], claims["roles"], claims["htm"], claims["path"]) == ("u-admin", ["admin"], "GET", "/v2/1")
    assert claims["request_id"] == told.headers["x-request-id"] == service.seen[0].fields["x-request-id"]
    assert 0 < claims["exp"] - claims["iat"] <= 30


async def test_an_assertion_passes_for_no_other_token(tmp_path: Path) -> None:
    async with scripted(ok()) as service, bed(tmp_path, plan_of(service.url)) as here:
        await ask(here.gateway, "GET", "/billing/1", headers=ADMIN)

    with pytest.raises(InvalidTokenError):
        here.pen.verified(service.seen[0].fields["x-gridwarden-assertion"], token_type="at+jwt")


FORGED = {
    "X-User": "root", "X-Roles": "admin", "X-Gridwarden-Assertion": "forged", "X-Forwarded-For": "6.6.6.6",
    "X-Forwarded-Host": "evil.test", "Forwarded": "for=6.6.6.6", "Via": "1.0 evil", "DPoP": "proof",
    "X-Request-Timeout-Ms": "999999", "Cookie": "gw_session=stolen; other=1", "From": "root@grid.test",
    "Keep-Alive": "timeout=9", "TE": "trailers", "Connection": "Accept-Language, X-Gridwarden-Assertion",
    "Accept-Language": "sq", "Upgrade": "h2c", "Proxy-Connection": "keep-alive", "Expect": "100-continue",
}


async def test_neither_credentials_nor_forged_nor_hop_by_hop_fields_reach_the_service(tmp_path: Path) -> None:
    async with scripted(ok()) as service, bed(tmp_path, plan_of(service.url)) as here:
        await ask(here.gateway, "GET", "/billing/1", headers={**ADMIN, **FORGED}, peer="10.9.8.7")

    fields = service.seen[0].fields
    ours = {"x-gridwarden-assertion", "x-forwarded-for", "x-forwarded-host", "via", "x-request-timeout-ms"}
    assert {name.lower() for name in (*FORGED, "Authorization")} & fields.keys() == ours
    assert (fields["x-forwarded-for"], fields["x-forwarded-host"], fields["via"]) == (
        "10.9.8.7", "grid.test", "1.1 gridwarden")
    assert fields["x-gridwarden-assertion"].count(".") == 2
    assert int(fields["x-request-timeout-ms"]) <= 15_000


async def test_a_service_that_echoes_our_fields_is_not_heard(tmp_path: Path) -> None:
    async def echo(seen: Seen, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        echoed = [f"{name}: {value}".encode() for name, value in seen.fields.items()
                  if name not in {"host", "content-length"}]
        stolen = b"X-Copy: " + seen.fields["x-gridwarden-assertion"].encode()
        writer.write(ok(b"", *echoed, stolen, b"Server: secret/1", b"X-Powered-By: PHP", b"X-Total: 7",
                        b'RateLimit: "address";r=9999', b'RateLimit-Policy: "address";q=9999',
                        b"Gridwarden-Watermark: forged", b"X_Gridwarden_Assertion: forged"))

    async with scripted(echo) as service, bed(tmp_path, plan_of(service.url)) as here:
        told = await ask(here.gateway, "GET", "/billing/1", headers=ADMIN)

    assert told.headers["x-total"] == "7"
    assert told.headers.keys() <= {
        "x-total", "content-type", "content-length", "x-content-type-options", "referrer-policy", "x-request-id",
        "content-security-policy", "cache-control", "x-requested-with", "gridwarden-request-id"}


async def test_a_service_cannot_speak_for_the_gateways_origin(tmp_path: Path) -> None:
    fields = (
        b"Set-Cookie: gw_session=planted; Path=/", b"Set-Cookie: basket=1; Domain=grid.test; Path=/b",
        b"Content-Security-Policy: default-src *", b"Access-Control-Allow-Origin: *", b'Clear-Site-Data: "*"',
        b"Strict-Transport-Security: max-age=0", b"Cache-Control: public, max-age=9", b"Refresh: 0; url=//evil.test",
        b"Service-Worker-Allowed: /", b'Alt-Svc: h3=":1"', b"X-Frame-Options: ALLOWALL", b'ETag: "v1"')

    plan = plan_of("URL", service="cookies: [basket]")
    async with scripted(ok(b"x", *fields)) as service, bed(tmp_path, plan.replace("URL", service.url)) as here:
        told = await ask(here.gateway, "GET", "/billing/1", headers={**ADMIN, "Cookie": "gw_session=s; basket=2"})

    assert told.headers["set-cookie"] == "basket=1; Path=/b; Secure; HttpOnly; SameSite=Strict"
    assert told.headers["cache-control"] == "no-store"
    assert told.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert told.headers["etag"] == '"v1"'
    assert not {"access-control-allow-origin", "clear-site-data", "refresh", "alt-svc"} & told.headers.keys()
    assert service.seen[0].fields["cookie"] == "basket=2"


@pytest.mark.parametrize(("given", "public"), [
    (b"/v2/new/7?x=1", "/billing/new/7?x=1"), (b"http://127.0.0.1:PORT/v2/new", "/billing/new"),
    (b"next", "/billing/next"), (b"//evil.test/v2/x", None), (b"https://evil.test/v2/x", None),
    (b"/admin", None), (b"javascript:alert(1)", None), (b"/v2/../../admin", None), (b"/v2/a%2f..", None),
])
async def test_a_location_leads_to_the_gateway_or_nowhere(tmp_path: Path, given: bytes, public: str | None) -> None:
    async def redirect(_seen: Seen, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        place = given.replace(b"PORT", str(service.port).encode())
        writer.write(ok(b"", b"Location: " + place, status=b"302 Found"))

    service: Scripted
    async with scripted(redirect) as service, bed(tmp_path, plan_of(service.url)) as here:
        told = await ask(here.gateway, "GET", "/billing/1", headers=ADMIN)

    assert (told.status, told.headers.get("location")) == ((302, public) if public else (502, None))


async def test_a_servers_fault_is_told_in_our_words(tmp_path: Path) -> None:
    answer = ok(b"Traceback: password=hunter2", b"Retry-After: 7", status=b"503 Service Unavailable")

    async with scripted(answer) as service, bed(tmp_path, plan_of(service.url)) as here:
        told = await ask(here.gateway, "GET", "/billing/1", headers=ADMIN)

    assert (told.status, told.headers["retry-after"]) == (503, "7")
    assert b"hunter2" not in told.body
    assert told.json["type"] == "urn:gridwarden:problem:service-failed"


@pytest.mark.parametrize("status", [b"401 Unauthorized", b"407 Proxy Authentication Required"])
async def test_a_service_that_refuses_the_gateway_is_a_bad_gateway(tmp_path: Path, status: bytes) -> None:
    answer = ok(b"", b"WWW-Authenticate: Basic realm=phish", status=status)

    async with scripted(answer) as service, bed(tmp_path, plan_of(service.url)) as here:
        told = await ask(here.gateway, "GET", "/billing/1", headers=ADMIN)

    assert told.status == 502
    assert "www-authenticate" not in told.headers


@pytest.mark.parametrize(("method", "answer", "length"), [
    ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 4096\r\n\r\n", "4096"),
    ("GET", b"HTTP/1.1 204 No Content\r\n\r\n", None),
    ("GET", b'HTTP/1.1 304 Not Modified\r\nETag: "v1"\r\nContent-Length: 9\r\n\r\n', None),
    ("GET", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "0"),
])
async def test_answers_without_a_body_are_framed_as_such(
    tmp_path: Path, method: str, answer: bytes, length: str | None,
) -> None:
    async with scripted(answer) as service, bed(tmp_path, plan_of(service.url)) as here:
        told = await ask(here.gateway, method, "/billing/1", headers=ADMIN)
        again = await ask(here.gateway, method, "/billing/1", headers=ADMIN)

    assert (told.body, told.headers.get("content-length"), again.status) == (b"", length, told.status)
    assert "link" not in told.headers
    assert service.connections == 1


async def test_a_compressed_answer_passes_untouched(tmp_path: Path) -> None:
    async with scripted(ok(b"\x1f\x8bnot really", b"Content-Encoding: gzip")) as service, bed(
            tmp_path, plan_of(service.url)) as here:
        told = await ask(here.gateway, "GET", "/billing/1", headers={**ADMIN, "Accept-Encoding": "gzip"})

    assert (told.body, told.headers["content-encoding"]) == (b"\x1f\x8bnot really", "gzip")
    assert service.seen[0].fields["accept-encoding"] == "gzip"


@pytest.mark.parametrize("headers", [{"Content-Length": "9"}, {"Transfer-Encoding": "chunked"}])
async def test_a_body_passes_framed_as_it_came(tmp_path: Path, headers: dict[str, str]) -> None:
    async with scripted(ok()) as service, bed(tmp_path, plan_of(service.url)) as here:
        told = await ask(here.gateway, "POST", "/billing/1", headers={**ADMIN, **headers}, chunks=(b"pay ", b"bills"))

    assert told.status == 200
    assert service.seen[0].body == b"pay bills"
    assert headers.items() <= {name.title(): value for name, value in service.seen[0].fields.items()}.items()


async def test_a_body_over_the_routes_cap_is_cut_off_and_no_fault_of_the_service(tmp_path: Path) -> None:
    plan = plan_of("URL").replace("1000000", "10")
    async with scripted(ok()) as service, bed(tmp_path, plan.replace("URL", service.url)) as here:
        for _ in range(6):
            told = await ask(here.gateway, "POST", "/billing/1", headers={**ADMIN, "Transfer-Encoding": "chunked"},
                             chunks=(b"x" * 8, b"y" * 8))
            assert told.status == 413
        fine = await ask(here.gateway, "GET", "/billing/1", headers=ADMIN)

    assert fine.status == 200


async def test_a_condition_the_service_does_not_fulfil_is_a_sealed_no(tmp_path: Path) -> None:
    plan = plan_of("URL", route="dataset: grid.meter_readings").replace("public.read", "grid.read")
    promising = plan.replace("routes:", "    fulfils: [mask]\nroutes:")
    async with scripted(ok()) as service:
        async with bed(tmp_path, plan.replace("URL", service.url)) as here:
            refused = await ask(here.gateway, "GET", "/billing/1", headers=ADMIN)
        async with bed(tmp_path, promising.replace("URL", service.url), city=City()) as there:
            told = await ask(there.gateway, "GET", "/billing/1", headers=ADMIN)

    assert (refused.status, told.status) == (403, 200)
    assert here.city.ledger.events[0]["grid"]["decision"]["allow"] is False
    [seen] = service.seen
    claims = there.pen.verified(seen.fields["x-gridwarden-assertion"], token_type="gridwarden-assertion+jwt")
    assert claims["obligations"] == {"mask": {"columns": ["customer_id"]}}
