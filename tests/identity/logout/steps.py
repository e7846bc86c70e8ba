"""The steps of a logout in a browser, and of listening for it."""

from typing import Any

import httpx2 as httpx
import jwt
import orjson

from tests.identity.receiver import Receiver
from tests.identity.world import CALLBACK, ISSUER, VERIFIER, World, hidden


async def listen(world: World, receiver: Receiver, client_id: str = "app", **settings: object) -> None:
    """Let a client hear of logouts at the receiver."""
    wanted = {"backchannel_logout_uri": f"{receiver.url}/{client_id}", **settings}
    await world.pool.execute("UPDATE identity.clients SET settings = settings || $2 WHERE id = $1",
                             client_id, orjson.dumps(wanted).decode())


async def tokens_in(world: World, browser: httpx.AsyncClient, **changes: str) -> dict[str, Any]:
    """Return the token answer for a login in this browser."""
    answer = await world.redeem(await world.code_in(browser, **changes), redirect_uri=CALLBACK, code_verifier=VERIFIER)
    found: dict[str, Any] = answer.json()
    return found


async def log_out(browser: httpx.AsyncClient, **parameters: str) -> httpx.Response:
    """Ask to be logged out, and say yes to the question."""
    page = await browser.get("/oauth2/logout", params=parameters)
    return await browser.post("/logout", data={"interaction": hidden(page.text)})


async def told(world: World, logout_token: str, audience: str = "app") -> tuple[dict[str, Any], dict[str, Any]]:
    """Return header and claims of a logout token, verified as a client would (Back-Channel Logout 2.6)."""
    keys = jwt.PyJWKSet.from_dict((await world.get("/oauth2/jwks")).json())
    header = jwt.get_unverified_header(logout_token)
    claims = jwt.decode(logout_token, keys[header["kid"]].key, algorithms=[header["alg"]], audience=audience,
                        issuer=ISSUER, options={"verify_exp": False, "verify_iat": False,
                                                "require": ["iss", "aud", "iat", "exp", "jti", "events"]})
    return header, claims
