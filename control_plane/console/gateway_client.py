"""The console's way to data: the gateway, with the person's own token, and nothing else."""

from dataclasses import dataclass, field
from typing import Any

import httpx
import orjson

from control_plane.console.sessions import ConsoleSession
from shared_kernel.errors import GridwardenError

TIMEOUT_S = 60.0


class GatewayUnreachableError(GridwardenError):
    """The gateway does not answer."""

    def __init__(self, url: str) -> None:
        super().__init__(f"The gateway at {url} does not answer. Start it, then reload this page.")


class SignInNeededError(GridwardenError):
    """The person's token is spent."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the gateway said: a status and a JSON document."""

    status: int
    body: Any = field(default=None)

    @property
    def is_ok(self) -> bool:
        """Tell whether the gateway did it."""
        return 200 <= self.status < 300  # noqa: PLR2004 - HTTP's own class of success

    @property
    def items(self) -> list[dict[str, Any]]:
        """Return the list of a collection answer; empty when it was refused."""
        return list(self.body.get("items", [])) if self.is_ok and isinstance(self.body, dict) else []


class GatewayClient:
    """Calls the gateway for one person at a time; renews the person's access token when it has run out."""

    def __init__(self, url: str, http: httpx.AsyncClient, client_id: str, client_secret: str) -> None:
        self.url = url
        self._http = http
        self._credentials = (client_id, client_secret)

    async def get(self, session: ConsoleSession, path: str, **params: str | int | None) -> Answer:
        """GET a path as this person."""
        return await self._call(session, "GET", path, params={k: v for k, v in params.items() if v not in {None, ""}})

    async def post(self, session: ConsoleSession, path: str, body: Any = None) -> Answer:  # noqa: ANN401 - any JSON
        """POST a JSON body as this person."""
        return await self._call(session, "POST", path, content=orjson.dumps(body if body is not None else {}),
                                headers={"content-type": "application/json"})

    async def _call(self, session: ConsoleSession, method: str, path: str, **request: Any) -> Answer:  # noqa: ANN401
        answer = await self._once(session, method, path, request)
        if answer.status == httpx.codes.UNAUTHORIZED and await self._refresh(session):
            answer = await self._once(session, method, path, request)
        if answer.status == httpx.codes.UNAUTHORIZED:
            raise SignInNeededError("sign in again")
        return answer

    async def _once(self, session: ConsoleSession, method: str, path: str, request: dict[str, Any]) -> Answer:
        headers = {
            **request.get("headers", {}), "authorization": f"Bearer {session.tokens.get('access_token', '')}",
            "user-agent": session.flow.get("user_agent", "gridwarden-console"),
            "access-purpose": session.flow.get("purpose", ""),
        }
        if not headers["access-purpose"]:
            del headers["access-purpose"]
        try:
            response = await self._http.request(method, f"{self.url}{path}", **{**request, "headers": headers})
        except httpx.HTTPError as cause:
            raise GatewayUnreachableError(self.url) from cause
        return Answer(response.status_code, _document(response))

    async def _refresh(self, session: ConsoleSession) -> bool:
        refresh_token = session.tokens.get("refresh_token")
        if not refresh_token:
            return False
        try:
            response = await self._http.post(
                f"{self.url}/oauth2/token", auth=self._credentials,
                data={"grant_type": "refresh_token", "refresh_token": refresh_token},
            )
        except httpx.HTTPError as cause:
            raise GatewayUnreachableError(self.url) from cause
        if response.status_code != httpx.codes.OK:
            return False
        session.tokens.update(response.json())
        return True


def _document(response: httpx.Response) -> Any:  # noqa: ANN401 - any JSON
    if "json" not in response.headers.get("content-type", ""):
        return response.text
    return orjson.loads(response.content) if response.content else None
