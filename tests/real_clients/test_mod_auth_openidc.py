"""Debian's Apache with mod_auth_openidc logs people in against us, and out, by the front and by the back channel."""

import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from control_plane.cli.person import Person
from tests.end_to_end.configured import until
from tests.real_clients.conftest import SOMEBODY, Served, registered
from tests.real_clients.walk import Walker
from tests.servers.apache import Site, running, site

pytestmark = [pytest.mark.apache, pytest.mark.slow]


async def registered_site(served: Served, place: Site) -> dict[str, Any]:
    """Register the site as a client."""
    return await registered(
        served, redirect_uris=[place.redirect_uri], scope="openid profile email",
        post_logout_redirect_uris=[f"{place.url}/"], backchannel_logout_session_required=True,
        backchannel_logout_uri=f"{place.redirect_uri}?logout=backchannel")


def directives(served: Served, client: dict[str, Any]) -> dict[str, str]:
    """Return how a site owner would configure it."""
    return {
        "ProviderMetadataURL": f"{served.issuer}/.well-known/openid-configuration",
        "ClientID": client["client_id"], "ClientSecret": client["client_secret"], "PKCEMethod": "S256",
        "Scope": "openid profile email", "RemoteUserClaim": "preferred_username", "ResponseMode": "query",
        "CABundlePath": str(served.pair.certificate), "ProviderTokenEndpointAuth": "client_secret_basic",
    }


@pytest.fixture
async def inside(served: Served) -> AsyncIterator[tuple[Site, Walker, httpx.Response]]:
    """Yield the site, a browser that is logged in there, and the page behind the door."""
    place = site()
    client = await registered_site(served, place)
    with tempfile.TemporaryDirectory(prefix="gwsite") as folder, running(
            place, Path(folder), **directives(served, client)):
        async with Walker(SOMEBODY, served.password, trust=served.pair.certificate) as walker:
            back = await walker.walk(f"{place.url}/private/index.html", until=place.redirect_uri)
            yield place, walker, await walker.get(back)


async def test_a_person_gets_through_the_door_by_name(inside: tuple[Site, Walker, httpx.Response]) -> None:
    _, _, page = inside

    assert page.text == "behind the door\n"
    assert page.headers["x-remote-user"] == SOMEBODY


async def test_logging_out_at_the_site_ends_the_session_here(inside: tuple[Site, Walker, httpx.Response]) -> None:
    place, walker, _ = inside

    away = await walker.walk(f"{place.redirect_uri}?logout={place.url}/", until=f"{place.url}/")
    again = await walker.first_redirect(f"{place.url}/private/index.html")

    assert away == f"{place.url}/"
    assert "/oauth2/authorize" in again


async def test_ending_the_session_here_logs_out_at_the_site(
        inside: tuple[Site, Walker, httpx.Response], served: Served) -> None:
    """Back-channel logout: the site forgets the person without the browser's help."""
    place, walker, _ = inside
    async with Person(served.issuer, trust=served.pair.certificate) as admin:
        await admin.sign_in("admin", served.instance.passwords["admin"])
        people = (await admin.ask("GET", "/api/v1/users?limit=200")).json()["items"]
        somebody = next(each["id"] for each in people if each["name"] == SOMEBODY)
        assert (await admin.ask("POST", f"/api/v1/users/{somebody}/revoke-sessions")).status_code == 200

    async def is_out() -> bool:
        return (await walker.get(f"{place.url}/private/index.html")).text != "behind the door\n"

    assert await until(is_out, patience_s=30)
