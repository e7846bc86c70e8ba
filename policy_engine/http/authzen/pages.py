"""Pages of a search (AuthZEN 1.0, 8.2): tokens that only we can write, good for the same question of the same caller.

    token = base64url( HMAC-SHA256(key, "authzen page" 0x00 caller 0x00 digest 0x00 payload)[:16] || payload )

`payload` is where the next page begins and how long pages are; `digest` covers the request but for its `page`, so that
a token shown with another question is refused, as the section wants it.
"""

import base64
import binascii
import hmac
from dataclasses import dataclass
from typing import Any

import orjson

from policy_engine.http.authzen.digests import digest_of
from policy_engine.http.authzen.messages import Json, MalformedRequestError
from shared_kernel.errors import InvalidInputError

DEFAULT_LIMIT, MAX_LIMIT = 50, 100
_MAC_BYTES = 16
_MAX_TOKEN = 4_096


class ForgedTokenError(InvalidInputError):
    """The page token is not ours, or belongs to another search."""

    def __init__(self) -> None:
        super().__init__("page.token is not one of this search: repeat the request as it was, or begin without a token")


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of the results: up to `limit` behind the place `after`."""

    after: str
    limit: int


class PageTokens:
    """Reads and writes the tokens of one request."""

    def __init__(self, key: bytes, caller: str, request: Json) -> None:
        about = {name: value for name, value in request.items() if name != "page"}
        self._key = key
        self._prefix = b"authzen page\0" + caller.encode() + b"\0" + digest_of(about) + b"\0"
        self.page = self._page(request.get("page", {}))

    def next_token(self, after: str | None) -> str:
        """Return the token of the page behind a place, "" when there is none."""
        if after is None:
            return ""
        payload = orjson.dumps([after, self.page.limit])
        return base64.urlsafe_b64encode(self._mac(payload) + payload).decode("ascii")

    def _page(self, given: Any) -> Page:  # noqa: ANN401 - any JSON
        if not isinstance(given, dict):
            raise MalformedRequestError("page", "an object")
        limit, token = given.get("limit"), given.get("token", "")
        if type(limit) is float and limit.is_integer():
            limit = int(limit)  # 2.0 is a whole number too (JSON Schema, section 6.1.1)
        if limit is not None and (type(limit) is not int or limit < 0):
            raise MalformedRequestError("page.limit", "a whole number, not negative")
        if not isinstance(token, str):
            raise MalformedRequestError("page.token", "a text")
        wanted = None if limit is None else min(limit, MAX_LIMIT)
        if not token:
            return Page("", DEFAULT_LIMIT if wanted is None else wanted)
        page = self._read(token)
        if wanted not in {None, page.limit}:
            raise ForgedTokenError
        return page

    def _read(self, token: str) -> Page:
        try:
            if len(token) > _MAX_TOKEN:
                raise ForgedTokenError
            content = base64.b64decode(token.encode("ascii"), altchars=b"-_", validate=True)
            mac, payload = content[:_MAC_BYTES], content[_MAC_BYTES:]
        except (UnicodeEncodeError, binascii.Error) as cause:
            raise ForgedTokenError from cause
        if not hmac.compare_digest(mac, self._mac(payload)):
            raise ForgedTokenError
        after, limit = orjson.loads(payload)
        return Page(after, limit)

    def _mac(self, payload: bytes) -> bytes:
        return hmac.digest(self._key, self._prefix + payload, "sha256")[:_MAC_BYTES]
