"""What a directory says to us."""

from typing import Any
from urllib.parse import quote

import httpx2 as httpx

from tests.identity.world import World

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
BULK = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
SEARCH = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"


class ScimClient:
    """Sends SCIM messages."""

    def __init__(self, http: httpx.AsyncClient, world: World) -> None:
        self.http = http
        self.world = world

    async def send(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        """Send one request; header names with dashes are written with underscores."""
        fields = {"Content-Type": "application/scim+json"} if body is not None else {}
        fields |= {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.http.request(method, path, json=body, headers=fields)

    async def user(self, user_name: str, /, **attributes: Any) -> dict[str, Any]:
        """Create a person."""
        answer = await self.send("POST", "Users", {"schemas": [USER], "userName": user_name, **attributes})
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def group(self, name: str, *members: str) -> dict[str, Any]:
        """Create a group."""
        answer = await self.send("POST", "Groups", {
            "schemas": [GROUP], "displayName": name, "members": [{"value": member} for member in members]})
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def built_in(self, name: str) -> dict[str, Any]:
        """Return the group of a built-in role."""
        found: dict[str, Any] = (await self.found("Groups", f'displayName eq "{name}"'))[0]
        return found

    async def found(self, path: str, condition: str, **parameters: str) -> list[dict[str, Any]]:
        """Return what a filter finds."""
        query = "&".join(f"{name}={quote(value)}" for name, value in {"filter": condition, **parameters}.items())
        answer = await self.http.get(f"{path}?{query}")
        assert answer.status_code == 200, answer.text
        resources: list[dict[str, Any]] = answer.json()["Resources"]
        return resources

    async def names(self, condition: str, **parameters: str) -> list[str]:
        """Return the names of the people whom a filter finds."""
        return [each["userName"] for each in await self.found("Users", condition, **parameters)]

    async def patch(self, path: str, *operations: dict[str, Any], **headers: str) -> httpx.Response:
        """Change a resource by operations."""
        return await self.send("PATCH", path, {"schemas": [PATCH], "Operations": list(operations)}, **headers)
