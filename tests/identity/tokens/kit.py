"""Clients before the token endpoint, and tokens taken apart."""

import json
from base64 import b64encode, urlsafe_b64decode
from typing import Any
from urllib.parse import quote_plus, urlencode

import httpx2 as httpx

from identity.domain.oauth.pkce import challenge_of
from identity.domain.opaque import Kind, mint
from identity.domain.people.assurance import MFA
from identity.domain.records import ClientSettings, Grant, GrantTerms, Session, StoredCode
from identity.service import Registration
from shared_kernel.ids import uuid7
from tests.identity.client_kit import Holder
from tests.identity.world import CALLBACK, ISSUER, VERIFIER, World

DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
OWN_API = f"{ISSUER}/api"
WEB_SECRET = "s+e:c r%et" * 5
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
SIGN_IN = frozenset({"authorization_code", "refresh_token"})
METER = {"type": "meter_access", "actions": ["read"], "identifier": "meter-7"}


def basic(client_id: str, secret: str) -> dict[str, str]:
    """Return the header by which a client proves itself."""
    text = f"{quote_plus(client_id)}:{quote_plus(secret)}"
    return {"Authorization": f"Basic {b64encode(text.encode()).decode()}"}


def claims_of(token: str) -> dict[str, Any]:
    """Return the claims of a JWT, unverified."""
    part = token.split(".")[1]
    found: dict[str, Any] = json.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return found


def error_of(answer: httpx.Response) -> tuple[int, str]:
    """Return status and code of a refusal."""
    return answer.status_code, answer.json()["error"]


async def register(world: World, client_id: str, *, grants: frozenset[str] = SIGN_IN, public: bool = False,  # noqa: PLR0913 - a client's parts
                   scopes: str = "openid profile offline_access api read", first_party: bool = True,
                   roles: frozenset[str] = frozenset(), **settings: Any) -> dict[str, str]:
    """Register a client; answer the header by which it proves itself, empty for a public one."""
    _, secret = await world.provider.create_client(Registration(
        client_id, f"The {client_id}", redirect_uris=(CALLBACK,) if "authorization_code" in grants else (),
        grant_types=grants, scopes=frozenset(scopes.split()), first_party=first_party, roles=roles,
        settings=ClientSettings(**settings)), public=public)
    return basic(client_id, secret) if secret else {}


async def fapi(world: World, client_id: str = "fapi", **settings: Any) -> Holder:
    """Register a FAPI 2.0 client with private_key_jwt and DPoP; PAR is the affair of other tests."""
    holder = Holder(client_id, world.clock)
    parts: dict[str, Any] = {
        "profile": "fapi2", "auth_method": "private_key_jwt", "dpop_bound": True, "jwks": holder.jwks} | settings
    await register(world, client_id, **parts)
    return holder


async def token(world: World, fields: dict[str, Any] | list[tuple[str, str]], who: dict[str, str]) -> httpx.Response:
    """Ask the token endpoint; repeated parameters come as pairs."""
    if isinstance(fields, list):
        async with world.browser() as client:
            return await client.post("/oauth2/token", content=urlencode(fields), headers=FORM | who)
    return await world.post("/oauth2/token", fields, headers=who)


async def proved(world: World, holder: Holder, fields: dict[str, str]) -> httpx.Response:
    """Ask the token endpoint as a FAPI 2.0 client: assertion, proof, and the nonce when one is due."""
    nonce: dict[str, Any] = {}
    for _ in range(2):
        answer = await world.post("/oauth2/token", holder.asserted() | fields,
                                  headers={"DPoP": holder.proof(**nonce)})
        if answer.status_code != 400 or answer.json()["error"] != "use_dpop_nonce":
            break
        nonce = {"nonce": answer.headers["dpop-nonce"]}
    return answer


def redemption(code: str, **changes: str) -> dict[str, str]:
    """Return the fields that redeem a code."""
    return {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK,
            "code_verifier": VERIFIER} | changes


async def introspected(world: World, text: str, who: dict[str, str] | None = None, **headers: str) -> httpx.Response:
    """Ask what a token is good for, by default as the machine, a resource server of our API."""
    asker = who if who is not None else basic("machine", world.secret)
    return await world.post("/oauth2/introspect", {"token": text}, headers=asker | headers)


async def session_of_alice(world: World) -> Session:
    """Give alice a browser session, at the table."""
    now_us, cookie = world.clock.now_us(), mint(Kind.SESSION)
    session = Session(cookie.id, world.user.id, "alice", now_us, now_us + 43_200_000_000, ("otp", "pwd"), MFA)
    async with world.provider._foundation.database.begin() as tables:
        await tables.sessions.add(cookie, session, source_ip="192.0.2.7", user_agent="tests")
    return session


async def code_for(world: World, client_id: str, *, scope: str = "openid profile", session: Session | None = None,  # noqa: PLR0913 - a code's parts
                   is_challenged: bool = True, jkt: str | None = None, **terms: Any) -> str:
    """Return a code as the authorization endpoint leaves it; without a session access is granted offline."""
    now_us, code = world.clock.now_us(), mint(Kind.CODE)
    until_us = now_us + 60_000_000
    grant = Grant(uuid7(), client_id, world.user.id, session.id if session else None, frozenset(scope.split()),
                  now_us, until_us, GrantTerms(is_offline=session is None, amr=("otp", "pwd"), acr=MFA,
                                               authenticated_at_us=now_us, **terms))
    stored = StoredCode(code.id, grant.id, client_id, CALLBACK, challenge_of(VERIFIER) if is_challenged else None,
                        "n-0S6", until_us, jkt)
    async with world.provider._foundation.database.begin() as tables:
        await tables.grants.add(grant)
        await tables.codes.add(code, stored)
    return code.text
