"""A check is decided as our own requests are; all that is not a clear yes is a no."""

import asyncio
from pathlib import Path
from typing import Any

import orjson
import pytest

from control_plane.config import ConfigurationError
from control_plane.ext_authz import checker
from control_plane.ext_authz.checker import Check, Checker, Denied
from control_plane.ext_authz.permission import Mutations
from control_plane.ext_authz.route_map import NO_ORIGIN
from control_plane.gateway.peers import NOWHERE
from shared_kernel.credentials import Credentials
from shared_kernel.principal import ANONYMOUS, Principal
from tests.control_plane.ext_authz.checks import ROUTES, Before, checks, routes
from tests.control_plane.gateway_city import BrokenLedger, Rules, Ruling


async def test_an_allowed_request_carries_who_asks_and_where_the_decision_is_sealed(tmp_path: Path) -> None:
    asking = checks(tmp_path)

    found = await asking.ask("GET", "/readings/m-1?from=2026", authorization="Bearer viewer",
                             access_purpose="billing")

    assert isinstance(found, Mutations)
    sealed = asking.city.ledger.events[0]
    assert found.to_set == {
        "x-gridwarden-subject": "u-viewer", "x-gridwarden-kind": "person", "x-gridwarden-roles": "grid_viewer",
        "x-gridwarden-purpose": "billing", "x-gridwarden-risk": "7", "x-gridwarden-permit": "0",
        "x-gridwarden-request-id": sealed["http"]["request"]["id"], "x-gridwarden-revision": "r1",
        "x-gridwarden-obligations": '{"mask":{"columns":["customer_id"]}}',
    }
    assert found.to_remove == ("x-gridwarden-client",)
    assert sealed["grid"]["resource"] == {
        "path": "/readings/{meter}", "method": "GET", "dataset": "grid.meter_readings"}
    assert sealed["url"]["path"] == "/readings/m-1"


async def test_what_a_client_sends_under_our_names_is_overwritten_or_removed(tmp_path: Path) -> None:
    sent = [(b"authorization", b"Bearer viewer"), (b"x-gridwarden-subject", b"u-admin"),
            (b"x-gridwarden-client", b"console"), (b"x_gridwarden_roles", b"admin"), (b"x-gridwarden-evil", b"1"),
            (b"x-other", b"kept")]

    found = await checks(tmp_path).asked("GET", "/readings/m-1", sent)

    assert isinstance(found, Mutations)
    assert found.to_set["x-gridwarden-subject"] == "u-viewer"
    assert set(found.to_remove) == {
        "x-gridwarden-client", "x-gridwarden-purpose", "x_gridwarden_roles", "x-gridwarden-evil"}


REFUSED: list[tuple[str, str, dict[str, str], int]] = [
    ("GET", "/admin/users", {}, 401),
    ("GET", "/admin/users", {"authorization": "Bearer stolen"}, 401),
    ("GET", "/admin/users", {"authorization": "Bearer viewer"}, 403),
    ("GET", "/nowhere", {}, 401),
    ("GET", "/nowhere", {"authorization": "Bearer viewer"}, 404),
    ("DELETE", "/admin/users", {"authorization": "Bearer admin"}, 405),
    ("GET", "/unmasked", {"authorization": "Bearer viewer"}, 403),
    ("GET", "/admin/users", {"authorization": "Negotiate abc"}, 401),
    ("GET", "/admin/users", {"access-purpose": "Drop Table"}, 400),
]


@pytest.mark.parametrize(("method", "target", "fields", "status"), REFUSED)
async def test_a_refusal_is_our_problem_with_its_status(
    tmp_path: Path, method: str, target: str, fields: dict[str, str], status: int,
) -> None:
    found = await checks(tmp_path).asked(method, target, [(n.encode(), v.encode()) for n, v in fields.items()])

    assert isinstance(found, Denied)
    assert found.status == status
    headers = dict(found.headers)
    assert headers["content-type"] == "application/problem+json"
    assert orjson.loads(found.body)["status"] == status
    assert ("www-authenticate" in headers) == (status == 401)


TRICKS = [
    b"/admin%2fusers", b"/admin%2Fusers", b"//admin/users", b"/admin/..;/admin/users", b"/admin/./users",
    b"/admin/x/../users", b"/admin/%2e%2e/admin/users", b"/admin/users%0a", b"/admin/users%00", b"/admin/users;a=b",
    b"/admin\\users", b"/admin%5cusers", b"/admin%252fusers", b"/%61dmin/users", b"/admin/users#x", b"/admin/users.",
    b"/admin/use\xc0\xaf", b"/admin/\xe2\x88\x95users", "/admin/\u2215users".encode(), b"http://evil/admin/users",
    b"*", b"", b"admin/users", b"/admin/users?a=%00", b"/admin/users?a=b#c", b"/admin/users?a= b", b"/" + b"a" * 4_000,
]


@pytest.mark.parametrize("target", TRICKS)
async def test_a_path_with_another_spelling_is_400_whoever_asks(tmp_path: Path, target: bytes) -> None:
    found = await checks(tmp_path).ask("GET", target, authorization="Bearer admin")

    assert isinstance(found, Denied)
    assert found.status == 400


@pytest.mark.parametrize("method", ["CONNECT", "TRACE", "get", "", "GET ", "\udc80", "PROPFIND"])
async def test_a_method_that_we_do_not_take_is_refused(tmp_path: Path, method: str) -> None:
    found = await checks(tmp_path).ask(method, "/public")

    assert isinstance(found, Denied)
    assert found.status == 400


async def test_two_authorizations_are_none(tmp_path: Path) -> None:
    sent = [(b"authorization", b"Bearer admin"), (b"authorization", b"Bearer viewer")]

    found = await checks(tmp_path).asked("GET", "/admin/users", sent)

    assert isinstance(found, Denied)
    assert found.status == 400


async def test_a_decision_that_cannot_be_sealed_is_503(tmp_path: Path) -> None:
    found = await checks(tmp_path, ledger=BrokenLedger()).ask("GET", "/public")

    assert isinstance(found, Denied)
    assert found.status == 503
    assert dict(found.headers)["retry-after"] == "1"


async def test_a_policy_that_hangs_or_breaks_is_503(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def hangs(_: Any) -> Any:
        await asyncio.sleep(60)

    async def lies(_: Any) -> Any:
        return Ruling(allow="true")

    monkeypatch.setattr(checker, "DEADLINE_S", 0.05)
    found = [await checks(tmp_path, policy=Rules(rule)).ask("GET", "/public") for rule in (hangs, lies)]

    assert [one.status for one in found if isinstance(one, Denied)] == [503, 503]


async def test_a_gateway_that_breaks_or_says_ok_without_permission_is_503() -> None:
    async def breaks(*_: Any) -> None:
        raise RuntimeError("no")

    async def says_ok(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def says_nothing(*_: Any) -> None:
        pass

    asked = Check(method="GET", target=b"/", fields=[], source_ip="203.0.113.9")
    found = [await Checker(app).check(asked) for app in (breaks, says_ok, says_nothing)]

    assert [one.status for one in found if isinstance(one, Denied)] == [503, 503, 503]


async def test_a_loopback_address_that_a_proxy_saw_is_not_this_machine(tmp_path: Path) -> None:
    asking = checks(tmp_path)

    await asking.ask("GET", "/public", source_ip="127.0.0.1")
    await asking.ask("GET", "/public", source_ip="::1")

    assert [(one.context["loopback"], one.context["source_ip"]) for one in asking.city.policy.questions] == [
        (False, NOWHERE), (False, NOWHERE)]


async def test_fields_a_client_may_not_say_change_nothing(tmp_path: Path) -> None:
    asking = checks(tmp_path)

    await asking.ask("GET", "/public", x_forwarded_for="198.51.100.1", x_user="admin", content_length="9999999",
                     content_encoding="gzip", x_original_url="/admin/users", x_http_method_override="DELETE")

    assert asking.city.ledger.events[0]["source"]["ip"] == "203.0.113.9"
    assert asking.city.ledger.events[0]["grid"]["decision"]["allow"] is True


async def test_a_huge_head_is_only_a_few_names_to_us(tmp_path: Path) -> None:
    sent = [(f"x-{n}".encode(), b"v" * 40_000) for n in range(100)] + [(b"authorization", b"Bearer admin")]

    assert isinstance(await checks(tmp_path).asked("GET", "/admin/users", sent), Mutations)


@pytest.mark.parametrize(("text", "why"), [
    ("routes: [{path: x, methods: [GET], action: a.b}]", "begin with /"),
    ("routes: [{path: /x, methods: [], action: a.b}]", "must name methods"),
    ("routes: [{path: /x, methods: [CONNECT], action: a.b}]", "must name methods"),
    ("routes: [{path: /x, methods: [GET]}]", "action"),
    ("routes: [{path: /x, methods: [GET], action: a.b, fulfils: [pray]}]", "may fulfil"),
    ("routes: [{path: /x, methods: [GET], action: a.b, allow: all}]", "unknown field"),
    ("routes: [{path: /x, methods: [GET, GET], action: a.b}]", "offered twice"),
    ("routes: 7", "array"), ("- x", "object"), ("a: [", ""), ("", "object"),
    ("origin: nonsense\nroutes: []", "origin"),
])
def test_a_file_that_is_no_route_map_is_refused_by_name(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(ConfigurationError, match="GRIDWARDEN_EXT_AUTHZ_ROUTES") as refused:
        routes(tmp_path, text)

    assert why in str(refused.value)


class ProofTaker:
    """Identity that keeps what it was shown."""

    def __init__(self) -> None:
        self.shown: list[Credentials] = []

    async def authenticate(self, credentials: Credentials) -> Principal:
        self.shown.append(credentials)
        return ANONYMOUS

    async def standing(self, principal: Principal) -> Principal:
        return principal

    def fresh_nonce(self) -> str:
        return "n-2"


@pytest.mark.parametrize(("text", "url"), [
    (ROUTES, "https://api.example.com/public"), (ROUTES.partition("\n")[2].partition("\n")[2], f"{NO_ORIGIN}/public"),
])
async def test_a_proof_of_possession_is_held_against_the_origin_clients_call(
    tmp_path: Path, text: str, url: str,
) -> None:
    identity, mapped = ProofTaker(), routes(tmp_path, text)
    gateway = Before(identity=identity, more=mapped.endpoints, origin=mapped.origin).gateway()
    sent = [(b"authorization", b"DPoP t"), (b"dpop", b"proof")]

    found = await Checker(gateway).check(Check(method="GET", target=b"/public", fields=sent, source_ip="203.0.113.9"))

    assert isinstance(found, Mutations)
    [shown] = identity.shown
    assert (shown.method, shown.url, shown.proofs) == ("GET", url, ("proof",))
