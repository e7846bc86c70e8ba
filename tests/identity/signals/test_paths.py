"""An issuer with a path: every address stands below it, and the well-known ones where each standard wants them."""

from pathlib import Path

import asyncpg
import pytest

from identity.http import endpoints
from tests.frozen_clock import FrozenClock
from tests.identity.receiver import provider_on


@pytest.mark.parametrize(("issuer", "expected"), [
    ("https://id.grid.test", {"/.well-known/ssf-configuration", "/.well-known/oauth-protected-resource",
                              "/signals/stream", "/oauth2/userinfo"}),
    ("https://grid.test/id/one", {
        "/.well-known/ssf-configuration/id/one", "/id/one/.well-known/ssf-configuration",
        "/.well-known/oauth-protected-resource/id/one", "/id/one/signals/stream", "/id/one/oauth2/userinfo"}),
])
async def test_routes_follow_the_issuers_path(app_pool: asyncpg.Pool, clock: FrozenClock, tmp_path: Path, issuer: str,
                                              expected: set[str]) -> None:
    """SSF 1.0 7.2.1 and RFC 9728 3.1 put the well-known path before the issuer's; OIDC puts it behind."""
    provider, _ = provider_on(app_pool, clock, tmp_path, issuer)

    routes = [(each.method, each.path) for each in endpoints(provider)]

    assert expected <= {path for _, path in routes}
    assert len(routes) == len(set(routes))
    provider.close()
