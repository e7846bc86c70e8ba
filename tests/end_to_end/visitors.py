"""Hostile visitors: a person who keeps a code unredeemed, and bytes written to the socket as they are."""

import asyncio
import base64
import hashlib
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

import httpx2 as httpx
import orjson

from control_plane.cli.person import CLIENT_ID, REDIRECT_URI, SCOPE, Person, _Answers
from control_plane.demo.instance import Instance
from shared_kernel.ids import secret


class Answered(NamedTuple):
    """What came back over a raw connection."""

    status: int
    text: str


class CodeHolder(Person):
    """Signs in and stops at the code."""

    def __init__(self, instance: Instance) -> None:
        super().__init__(instance.gateway, user_agent="end-to-end")
        self._passwords = instance.passwords
        self.verifier = secret() + secret()

    async def code(self, name: str) -> str:
        """Return a fresh code of this person."""
        return await self._code(f"{self.gateway}/oauth2/authorize?{urlencode(self.question())}",
                                _Answers(name, self._passwords[name], lambda: None))

    def question(self, **changed: str) -> dict[str, str]:
        """Return an honest authorization request with these parameters changed; an empty one is left out."""
        challenge = unpadded(hashlib.sha256(self.verifier.encode()).digest())
        honest = {
            "response_type": "code", "client_id": CLIENT_ID, "redirect_uri": REDIRECT_URI, "scope": SCOPE,
            "state": "s" * 20, "code_challenge": challenge, "code_challenge_method": "S256",
        }
        return {name: value for name, value in (honest | changed).items() if value}

    async def redeem(self, code: str, **changed: str) -> httpx.Response:
        """Ask the token endpoint for this code's tokens."""
        form = {
            "grant_type": "authorization_code", "code": code, "code_verifier": self.verifier,
            "redirect_uri": REDIRECT_URI, "client_id": CLIENT_ID,
        }
        return await self._send("POST", f"{self.gateway}/oauth2/token", data=form | changed)

    async def authorize(self, **changed: str) -> httpx.Response:
        """Ask for authorization with these parameters changed; redirects are not followed."""
        return await self._send("GET", f"{self.gateway}/oauth2/authorize?{urlencode(self.question(**changed))}")


async def say(gateway: str, request: bytes) -> Answered:
    """Write bytes to the gateway as they are; return the first answer, status 0 when there is none."""
    where = urlsplit(gateway)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    try:
        writer.write(request)
        async with asyncio.timeout(60):
            head = await reader.readuntil(b"\r\n\r\n")
            body = await reader.read(65_536)
    except asyncio.IncompleteReadError:
        return Answered(0, "")
    finally:
        writer.close()
    return Answered(int(head.split(b" ", 2)[1]), (head + body).decode("latin-1"))


def lines(method: str, target: str, *fields: str) -> bytes:
    """Return the head of a request that ends its connection."""
    return "\r\n".join([f"{method} {target} HTTP/1.1", "Host: gateway", "Connection: close", *fields, "", ""]).encode(
        "latin-1")


def unpadded(raw: bytes) -> str:
    """Return bytes in the base64 of JWT."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def part(value: dict[str, Any]) -> str:
    """Return one part of a JWT."""
    return unpadded(orjson.dumps(value))


def opened(token: str, index: int) -> dict[str, Any]:
    """Return a part of a JWT as JSON."""
    text = token.split(".")[index]
    value: dict[str, Any] = orjson.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    return value
