"""mTLS with a real server that demands our certificate: whom we believe, what we show, and how both are renewed."""

import asyncio
import datetime as dt
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from cryptography import x509

from control_plane.tls.authority import Authority, Issued, UnusableAuthorityError
from control_plane.tls.private_names import UnusableNameError
from control_plane.upstreams.contexts import Contexts, UnusableTlsError
from control_plane.upstreams.pki import BuiltInPki, VaultPki
from control_plane.upstreams.plan import Tls
from control_plane.vault_session import AppRole, VaultAwayError, VaultSession
from shared_kernel.clock import SystemClock
from tests.control_plane.gateway_city import Told
from tests.control_plane.upstreams.bed import ADMIN, application, ask, bed, plan_of
from tests.frozen_clock import FrozenClock
from tests.servers.vault import TOKEN, vault_server

MUTUAL = "tls: {ca: pki, client_certificate: true}"


def server_context(folder: Path, issued: Issued, *, believes: bytes | None) -> ssl.SSLContext:
    """Return what a service listens with; it demands certificates of `believes`."""
    assert issued.key is not None
    (folder / "server.pem").write_bytes(issued.certificate + issued.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    if believes is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=believes.decode())
    return context


@asynccontextmanager
async def secured(tls: ssl.SSLContext) -> AsyncIterator[tuple[str, list[dict[str, object]]]]:
    """Run a service with TLS; give its URL and the certificates it was shown."""
    shown: list[dict[str, object]] = []

    async def answer(request: web.Request) -> web.Response:
        transport = request.transport
        assert transport is not None
        shown.append(transport.get_extra_info("peercert") or {})
        return web.Response(text="secret")

    async with application([web.get("/{rest:.*}", answer)], tls=tls) as url:
        yield url, shown


def authority_in(folder: Path) -> Authority:
    return Authority(folder / "authority", SystemClock())


async def through(folder: Path, url: str, authority: Authority, service: str = MUTUAL) -> Told:
    """Ask once through a gateway; the reason for a refusal is in its log."""
    async with bed(folder, plan_of(url, service=service), pki=BuiltInPki(authority),
                   contexts_clock=SystemClock()) as here:
        return await ask(here.gateway, "GET", "/billing/1", headers=ADMIN)


async def test_both_sides_know_each_other(tmp_path: Path) -> None:
    authority = authority_in(tmp_path)
    made = authority.for_service(["billing.internal", "127.0.0.1"])

    async with secured(server_context(tmp_path, made, believes=made.authority)) as (url, shown):
        told = await through(tmp_path, url, authority)

    assert (told.status, told.body) == (200, b"secret")
    assert ("URI", "spiffe://gridwarden.internal/gateway/to/billing") in shown[0]["subjectAltName"]  # type: ignore[operator]
    assert (tmp_path / "keys" / "billing.pem").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "authority" / "authority.key").stat().st_mode & 0o777 == 0o600


async def test_a_server_name_of_the_plan_is_what_is_checked(tmp_path: Path) -> None:
    authority = authority_in(tmp_path)
    made = authority.for_service(["billing.internal"])
    named = "tls: {ca: pki, client_certificate: true, server_name: billing.internal}"

    async with secured(server_context(tmp_path, made, believes=made.authority)) as (url, _):
        assert (await through(tmp_path, url, authority, named)).status == 200


async def test_a_service_of_another_name_is_refused(tmp_path: Path) -> None:
    authority = authority_in(tmp_path)
    made = authority.for_service(["other.internal"])

    async with secured(server_context(tmp_path, made, believes=made.authority)) as (url, shown):
        told = await through(tmp_path, url, authority)

    assert (told.status, shown) == (503, [])


async def test_a_service_of_another_authority_is_refused(tmp_path: Path) -> None:
    authority, other = authority_in(tmp_path), authority_in(tmp_path / "other")
    made = other.for_service(["127.0.0.1"])

    async with secured(server_context(tmp_path, made, believes=other.for_gateway("x").authority)) as (url, shown):
        told = await through(tmp_path, url, authority)

    assert (told.status, shown) == (503, [])


async def test_a_service_with_an_expired_certificate_is_refused(tmp_path: Path) -> None:
    authority = authority_in(tmp_path)
    made = authority.for_service(["127.0.0.1"], lifetime=-dt.timedelta(minutes=1))

    async with secured(server_context(tmp_path, made, believes=made.authority)) as (url, shown):
        told = await through(tmp_path, url, authority)

    assert (told.status, shown) == (503, [])


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1")
async def test_a_service_of_old_tls_is_refused(tmp_path: Path) -> None:
    authority = authority_in(tmp_path)
    made = authority.for_service(["127.0.0.1"])
    context = server_context(tmp_path, made, believes=None)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1_1
    context.maximum_version = ssl.TLSVersion.TLSv1_1

    lenient = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    lenient.check_hostname, lenient.verify_mode = False, ssl.CERT_NONE
    lenient.set_ciphers("ALL:@SECLEVEL=0")
    lenient.minimum_version = ssl.TLSVersion.TLSv1_1

    async with secured(context) as (url, shown):
        told = await through(tmp_path, url, authority)
        _, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]), ssl=lenient)
        spoken = writer.get_extra_info("ssl_object").version()
        writer.close()

    assert spoken == "TLSv1.1"
    assert told.status in {502, 503}
    assert shown == []


async def test_without_a_certificate_the_service_does_not_answer(tmp_path: Path) -> None:
    authority = authority_in(tmp_path)
    made = authority.for_service(["127.0.0.1"])

    async with secured(server_context(tmp_path, made, believes=made.authority)) as (url, shown):
        told = await through(tmp_path, url, authority, "tls: {ca: pki}")

    assert told.status in {502, 503}
    assert shown == []


async def test_the_systems_authorities_do_not_vouch_for_our_own(tmp_path: Path) -> None:
    authority = authority_in(tmp_path)
    made = authority.for_service(["127.0.0.1"])

    async with secured(server_context(tmp_path, made, believes=None)) as (url, shown):
        told = await through(tmp_path, url, authority, "tls: {ca: system}")

    assert (told.status, shown) == (503, [])


async def test_a_stolen_authority_vouches_for_no_public_name(tmp_path: Path) -> None:
    authority = authority_in(tmp_path)
    forged = authority._issued(
        authority._pair[0].public_key(), "grid.example.com", [x509.DNSName("grid.example.com")],
        x509.oid.ExtendedKeyUsageOID.SERVER_AUTH, dt.timedelta(days=1))
    (tmp_path / "forged.key").write_bytes((tmp_path / "authority" / "authority.key").read_bytes())
    stolen = Issued(forged, b"", (tmp_path / "forged.key").read_bytes())

    async with secured(server_context(tmp_path, stolen, believes=None)) as (url, shown):
        told = await through(tmp_path, url, authority, "tls: {ca: pki, server_name: grid.example.com}")

    assert (told.status, shown) == (503, [])


async def test_what_we_show_is_renewed_at_half_its_life_without_a_restart(tmp_path: Path) -> None:
    clock = FrozenClock(SystemClock().now_us())
    authority = Authority(tmp_path / "authority", clock)
    contexts = Contexts(tmp_path / "keys", clock, BuiltInPki(authority))
    await contexts.make("billing", Tls(ca="pki", client_certificate=True))
    first, file = contexts.of("billing"), tmp_path / "keys" / "billing.pem"
    shown = file.read_bytes()

    clock.advance(11 * 3_600)
    await contexts.look()
    early = contexts.of("billing")
    clock.advance(2 * 3_600)
    await contexts.look()

    assert early is first
    assert contexts.of("billing") is not first
    assert file.read_bytes() != shown


async def test_a_file_of_authorities_is_read_again_and_forgets_who_left_it(tmp_path: Path) -> None:
    old, new = authority_in(tmp_path / "old"), authority_in(tmp_path / "new")
    file, made = tmp_path / "services.pem", new.for_service(["127.0.0.1"])
    file.write_bytes(old.for_gateway("x").authority)

    async with secured(server_context(tmp_path, made, believes=None)) as (url, _), bed(
            tmp_path, plan_of(url, service=f"tls: {{ca: {file}}}")) as here:
        before = await ask(here.gateway, "GET", "/billing/1", headers=ADMIN)
        file.write_bytes(made.authority)
        await here.upstreams._around.contexts.look()
        after = await ask(here.gateway, "GET", "/billing/1", headers=ADMIN)
        file.write_bytes(old.for_gateway("x").authority)
        await here.upstreams._around.contexts.look()
        again = await ask(here.gateway, "GET", "/billing/1", headers=ADMIN)
        file.write_text("nonsense")
        await here.upstreams._around.contexts.look()

    assert [told.status for told in (before, after, again)] == [503, 200, 503]


async def test_a_file_without_authorities_is_said_at_the_start(tmp_path: Path) -> None:
    contexts = Contexts(tmp_path, SystemClock(), None)

    with pytest.raises(UnusableTlsError, match=r"services\.billing\.tls"):
        await contexts.make("billing", Tls(ca=str(tmp_path / "none.pem")))


@pytest.mark.parametrize("name", [
    "google.com", "internal.example.com", "8.8.8.8", "169.254.169.254", "*.internal", "Billing.internal", "a..internal",
    "", "billing.internal/../x", "xn--\u00e4.internal",
])
def test_no_certificate_is_issued_outside_the_constraints(tmp_path: Path, name: str) -> None:
    with pytest.raises(UnusableNameError):
        authority_in(tmp_path).for_service([name])


def test_half_an_authority_is_not_made_whole(tmp_path: Path) -> None:
    _ = authority_in(tmp_path).certificate
    (tmp_path / "authority" / "authority.key").unlink()

    with pytest.raises(UnusableAuthorityError, match="backup"):
        _ = authority_in(tmp_path).certificate


def test_two_that_make_it_at_once_make_one(tmp_path: Path) -> None:
    with_threads = [asyncio.to_thread(lambda: authority_in(tmp_path).certificate) for _ in range(8)]

    async def together() -> set[bytes]:
        return {each.signature for each in await asyncio.gather(*with_threads)}

    assert len(asyncio.run(together())) == 1


@pytest.mark.vault
async def test_vault_vouches_for_both_sides(tmp_path: Path) -> None:
    with vault_server() as address:
        session = VaultSession(address, token=TOKEN)
        await session.ask(_provisioned)
        pki = VaultPki(session, mount="pki", role="gridwarden")
        data = (await session.ask(lambda client: client.secrets.pki.generate_certificate(
            "services", "billing.internal", extra_params={"ip_sans": "127.0.0.1"}, mount_point="pki")))["data"]
        made = Issued(data["certificate"].encode() + b"\n", data["issuing_ca"].encode(),
                      data["private_key"].encode() + b"\n")
        async with secured(server_context(tmp_path, made, believes=made.authority)) as (url, shown), bed(
                tmp_path, plan_of(url, service=MUTUAL), pki=pki, contexts_clock=SystemClock()) as here:
            told = await ask(here.gateway, "GET", "/billing/1", headers=ADMIN)
        session.close()

    assert told.status == 200
    names = shown[0]["subjectAltName"]
    assert ("URI", "spiffe://gridwarden.internal/gateway/to/billing") in names  # type: ignore[operator]


@pytest.mark.vault
async def test_a_vault_that_refuses_is_named_and_what_is_held_goes_on(tmp_path: Path) -> None:
    with vault_server() as address:
        session = VaultSession(address, token=TOKEN)
        await session.ask(_provisioned)
        clock = FrozenClock(SystemClock().now_us())
        contexts = Contexts(tmp_path, clock, VaultPki(session, mount="pki", role="gridwarden"))
        await contexts.make("billing", Tls(ca="pki", client_certificate=True))
        held = contexts.of("billing")
        with pytest.raises(VaultAwayError, match="role nobody"):
            await VaultPki(session, mount="pki", role="nobody").issued("billing")
    clock.advance(13 * 3_600)
    await contexts.look()
    refused = VaultSession(address, role=AppRole("r", "s"))

    assert contexts.of("billing") is held
    refused.close()
    session.close()


def _provisioned(client: object) -> None:
    vault: object = client
    vault.sys.enable_secrets_engine("pki")  # type: ignore[attr-defined]
    pki = vault.secrets.pki  # type: ignore[attr-defined]
    pki.generate_root("internal", "Gridwarden services", {"key_type": "ec", "key_bits": 256, "ttl": "87600h"})
    pki.create_or_update_role("gridwarden", {
        "allowed_domains": ["gridwarden.internal"], "allow_subdomains": True, "key_type": "ec", "key_bits": 256,
        "allowed_uri_sans": ["spiffe://gridwarden.internal/gateway/to/*"], "server_flag": False, "client_flag": True,
        "max_ttl": "24h"})
    pki.create_or_update_role("services", {
        "allowed_domains": ["internal"], "allow_subdomains": True, "key_type": "ec", "key_bits": 256,
        "client_flag": False, "max_ttl": "720h"})
