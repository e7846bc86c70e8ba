"""A receiver of signals at work: it has a client with the role and the scopes, and manages its stream."""

from typing import Any

import httpx2 as httpx
import jwt

from identity.domain.signals.events import SUPPORTED
from identity.domain.signals.streams import PUSH
from identity.service import Registration
from tests.identity.receiver import Receiver
from tests.identity.world import ISSUER, World

STREAM, STATUS, VERIFY = "/signals/stream", "/signals/status", "/signals/verify"
ADD, REMOVE = "/signals/subjects/add", "/signals/subjects/remove"
AUTHORIZATION = "Bearer push-me-please"


class Listener:
    """A receiver's own client."""

    def __init__(self, world: World, client_id: str, secret: str) -> None:
        self.world, self.client_id, self.secret = world, client_id, secret
        self.token = ""
        self.stream: dict[str, Any] = {}

    async def renew(self, scope: str = "ssf.read ssf.manage") -> "Listener":
        """Get a new access token."""
        answer = await self.world.post("/oauth2/token", {"grant_type": "client_credentials", "scope": scope},
                                       auth=(self.client_id, self.secret))
        self.token = answer.json()["access_token"]
        return self

    async def call(self, method: str, path: str, body: Any = None, **kwargs: Any) -> httpx.Response:
        """Call the transmitter with the token."""
        async with self.world.browser() as http:
            return await http.request(method, path, json=body, headers={"Authorization": f"Bearer {self.token}"},
                                      **kwargs)

    async def create(self, **asked: Any) -> dict[str, Any]:
        """Create the stream and remember it."""
        answer = await self.call("POST", STREAM, {"events_requested": list(SUPPORTED)} | asked)
        assert answer.status_code == 201, answer.text
        self.stream = answer.json()
        return self.stream

    async def listen(self, receiver: Receiver, **asked: Any) -> dict[str, Any]:
        """Create a stream that is pushed to a server."""
        return await self.create(delivery={"method": PUSH, "endpoint_url": f"{receiver.url}/push",
                                           "authorization_header": AUTHORIZATION}, **asked)

    async def poll(self, **asked: Any) -> dict[str, Any]:
        """Poll without waiting; answer the decoded document."""
        path = self.stream["delivery"]["endpoint_url"].removeprefix(ISSUER)
        answer = await self.call("POST", path, {"returnImmediately": True} | asked)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def heard(self, **asked: Any) -> list[dict[str, Any]]:
        """Return the claims of what waits."""
        return [(await read(self.world, token, self.client_id))[1]
                for token in (await self.poll(**asked))["sets"].values()]

    async def set_status(self, status: str, **more: Any) -> httpx.Response:
        """Change the status."""
        return await self.call("POST", STATUS, {"stream_id": self.stream["stream_id"], "status": status} | more)

    async def verify(self, **asked: Any) -> httpx.Response:
        """Ask for a verification event, no sooner than allowed."""
        self.world.clock.advance(5)
        return await self.call("POST", VERIFY, {"stream_id": self.stream["stream_id"]} | asked)


async def listener(world: World, client_id: str = "rp", scope: str = "ssf.read ssf.manage") -> Listener:
    """Register a receiver and get its token."""
    _, secret = await world.provider.create_client(Registration(
        client_id, "Receiver", grant_types=frozenset({"client_credentials"}),
        scopes=frozenset({"ssf.read", "ssf.manage"}), roles=frozenset({"signal_receiver"})))
    return await Listener(world, client_id, secret or "").renew(scope)


async def read(world: World, token: str, audience: str = "rp") -> tuple[dict[str, Any], dict[str, Any]]:
    """Return header and claims of a security event token, verified by PyJWT as a receiver would."""
    keys = jwt.PyJWKSet.from_dict((await world.get("/oauth2/jwks")).json())
    header = jwt.get_unverified_header(token)
    claims = jwt.decode(token, keys[header["kid"]].key, algorithms=["RS256"], audience=audience, issuer=ISSUER,
                        options={"require": ["iss", "aud", "iat", "jti"], "verify_iat": False})
    return header, claims


def event_of(claims: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the one event of a token."""
    [(kind, event)] = claims["events"].items()
    return kind, event
