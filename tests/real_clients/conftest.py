"""One product with TLS for all real clients, and a person who signs in."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from control_plane.cli.person import Person
from tests.end_to_end.configured import Configured, configured
from tests.enterable import enterable
from tests.servers.certificates import Pair, make_pair

SOMEBODY = "vera.viewer"


@dataclass(frozen=True, slots=True)
class Served:
    """A running product and the certificate it shows."""

    instance: Configured
    pair: Pair

    @property
    def issuer(self) -> str:
        """The issuer's URL."""
        return self.instance.gateway

    @property
    def password(self) -> str:
        """Somebody's."""
        return self.instance.passwords[SOMEBODY]


async def registered(served: Served, **metadata: Any) -> dict[str, Any]:
    """Register a client as an administrator does; return what was answered."""
    async with Person(served.issuer, trust=served.pair.certificate) as admin:
        await admin.sign_in("admin", served.instance.passwords["admin"])
        answer = await admin.ask("POST", "/api/v1/clients", body={
            "client_name": "A real client", "grant_types": ["authorization_code", "refresh_token"]} | metadata)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())


async def admin_token(served: Served) -> str:
    """Return an administrator's access token."""
    async with Person(served.issuer, trust=served.pair.certificate) as admin:
        await admin.sign_in("admin", served.instance.passwords["admin"])
        return str(admin.tokens["access_token"])


@pytest.fixture(scope="package")
def served() -> Iterator[Served]:
    """Run the product, in a folder that the database's own user may enter whatever other test runs do to theirs."""
    with tempfile.TemporaryDirectory(prefix="gwreal") as name:
        folder = enterable(Path(name))
        pair = make_pair(folder, "server")
        with configured(folder / "home", TLS_CERT=str(pair.certificate), TLS_KEY=str(pair.key),
                        GRIDWARDEN_TLS_CLIENT_CERTIFICATES="optional", GRIDWARDEN_OUTBOUND_NETWORKS="127.0.0.0/8",
                        GRIDWARDEN_OUTBOUND_CA=str(pair.certificate)) as instance:
            yield Served(instance, pair)
