"""Clients of every kind in front of the authorization endpoint, and the ways they come."""

import json
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx2 as httpx

from identity.domain.records import ClientSettings
from identity.service import Registration
from tests.identity.client_kit import ClientKey, Holder
from tests.identity.world import CALLBACK, ISSUER, VERIFIER, World, authorization, hidden

PAR = "/oauth2/par"
PAR_URL = f"{ISSUER}{PAR}"
AUTHORIZE = "/oauth2/authorize"
EVERYTHING = frozenset({"openid", "profile", "email", "address", "phone", "offline_access", "api"})
METER = {"type": "meter_access", "actions": ["read"], "identifier": "meter-7"}


async def register(world: World, client_id: str, *, holder: Holder | None = None, public: bool = False,  # noqa: PLR0913 - a client's parts
                   first_party: bool = True, scopes: frozenset[str] = EVERYTHING,
                   redirect_uris: tuple[str, ...] = (CALLBACK,), **settings: Any) -> str:
    """Register a client; answer its secret, empty when it has none."""
    if holder is not None:
        settings.setdefault("jwks", holder.jwks)
    _, secret = await world.provider.create_client(Registration(
        client_id, f"The {client_id}", redirect_uris=redirect_uris, scopes=scopes, first_party=first_party,
        settings=ClientSettings(**settings)), public=public)
    return secret or ""


async def fapi(world: World, client_id: str = "fapi", **parts: Any) -> Holder:
    """Register a FAPI 2.0 client with private_key_jwt and DPoP."""
    holder = Holder(client_id, world.clock)
    settings: dict[str, Any] = {"profile": "fapi2", "auth_method": "private_key_jwt", "dpop_bound": True} | parts
    await register(world, client_id, holder=holder, **settings)
    return holder


def asking(client_id: str = "fapi", **changes: str) -> dict[str, str]:
    """Return the parameters of a request."""
    return authorization(client_id=client_id, **changes)


async def push(world: World, holder: Holder, proof: str | None = None, **changes: str) -> httpx.Response:
    """Push a request with private_key_jwt."""
    headers = {"DPoP": proof} if proof else {}
    return await world.post(PAR, holder.asserted() | asking(holder.client_id, **changes), headers=headers)


async def pushed(world: World, holder: Holder, **changes: str) -> str:
    """Push a request that is in order; answer its request_uri."""
    answer = await push(world, holder, **changes)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["request_uri"])


async def push_with_proof(world: World, holder: Holder, **changes: str) -> httpx.Response:
    """Push with a DPoP proof, with the nonce the first try is told."""
    first = await push(world, holder, holder.proof(url=PAR_URL), **changes)
    nonce = first.headers.get("dpop-nonce")
    if first.status_code == 201 or nonce is None:
        return first
    return await push(world, holder, holder.proof(url=PAR_URL, nonce=nonce), **changes)


async def redeemed(world: World, holder: Holder, code: str, key: ClientKey | None = None) -> httpx.Response:
    """Redeem a code with private_key_jwt and DPoP, with the nonce the first try is told."""
    fields = {"grant_type": "authorization_code", "code": code, "code_verifier": VERIFIER, "redirect_uri": CALLBACK}
    prover = replace(holder, dpop=key or holder.dpop)
    first = await world.post("/oauth2/token", holder.asserted() | fields, headers={"DPoP": prover.proof()})
    nonce = first.headers.get("dpop-nonce")
    if first.status_code == 200 or first.json()["error"] != "use_dpop_nonce" or nonce is None:
        return first
    return await world.post("/oauth2/token", holder.asserted() | fields, headers={"DPoP": prover.proof(nonce=nonce)})


def by_reference(request_uri: str, client_id: str = "fapi", **beside: str) -> dict[str, str]:
    """Return what the browser carries."""
    return {"client_id": client_id, "request_uri": request_uri} | beside


async def logged_in(world: World, browser: httpx.AsyncClient, **changes: str) -> None:
    """Give the browser a session of alice's, at the time before now."""
    await world.code_in(browser, **changes)
    world.clock.advance(1)


async def visit(browser: httpx.AsyncClient, **parameters: str) -> httpx.Response:
    """Come to the endpoint."""
    return await browser.get(AUTHORIZE, params=parameters)


async def finish(world: World, browser: httpx.AsyncClient, answer: httpx.Response, *,
                 decision: str = "allow") -> httpx.Response:
    """Go through whatever page is due, until the browser leaves for the client."""
    for _ in range(6):
        place = answer.headers.get("location", "")
        if place.startswith("/login?"):
            answer = await world.login(browser, await browser.get(place))
        elif place.startswith("/consent?"):
            answer = await decide(browser, await browser.get(place), decision)
        else:
            break
    return answer


async def decide(browser: httpx.AsyncClient, page: httpx.Response, decision: str = "allow") -> httpx.Response:
    """Answer a consent page."""
    return await browser.post("/consent", data={"interaction": hidden(page.text), "decision": decision})


def answered(answer: httpx.Response) -> dict[str, str]:
    """Return the parameters that went to the client."""
    assert answer.status_code == 303, (answer.status_code, answer.text)
    return dict(parse_qsl(urlsplit(answer.headers["location"]).query))


def told(answer: httpx.Response) -> str:
    """Return the error that the client was told, checking that it was told at its place and by whom."""
    assert answer.headers["location"].startswith(CALLBACK + "?"), answer.headers["location"]
    found = answered(answer)
    assert found["iss"] == ISSUER
    assert "code" not in found
    return found["error"]


def is_page(answer: httpx.Response, status: int = 400) -> bool:
    """Whether the answer is a page of ours and leads nowhere."""
    return (answer.status_code == status and "location" not in answer.headers
            and answer.headers["content-type"].startswith("text/html"))


@dataclass
class Objects:
    """Makes request objects for a client. A claim given as None is left out."""

    holder: Holder
    key: ClientKey | None = None
    typ: str | None = "oauth-authz-req+jwt"
    header: dict[str, Any] = field(default_factory=dict)

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Return the claims of a good object."""
        now = self.holder.now_s
        found: dict[str, Any] = {"iss": self.holder.client_id, "aud": ISSUER, "nbf": now, "exp": now + 300,
                                 **asking(self.holder.client_id)}
        return found | changes

    def make(self, **changes: Any) -> str:
        """Return a signed object."""
        key = self.key or self.holder.key
        return key.sign({"typ": self.typ, "kid": key.kid, **self.header}, self.claims(**changes))


def outside(client_id: str, request: str, **beside: str) -> dict[str, str]:
    """Return a request by value as OpenID Connect has it, with what must stand outside."""
    return {"client_id": client_id, "request": request, "response_type": "code", "scope": "openid"} | beside


def form(parameters: dict[str, str]) -> str:
    """Return a query string."""
    return urlencode(parameters)


def as_json(value: object) -> str:
    """Return JSON."""
    return json.dumps(value)
