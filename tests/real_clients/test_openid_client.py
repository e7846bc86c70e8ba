"""npm openid-client, the JavaScript certified client, from discovery to logout."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.identity.client_kit import ClientKey
from tests.real_clients.conftest import SOMEBODY, Served, registered
from tests.real_clients.walk import Walker
from tests.servers.node import installed

CALLBACK, FAREWELL = "https://app.example/callback", "https://app.example/bye"
pytestmark = [pytest.mark.node, pytest.mark.slow]


class Story:
    """The script, step by step."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def hear(self, step: str) -> dict[str, Any]:
        """Return the facts of the next step, which must be this one."""
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        async with asyncio.timeout(60):
            line = await self._process.stdout.readline()
            told: dict[str, Any] = json.loads(line or b"{}") or {"failed": (await self._process.stderr.read()).decode()}
        assert told.get("step") == step, told
        return told

    def tell(self, line: str) -> None:
        """Answer the script."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n".encode())


@asynccontextmanager
async def told_by(served: Served, **wish: Any) -> AsyncIterator[Story]:
    """Start the script with what it shall do."""
    folder = await asyncio.to_thread(installed, Path(__file__).parent / "node")
    wish = {"issuer": served.issuer, "redirect_uri": CALLBACK, "post_logout_redirect_uri": FAREWELL} | wish
    process = await asyncio.create_subprocess_exec(
        "node", "story.mjs", json.dumps(wish), cwd=folder, stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env=os.environ | {"NODE_EXTRA_CA_CERTS": str(served.pair.certificate)})
    try:
        yield Story(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


WEB = {"redirect_uris": [CALLBACK], "post_logout_redirect_uris": [FAREWELL],
       "scope": "openid profile email offline_access"}


async def walked(served: Served, story: Story) -> list[str]:
    """Go with the script from the authorization URL to the end of the session; return the pages seen."""
    async with Walker(SOMEBODY, served.password, trust=served.pair.certificate) as walker:
        asked = await story.hear("authorize")
        story.tell(await walker.walk(asked["url"], until=CALLBACK))
        tokens = await story.hear("tokens")
        person = await story.hear("userinfo")
        assert person["person"]["sub"] == tokens["claims"]["sub"]
        assert person["person"]["preferred_username"] == SOMEBODY
        return [tokens["token_type"], (await story.hear("refresh"))["rotated"], *(await _ended(story, walker))]


async def _ended(story: Story, walker: Walker) -> list[Any]:
    before, after = (await story.hear("introspection"))["before"], (await story.hear("revocation"))["after"]
    assert before["active"]
    assert after == {"active": False}
    farewell = await walker.walk((await story.hear("logout"))["url"], until=FAREWELL)
    assert farewell.startswith(f"{FAREWELL}?state=")
    return [before["token_type"]]


async def test_code_with_pkce_par_and_dpop_for_a_client_with_a_secret(served: Served) -> None:
    client = await registered(served, **WEB)
    async with told_by(served, client_id=client["client_id"], client_secret=client["client_secret"], par=True,
                       dpop=True, scope="openid profile email") as story:
        assert await walked(served, story) == ["dpop", True, "DPoP"]


async def test_the_fapi2_profile_with_private_key_jwt(served: Served) -> None:
    key = ClientKey.new("ES256")
    client = await registered(served, **WEB, profile="fapi2", token_endpoint_auth_method="private_key_jwt",
                              jwks={"keys": [key.jwk]}, dpop_bound_access_tokens=True)
    async with told_by(served, client_id=client["client_id"], private_jwk=key.private_jwk, par=True, dpop=True,
                       scope="openid profile") as story:
        assert await walked(served, story) == ["dpop", False, "DPoP"]


async def test_plain_code_with_pkce(served: Served) -> None:
    client = await registered(served, **WEB)
    async with told_by(served, client_id=client["client_id"], client_secret=client["client_secret"], par=False,
                       dpop=False, scope="openid profile") as story:
        assert await walked(served, story) == ["bearer", True, "Bearer"]
