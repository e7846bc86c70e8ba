"""Checks over HTTP: as Envoy's HTTP service sends them, and as NGINX's auth_request does."""

import asyncio
import ssl
from collections.abc import Sequence
from pathlib import Path

import pytest

from control_plane.config import ConfigurationError, load_settings
from control_plane.ext_authz.http_service import HttpChecks
from control_plane.ext_authz.serving import MutualTls, mutual_tls_of
from control_plane.gateway.peers import NOWHERE
from control_plane.tls.contexts import KeyPair
from tests.control_plane.ext_authz.checks import checks
from tests.control_plane.gateway_city import Told, ask
from tests.servers.certificates import make_pair

VIEWER = ("authorization", "Bearer viewer")
ADMIN = ("authorization", "Bearer admin")


async def _nginx(folder: Path, *fields: tuple[str, str]) -> Told:
    return await ask(HttpChecks(checks(folder).checker), "GET", "/nginx", headers=fields)


async def test_envoy_asks_with_the_request_behind_a_prefix(tmp_path: Path) -> None:
    city = checks(tmp_path)

    told = await ask(HttpChecks(city.checker), "POST", "/check/readings/m-1", headers=[
        VIEWER, ("x-forwarded-for", "198.51.100.66, 203.0.113.9"), ("x-gridwarden-evil", "1")])

    assert told.status == 200
    assert told.headers["x-gridwarden-subject"] == "u-viewer"
    assert set(told.headers["x-envoy-auth-headers-to-remove"].split(",")) >= {
        "x-gridwarden-evil", "x-gridwarden-client", "x-gridwarden-purpose"}
    assert city.city.ledger.events[0]["source"]["ip"] == "203.0.113.9"
    assert city.city.ledger.events[0]["grid"]["resource"]["method"] == "POST"


@pytest.mark.parametrize(("path", "fields", "status"), [
    ("/check/admin/users", [VIEWER], 403), ("/check/admin/users", [], 401), ("/check//admin/users", [ADMIN], 400),
    ("/check/admin%2fusers", [ADMIN], 400), ("/check/", [ADMIN], 404), ("/check", [ADMIN], 404),
    ("/admin/users", [ADMIN], 404), ("/nginx/", [ADMIN], 404), ("/checkadmin/users", [ADMIN], 404),
])
async def test_what_is_no_allowed_request_is_refused(
    tmp_path: Path, path: str, fields: Sequence[tuple[str, str]], status: int,
) -> None:
    assert (await ask(HttpChecks(checks(tmp_path).checker), "GET", path, headers=fields)).status == status


@pytest.mark.parametrize("hops", ["", "garbage", "198.51.100.66, 999.1.1.1"])
async def test_an_address_that_is_none_is_nowhere(tmp_path: Path, hops: str) -> None:
    city = checks(tmp_path)

    await ask(HttpChecks(city.checker), "GET", "/check/public", headers=[("x-forwarded-for", hops)])

    assert city.city.ledger.events[0]["source"]["ip"] == NOWHERE


async def test_nginx_names_the_request_in_two_fields(tmp_path: Path) -> None:
    told = await _nginx(tmp_path, VIEWER, ("x-original-method", "GET"), ("x-original-uri", "/readings/m-1?a=b"))

    assert (told.status, told.headers["x-gridwarden-roles"]) == (200, "grid_viewer")


@pytest.mark.parametrize(("fields", "status"), [
    ([("x-original-method", "GET"), ("x-original-uri", "/admin/users")], 401),
    ([VIEWER, ("x-original-method", "GET"), ("x-original-uri", "/admin/users")], 403),
    ([ADMIN, ("x-original-method", "GET"), ("x-original-uri", "/admin%2fusers")], 403),
    ([ADMIN, ("x-original-method", "DELETE"), ("x-original-uri", "/admin/users")], 403),
    ([ADMIN, ("x-original-uri", "/admin/users")], 403),
    ([ADMIN, ("x-original-method", "GET")], 403),
    ([ADMIN, ("x-original-method", "GET"), ("x-original-uri", "/public"), ("x-original-uri", "/admin/users")], 403),
])
async def test_nginx_is_told_401_or_403_and_nothing_else(
    tmp_path: Path, fields: Sequence[tuple[str, str]], status: int,
) -> None:
    assert (await _nginx(tmp_path, *fields)).status == status


async def test_a_proxy_elsewhere_needs_a_certificate_of_the_authority(tmp_path: Path) -> None:
    ours, theirs, stranger = (make_pair(tmp_path, name) for name in ("server", "proxy", "stranger"))
    server = await asyncio.start_server(
        lambda _, writer: writer.close(), "127.0.0.1", 0,
        ssl=MutualTls(ours.certificate, ours.key, theirs.certificate).context(KeyPair(ours.certificate, ours.key)))
    port = server.sockets[0].getsockname()[1]

    outcomes = []
    for pair in (theirs, stranger, None):
        client = ssl.create_default_context(cafile=ours.certificate)
        client.maximum_version = ssl.TLSVersion.TLSv1_2  # so that the handshake itself says what the server thinks
        if pair is not None:
            client.load_cert_chain(pair.certificate, pair.key)
        try:
            _, writer = await asyncio.open_connection("localhost", port, ssl=client)
            writer.close()
            outcomes.append("connected")
        except (ssl.SSLError, ConnectionError):
            outcomes.append("refused")
    server.close()

    assert outcomes == ["connected", "refused", "refused"]


def test_without_an_authority_only_this_machine_may_ask() -> None:
    near = load_settings(host=NOWHERE)
    far = load_settings(host=NOWHERE, ext_authz_client_ca=Path("ca.pem"))

    assert (near.ext_authz_host(), far.ext_authz_host()) == ("127.0.0.1", NOWHERE)
    assert mutual_tls_of(near) is None
    with pytest.raises(ConfigurationError, match="TLS_CERT"):
        mutual_tls_of(far)
