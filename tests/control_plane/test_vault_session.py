"""A session with a real Vault whose tokens live for seconds: renewed, replaced, and back after a restart."""

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hvac
import pytest
from hvac.exceptions import InvalidPath
from prometheus_client import REGISTRY

from control_plane.vault_session import AppRole, VaultAwayError, VaultSession
from tests.servers.started import free_port
from tests.servers.vault import TOKEN, stored_vault_server, vault_server
from tests.servers.vault_role import provision

pytestmark = pytest.mark.vault


@pytest.fixture(scope="module")
def vault() -> Iterator[str]:
    """The address of a Vault."""
    with vault_server() as address:
        yield address


@contextlib.contextmanager
def session(address: str, **login: Any) -> Iterator[VaultSession]:
    found = VaultSession(address, **login)
    try:
        yield found
    finally:
        found.close()


def accessor(client: Any) -> str:
    return str(client.auth.token.lookup_self()["data"]["accessor"])


def had(by: str) -> float:
    return REGISTRY.get_sample_value("gridwarden_vault_tokens_total", {"by": by, "outcome": "had"}) or 0.0


async def test_a_token_of_two_seconds_is_renewed_and_at_its_last_replaced(vault: str) -> None:
    role = AppRole(*provision(vault, TOKEN, ttl="2s", max_ttl="4s"))
    renewals, logins = had("renewal"), had("approle")
    with session(vault, role=role) as asking:
        seen: set[str] = set()
        async with asyncio.timeout(60):
            while had("renewal") < renewals + 2 or had("approle") < logins + 2:
                seen.add(await asking.ask(accessor))
                await asyncio.sleep(0.1)

    assert len(seen) == had("approle") - logins


async def test_a_session_nobody_asks_stays_alive(vault: str) -> None:
    role, renewals = AppRole(*provision(vault, TOKEN, ttl="2s", max_ttl="1m")), had("renewal")
    with session(vault, role=role) as asking:
        await asking.ask(accessor)
        keeping = asyncio.create_task(asking.keep())
        async with asyncio.timeout(60):
            while had("renewal") < renewals + 2:  # noqa: ASYNC110 - a counter has no event to wait for
                await asyncio.sleep(0.1)
        keeping.cancel()


async def test_a_token_that_was_revoked_is_replaced_at_once(vault: str) -> None:
    role = AppRole(*provision(vault, TOKEN))
    with session(vault, role=role) as asking:
        before = await asking.ask(accessor)
        hvac.Client(url=vault, token=TOKEN).auth.token.revoke_accessor(before)

        assert await asking.ask(accessor) != before


async def test_a_role_that_vault_does_not_know_is_refused_with_the_remedy(vault: str) -> None:
    role_id, _ = provision(vault, TOKEN)
    for role in (AppRole(role_id, "wrong"), AppRole("wrong", "wrong")):
        with session(vault, role=role) as asking, pytest.raises(VaultAwayError, match="VAULT_SECRET_ID"):
            await asking.ask(accessor)
    with session(vault, token="wrong") as asking, pytest.raises(VaultAwayError, match="VAULT_TOKEN"):
        await asking.ask(accessor)


async def test_what_the_policy_does_not_allow_is_refused(vault: str) -> None:
    with session(vault, role=AppRole(*provision(vault, TOKEN))) as asking:
        with pytest.raises(VaultAwayError, match="Forbidden"):
            await asking.ask(lambda client: client.secrets.transit.read_key("somebody-elses"))
        with pytest.raises(InvalidPath):
            await asking.ask(lambda client: client.secrets.transit.read_key("gridwarden-nothing"))


async def test_a_given_token_is_renewed_as_long_as_vault_lets_it(vault: str) -> None:
    root = hvac.Client(url=vault, token=TOKEN)
    token = root.auth.token.create(policies=["default"], ttl="2s", explicit_max_ttl="4s")["auth"]["client_token"]
    renewals = had("renewal")
    with session(vault, token=token) as asking:
        async def ask_for_ever() -> None:
            while True:
                await asking.ask(accessor)
                await asyncio.sleep(0.1)

        with pytest.raises(VaultAwayError):
            await asyncio.wait_for(ask_for_ever(), 60)

    assert had("renewal") > renewals


async def test_a_root_token_is_never_renewed(vault: str) -> None:
    renewals = had("renewal")
    with session(vault, token=TOKEN) as asking:
        assert await asking.ask(lambda client: client.is_authenticated())
        assert await asking.ask(lambda client: client.is_authenticated())

    assert had("renewal") == renewals


@pytest.mark.slow
async def test_after_a_restart_of_vault_the_session_logs_in_again(tmp_path: Path) -> None:
    """Its data outlive it; the token of two seconds does not outlive the pause."""
    port = free_port()
    with stored_vault_server(tmp_path / "vault", port) as server:
        role = AppRole(*provision(server.address, server.token, ttl="2s"))
        asking = VaultSession(server.address, role=role)
        await asking.ask(accessor)
    with pytest.raises(VaultAwayError):
        await asking.ask(accessor)
    await asyncio.sleep(2.5)
    with stored_vault_server(tmp_path / "vault", port) as server:
        assert await asking.ask(accessor)
    asking.close()


async def test_a_vault_that_forgot_everything_is_away_until_the_role_is_back() -> None:
    port = free_port()
    with vault_server(port) as address:
        asking = VaultSession(address, role=AppRole(*provision(address, TOKEN)))
        await asking.ask(accessor)
    with vault_server(port) as address:
        with pytest.raises(VaultAwayError):
            await asking.ask(accessor)
        provision(address, TOKEN)
        with session(address, role=AppRole(*provision(address, TOKEN))) as other:
            assert await other.ask(accessor)
    asking.close()
