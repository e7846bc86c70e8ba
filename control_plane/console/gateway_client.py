"""The console's way to data: the gateway, with the person's own token, and nothing else."""

from dataclasses import dataclass, field
from typing import Any

import httpx2 as httpx
import orjson

from control_plane.console.sessions import ConsoleSession
from control_plane.origins import origin_of
from shared_kernel.errors import GridwardenError

TIMEOUT_S = 60.0


class GatewayUnreachableError(GridwardenError):
    """The gateway does not answer, or not with anything we understand."""

    def __init__(self, url: str) -> None:
        super().__init__(f"The gateway at {url} does not answer. Start it, then reload this page.")


class SignInNeededError(GridwardenError):
    """The person's token is spent."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the gateway said: a status and a JSON document, a text, or a file's bytes."""

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

    @property
    def problem(self) -> dict[str, Any]:
        """Return the gateway's problem; empty when it said nothing we understand."""
        return self.body if not self.is_ok and isinstance(self.body, dict) else {}

    @property
    def wants_another_login(self) -> bool:
        """Tell whether the token is good and its login too old or too weak for this (RFC 9470)."""
        return str(self.problem.get("type", "")).endswith(":insufficient-user-authentication")


class GatewayClient:
    """Calls the gateway for one person at a time; renews the person's access token when it has run out.

    `url` is the issuer; what identity speaks lies below it, the API at its host's root.
    """

    def __init__(self, url: str, http: httpx.AsyncClient, client_id: str, client_secret: str) -> None:
        self.url = url
        self._origin = origin_of(url)
        self._http = http
        self._credentials = (client_id, client_secret)

    async def get(self, session: ConsoleSession, path: str, **params: str | int | None) -> Answer:
        """GET a path as this person."""
        return await self._call(session, "GET", path, params={k: v for k, v in params.items() if v not in {None, ""}})

    async def post(
        self, session: ConsoleSession, path: str, body: Any = None, *, prefer: str | None = None,  # noqa: ANN401 - any JSON
    ) -> Answer:
        """POST a JSON body, or none, as this person."""
        headers = {} if prefer is None else {"prefer": prefer}
        if body is None:
            return await self._call(session, "POST", path, headers=headers)
        headers["content-type"] = "application/json"
        return await self._call(session, "POST", path, content=orjson.dumps(body), headers=headers)

    async def delete(self, session: ConsoleSession, path: str) -> Answer:
        """DELETE a path as this person."""
        return await self._call(session, "DELETE", path)

    async def metadata(self) -> Answer:
        """Return what the provider says about itself."""
        response = await self._send("GET", "/.well-known/openid-configuration")
        return Answer(response.status_code, self._document(response))

    async def post_form(self, path: str, fields: dict[str, str], client: tuple[str, str] | None = None) -> Answer:
        """POST a form to an endpoint of the protocol as a client; the console itself without one."""
        response = await self._send("POST", path, data=fields, auth=client or self._credentials)
        return Answer(response.status_code, self._document(response))

    async def _call(self, session: ConsoleSession, method: str, path: str, **request: Any) -> Answer:  # noqa: ANN401
        used = session.tokens.get("access_token", "")
        answer = await self._once(session, method, path, request)
        if answer.wants_another_login:
            return answer
        if answer.status == httpx.codes.UNAUTHORIZED and await self._renewed(session, used):
            answer = await self._once(session, method, path, request)
        if answer.status == httpx.codes.UNAUTHORIZED:
            raise SignInNeededError("sign in again")
        return answer

    async def _once(self, session: ConsoleSession, method: str, path: str, request: dict[str, Any]) -> Answer:
        headers = {
            **request.get("headers", {}), "authorization": f"Bearer {session.tokens.get('access_token', '')}",
            "user-agent": session.user_agent, **({"access-purpose": session.purpose} if session.purpose else {}),
        }
        response = await self._send(method, path, **{**request, "headers": headers})
        return Answer(response.status_code, self._document(response))

    async def _renewed(self, session: ConsoleSession, used: str) -> bool:
        """Renew the token `used`, once for all tabs: a second use of one refresh token would end the whole grant."""
        async with session.renewing:
            if session.tokens.get("access_token", "") != used:
                return session.is_signed_in
            refresh_token = session.tokens.get("refresh_token")
            return bool(refresh_token) and await self._refresh(session, str(refresh_token))

    async def _refresh(self, session: ConsoleSession, refresh_token: str) -> bool:
        answer = await self.post_form("/oauth2/token", {"grant_type": "refresh_token", "refresh_token": refresh_token})
        if answer.status >= httpx.codes.INTERNAL_SERVER_ERROR:
            raise GatewayUnreachableError(self.url)
        if not answer.is_ok or not isinstance(answer.body, dict) or "access_token" not in answer.body:
            return False
        session.tokens.update(answer.body)
        return True

    async def _send(self, method: str, path: str, **request: Any) -> httpx.Response:  # noqa: ANN401
        try:
            return await self._http.request(method, f"{self._base_of(path)}{path}", **request)
        except httpx.HTTPError as cause:
            raise GatewayUnreachableError(self.url) from cause

    def _base_of(self, path: str) -> str:
        return self.url if path.startswith(("/oauth2/", "/.well-known/")) else self._origin

    def _document(self, response: httpx.Response) -> Any:  # noqa: ANN401 - any JSON
        kind = response.headers.get("content-type", "")
        if "json" not in kind:
            return response.content if kind.startswith("application/") else response.text
        try:
            return orjson.loads(response.content) if response.content else None
        except orjson.JSONDecodeError as cause:
            raise GatewayUnreachableError(self.url) from cause
