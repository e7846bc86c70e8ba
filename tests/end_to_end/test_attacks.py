"""Attacks on the whole running product: at its door, with its tokens, through its roles."""

import asyncio
import hashlib
import hmac
import re

import httpx2 as httpx
import pytest
import websockets
from websockets.asyncio.client import connect

from control_plane.cli.person import Person
from control_plane.demo.instance import Instance
from shared_kernel.clock import SystemClock, to_iso
from shared_kernel.ids import uuid7
from tests.end_to_end.conftest import People
from tests.end_to_end.visitors import CodeHolder, lines, opened, part, say, unpadded

PARALLEL = 20
STREAM = "/api/v1/decisions/stream"


def _reading(meter: str, **changed: str) -> dict[str, str]:
    return {
        "event_id": uuid7(), "meter_id": meter, "customer_id": "CUS-0009", "reading_kwh": "10.5", "unit": "kWh",
        "observed_at": to_iso(SystemClock().now_us()), "provenance": "simulated", **changed,
    }


# ------------------------------------------------------------------------------------------------------- the door


@pytest.mark.parametrize("target", [
    "/admin%2fusers", "/admin%2Fusers", "/admin/users%0a", "/api/v1%2fusers", "/api/v1/users%0a", "/api/v1/users%00",
    "//api/v1/users", "/api//v1/users", "/api/v1/x/../users", "/api/v1/./users", "/api/v1/%2e%2e/v1/users",
    "/api/v1/users/..", "/api/v1/users;a=b", "/api/v1\\users", "/api/v1%5cusers", "/api/v1%252fusers",
    "/api/v1/%75sers", "/api/v1/users%c0%af", "/api/v1/users#x", "/api/v1/users.",
])
async def test_another_spelling_of_a_path_is_refused_even_to_the_admin(
    instance: Instance, sign_in: People, target: str,
) -> None:
    admin = await sign_in("admin")

    answer = await say(instance.gateway, lines("GET", target, f"Authorization: Bearer {admin.tokens['access_token']}"))

    assert answer.status == 400, answer.text
    assert '"items"' not in answer.text


@pytest.mark.parametrize("request_bytes", [
    b"GET http://gateway/api/v1/users HTTP/1.1\r\nHost: gateway\r\n\r\n",
    b"GET /health HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    b"GET /health HTTP/1.1\r\n\r\n",
    b"GET /health HTTP/1.1\nHost: gateway\n\n",
    b"POST /oauth2/token HTTP/1.1\r\nHost: g\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST /oauth2/token HTTP/1.1\r\nHost: g\r\nContent-Length: +4\r\n\r\nabcd",
    b"GET /health HTTP/1.1\r\nHost : gateway\r\n\r\n",
    b"GET /health HTTP/1.1\r\nHost: gateway\r\n folded: yes\r\n\r\n",
    b"GET /health HTTP/1.1\r\nHost: gateway\r\nX: " + b"a" * 40_000 + b"\r\n\r\n",
], ids=["absolute-form", "two hosts", "no host", "bare LF", "both framings", "signed length", "space before colon",
        "folded field", "flood"])
async def test_a_head_that_two_servers_could_read_differently_is_refused(
    instance: Instance, request_bytes: bytes,
) -> None:
    answer = await say(instance.gateway, request_bytes)

    assert answer.status in {400, 431}, answer.text
    assert "connection: close" in answer.text.lower()


@pytest.mark.parametrize("path", ["/health", "/oauth2/token", "/api/v1/users"])
async def test_trace_is_taken_nowhere_and_echoes_nothing(instance: Instance, sign_in: People, path: str) -> None:
    bearer = f"Authorization: Bearer {(await sign_in('admin')).tokens['access_token']}"

    answer = await say(instance.gateway, lines("TRACE", path, bearer))

    assert (answer.status, "authorization" in answer.text.lower()) == (405, False)


@pytest.mark.parametrize("head", [b"Host: a\r\nHost: b", b"Host : a", b"Host: a\r\n folded: yes"])
async def test_the_console_is_as_strict_as_the_gateway(instance: Instance, head: bytes) -> None:
    answer = await say(instance.console, b"GET / HTTP/1.1\r\n" + head + b"\r\n\r\n")

    assert answer.status == 400, answer.text


@pytest.mark.parametrize("name", [
    "X-User", "X-User-Id", "X-Remote-User", "X-Forwarded-User", "X-Auth-Request-User", "Remote-User", "X-Roles",
    "X-Original-URL", "X-Rewrite-URL", "X-HTTP-Method-Override",
])
async def test_an_identity_claimed_in_a_header_is_nobodys(instance: Instance, sign_in: People, name: str) -> None:
    viewer = await sign_in("vera.viewer")
    bearer = {"authorization": f"Bearer {viewer.tokens['access_token']}"}
    async with httpx.AsyncClient(base_url=instance.gateway) as http:
        stranger = await http.get("/api/v1/users", headers={name: "admin"})
        insider = await http.get("/api/v1/users", headers={name: "admin"} | bearer)

    assert (stranger.status_code, insider.status_code) == (401, 403)


async def test_a_client_does_not_choose_its_address_or_its_request_id(instance: Instance, sign_in: People) -> None:
    viewer = await sign_in("vera.viewer")
    claims = {"x-forwarded-for": "203.0.113.9", "x-real-ip": "203.0.113.9", "x-request-id": "mine",
              "authorization": f"Bearer {viewer.tokens['access_token']}"}
    async with httpx.AsyncClient(base_url=instance.gateway) as http:
        request_id = (await http.get("/api/v1/users/me", headers=claims)).headers["x-request-id"]

    assert request_id != "mine"
    decision = (await viewer.ask("GET", f"/api/v1/decisions/{request_id}")).json()
    assert decision["source_ip"] == "127.0.0.1"


@pytest.mark.parametrize(("name", "status"), [(None, 401), ("vera.viewer", 403)])
async def test_a_websocket_without_a_good_token_is_refused_before_it_is_accepted(
    instance: Instance, sign_in: People, name: str | None, status: int,
) -> None:
    token = (await sign_in(name)).tokens["access_token"] if name else None
    headers = {"X-User": "admin"} | ({"Authorization": f"Bearer {token}"} if token else {})

    with pytest.raises(websockets.InvalidStatus) as refusal:
        await connect(instance.gateway.replace("http", "ws") + STREAM, additional_headers=headers)

    assert refusal.value.response.status_code == status


async def test_a_websocket_with_an_auditors_token_sees_the_next_decision(instance: Instance, sign_in: People) -> None:
    auditor = await sign_in("arta.auditor")
    bearer = {"Authorization": f"Bearer {auditor.tokens['access_token']}"}
    async with connect(instance.gateway.replace("http", "ws") + STREAM, additional_headers=bearer) as stream:
        await auditor.ask("GET", "/api/v1/ledger/head")
        async with asyncio.timeout(60):
            seen = [str(await stream.recv()) for _ in range(1)]

    assert '"ledger.read"' in seen[0]


# ---------------------------------------------------------------------------------------------------------- tokens


async def test_a_code_is_redeemed_once_and_its_replay_ends_what_it_gave(instance: Instance) -> None:
    async with CodeHolder(instance) as holder:
        code = await holder.code("ana.analyst")
        first = await holder.redeem(code)
        holder.tokens = first.json()
        before = await holder.ask("GET", "/api/v1/users/me")
        second = await holder.redeem(code)
        after = await holder.ask("GET", "/api/v1/users/me")

    assert (first.status_code, before.status_code, second.status_code, after.status_code) == (200, 200, 400, 401)
    assert second.json()["error"] == "invalid_grant"


async def test_of_twenty_parallel_redemptions_exactly_one_wins(instance: Instance) -> None:
    async with CodeHolder(instance) as holder:
        code = await holder.code("ana.analyst")
        answers = await asyncio.gather(*(holder.redeem(code) for _ in range(PARALLEL)))

    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [200] + [400] * (PARALLEL - 1)


@pytest.mark.parametrize("changed", [
    {"code_verifier": "x" * 43}, {"code_verifier": "x" * 42}, {"code_verifier": "x" * 129},
    {"code_verifier": "\u00e9" * 50}, {"code_verifier": ""},
    {"redirect_uri": "http://127.0.0.1/other"}, {"client_id": "gridwarden-console"},
    {"grant_type": "password"}, {"grant_type": "client_credentials"},
])
async def test_a_code_is_worth_nothing_without_what_belongs_to_it(instance: Instance, changed: dict[str, str]) -> None:
    async with CodeHolder(instance) as holder:
        answer = await holder.redeem(await holder.code("ana.analyst"), **changed)

    assert answer.status_code in {400, 401}, answer.text
    assert "access_token" not in answer.text


@pytest.mark.parametrize("changed", [
    {"code_challenge_method": "plain"}, {"code_challenge_method": ""}, {"code_challenge": ""},
    {"code_challenge": "", "code_challenge_method": ""}, {"response_type": "token"}, {"response_type": "code token"},
])
async def test_a_request_without_pkce_s256_gets_no_code(instance: Instance, changed: dict[str, str]) -> None:
    async with CodeHolder(instance) as holder:
        answer = await holder.authorize(**changed)

    assert "code=" not in answer.headers.get("location", "")
    assert "error=" in answer.headers.get("location", "") or answer.status_code == 400


@pytest.mark.parametrize("redirect_uri", [
    "https://evil.example/callback", "http://127.0.0.1/callback/", "http://127.0.0.1/callback/../evil",
    "http://127.0.0.1/Callback", "http://127.0.0.1//callback", "http://127.0.0.1/callback?x=1",
    "http://127.0.0.1/callback#x", "http://127.0.0.1@evil.example/callback", "http://user@127.0.0.1/callback",
    "http://127.0.0.1.evil.example/callback", "http://127.0.0.1%2fcallback", "http://127.0.0.1/%63allback",
    "https://127.0.0.1/callback", "http://localhost/callback", "http://[::1]/callback", "//127.0.0.1/callback",
    "javascript:alert(1)", "http://127.0.0.1/callback\\..",
])
async def test_a_redirect_uri_that_is_not_the_registered_one_is_never_followed(
    instance: Instance, redirect_uri: str,
) -> None:
    async with CodeHolder(instance) as holder:
        answer = await holder.authorize(redirect_uri=redirect_uri)

    assert answer.status_code == 400, answer.headers.get("location")
    assert "location" not in answer.headers


async def test_a_forged_token_opens_nothing(sign_in: People) -> None:
    viewer = await sign_in("vera.viewer")
    genuine = viewer.tokens["access_token"]
    head, claims = opened(genuine, 0), opened(genuine, 1)
    key = (await viewer.ask("GET", "/oauth2/jwks")).content
    body, signature = genuine.split(".")[1:]

    def hs256(secret_key: bytes) -> str:
        signed = f"{part(head | {'alg': 'HS256'})}.{part(claims | {'roles': ['admin']})}"
        return f"{signed}.{unpadded(hmac.digest(secret_key, signed.encode(), hashlib.sha256))}"

    forged = [
        f"{part(head | {'alg': 'none'})}.{body}.", f"{part(head | {'alg': 'NONE'})}.{body}.",
        f"{part(head | {'alg': 'none'})}.{body}.{signature}", hs256(key), hs256(b""),
        f"{part(head)}.{part(claims | {'roles': ['admin']})}.{signature}",
        f"{part(head | {'kid': '../../../dev/null'})}.{body}.{signature}",
        f"{part(head | {'crit': ['x'], 'x': 1})}.{body}.{signature}",
        f"{part(head)}.{body}.", f"{part(head)}.{body}", viewer.tokens["id_token"], viewer.tokens["refresh_token"],
        "x", "a.b.c", "." * 3, "A" * 15_000,
    ]
    for token in forged:
        viewer.tokens = {"access_token": token}
        answer = await viewer.ask("GET", "/api/v1/users/me")
        assert answer.status_code == 401, (token[:60], answer.text)
        assert len(token) < 6 or token not in answer.text


async def test_a_refresh_token_used_by_twenty_ends_the_grant(instance: Instance) -> None:
    """A public client may repeat a lost answer once (RFC 9700 section 4.14.2); who comes third ends it for all."""
    async with CodeHolder(instance) as holder:
        first = (await holder.redeem(await holder.code("ana.analyst"))).json()
        form = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
        answers = await asyncio.gather(*(holder.redeem("", **form) for _ in range(PARALLEL)))
        winners = [answer.json() for answer in answers if answer.status_code == 200]
        afterwards = []
        for tokens in (first, *winners):
            holder.tokens = tokens
            afterwards.append((await holder.ask("GET", "/api/v1/users/me")).status_code)

    assert len(winners) <= 2
    assert {answer.status_code for answer in answers} <= {200, 400}
    assert set(afterwards) == {401}


# ----------------------------------------------------------------------------------------------------------- roles


@pytest.mark.parametrize(("method", "path"), [
    ("GET", "/api/v1/users"), ("POST", "/api/v1/users"), ("PUT", "/api/v1/users/vera.viewer/roles"),
    ("POST", "/api/v1/users/admin/lock"), ("GET", "/api/v1/clients"), ("POST", "/api/v1/clients"),
    ("POST", "/api/v1/policy/evaluate"), ("DELETE", "/api/v1/policy/risk/x"), ("GET", "/api/v1/ledger/head"),
    ("GET", "/api/v1/ledger/entries"), ("POST", "/api/v1/ledger/verify"), ("GET", "/api/v1/access-log"),
    ("PUT", "/api/v1/catalog/datasets/grid.customers/label"), ("POST", "/api/v1/ingest/meter"),
    ("GET", "/api/v1/customers"), ("GET", "/api/v1/bus/topics"), ("GET", "/api/v1/bus/dlq"),
    ("POST", "/api/v1/meters/MTR-0001/quarantine"), ("POST", "/api/v1/meters/MTR-0001/release"),
    ("GET", "/api/v1/alerts"), ("GET", "/api/v1/rules"), ("GET", "/api/v1/detection/status"),
    ("GET", "/api/v1/playbooks"), ("GET", "/api/v1/playbooks/runs"), ("POST", "/api/v1/playbooks/kill-switch"),
    ("POST", "/api/v1/playbooks/quarantine-meter/runs"), ("GET", "/api/v1/decisions"),
])
async def test_a_viewer_is_refused_what_is_not_a_viewers(
    sign_in: People, method: str, path: str,
) -> None:
    viewer = await sign_in("vera.viewer")

    answer = await viewer.ask(method, path, purpose="audit", body={} if method in {"POST", "PUT"} else None)

    assert answer.status_code == 403, answer.text
    assert answer.json()["reasons"]


async def test_a_decision_of_somebody_else_does_not_exist(sign_in: People) -> None:
    viewer, analyst = await sign_in("vera.viewer"), await sign_in("ana.analyst")
    request_id = (await analyst.ask("GET", "/api/v1/users/me")).headers["x-request-id"]

    mine = await analyst.ask("GET", f"/api/v1/decisions/{request_id}")
    theirs = await viewer.ask("GET", f"/api/v1/decisions/{request_id}")

    assert (mine.status_code, theirs.status_code) == (200, 404)


async def test_the_second_approver_is_another_person_and_the_quarantined_meter_is_refused(sign_in: People) -> None:
    olta, orhan = await sign_in("olta.operator"), await sign_in("orhan.operator")
    meter = f"MTR-{uuid7()[-6:]}"
    assert (await orhan.ask("POST", "/api/v1/ingest/meter", body=_reading(meter))).status_code == 201
    asked = await orhan.ask("POST", "/api/v1/playbooks/quarantine-meter/runs",
                            body={"targets": [meter], "reason": "readings run backwards"})
    run = f"/api/v1/playbooks/runs/{asked.json()['run_id']}"

    own = await orhan.ask("POST", f"{run}/approve", body={})
    foreign_plan = await olta.ask("POST", f"{run}/approve", body={"plan_hash": "0" * 64})
    other = await olta.ask("POST", f"{run}/approve", body={"comment": "seen"})
    again = await olta.ask("POST", f"{run}/approve", body={})

    assert (own.status_code, foreign_plan.status_code, other.status_code, again.status_code) == (403, 409, 200, 409)
    for _ in range(300):
        refused = await orhan.ask("POST", "/api/v1/ingest/meter", body=_reading(meter))
        if refused.status_code != 201:
            break
        await asyncio.sleep(0.1)
    assert refused.status_code == 403, refused.text
    assert "readings run backwards" in refused.json()["detail"]


# ---------------------------------------------------------------------------------------------------------- bodies


@pytest.mark.parametrize("body", [
    b"{", b"nonsense", b"\xff\xfe", b'{"event_id": NaN}', b'{"value": Infinity}', b'{"a": 1, "a": 2}',
    b'{"a": "\\ud800"}', b"[" * 5_000, b"\x1f\x8b\x08\x00", b'{"a": 1e999}', b'{"event_id": "x"} trailing',
])
@pytest.mark.parametrize("path", ["/api/v1/ingest/meter", "/api/v1/playbooks/quarantine-meter/runs"])
async def test_malformed_json_is_refused(instance: Instance, sign_in: People, path: str, body: bytes) -> None:
    operator = await sign_in("orhan.operator")
    headers = {"authorization": f"Bearer {operator.tokens['access_token']}", "content-type": "application/json"}
    async with httpx.AsyncClient(base_url=instance.gateway) as http:
        answer = await http.post(path, content=body, headers=headers)

    assert answer.status_code == 400, answer.text


async def test_no_secret_and_no_traceback_stands_in_the_log(instance: Instance) -> None:
    async with CodeHolder(instance) as holder:
        code = await holder.code("vera.viewer")
        tokens = (await holder.redeem(code)).json()
        holder.tokens = tokens
        await holder.ask("GET", f"/api/v1/users/me?access_token={tokens['access_token']}")
        await holder.ask("GET", f"/api/v1/decisions/{tokens['access_token'][-40:]}")

    log = instance.log.read_text()
    told = [code, holder.verifier, tokens["access_token"], tokens["refresh_token"], instance.passwords["vera.viewer"]]
    assert not [value[:8] for value in told if value in log]
    assert "Traceback" not in log
    assert not re.search(r"eyJ[\w-]{20,}\.eyJ", log)


@pytest.mark.parametrize("path", ["alerts?severity=%00", "alerts?rule=a%00b", "ledger/entries?action=%00"])
async def test_a_nul_in_a_query_is_refused_and_not_passed_to_the_database(sign_in: People, path: str) -> None:
    soc = await sign_in("sami.soc")

    answer = await soc.ask("GET", f"/api/v1/{path}")

    assert answer.status_code == 400, answer.text


async def test_strangers_are_not_told_what_exists(instance: Instance) -> None:
    async with Person(instance.gateway) as stranger:
        paths = ("/api/v1/users", "/api/v1/nothing", "/api/v1/users/x/y")
        answers = [await stranger.ask("GET", path) for path in paths]

    details = {re.sub(r'"(request_id|instance)":"[^"]*"', "", answer.text) for answer in answers}
    assert [answer.status_code for answer in answers] == [401, 401, 401]
    assert len(details) == 1
