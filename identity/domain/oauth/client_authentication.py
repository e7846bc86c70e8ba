"""How a client says who it is at the token endpoint: exactly one method (RFC 6749 section 2.3)."""

import binascii
import re
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote_plus

from identity.domain.oauth.errors import InvalidClientError, OAuthError

_CLIENT_ID = re.compile(r"[!-~]{1,128}", re.ASCII)


@dataclass(frozen=True, slots=True)
class ClientClaim:
    """Who a client says it is; `secret` None is a public client's claim."""

    client_id: str
    secret: str | None = field(repr=False)


def claim_of(authorization: str | None, parameters: Mapping[str, str]) -> ClientClaim:
    """Return the claim; raise OAuthError for none, two or malformed methods."""
    named = parameters.get("client_id")
    if authorization is None:
        if named is None or not _CLIENT_ID.fullmatch(named):
            raise InvalidClientError
        return ClientClaim(named, parameters.get("client_secret"))
    claim = _basic(authorization)
    if "client_secret" in parameters or named not in {None, claim.client_id}:
        raise OAuthError("invalid_request", "two ways of client authentication in one request (RFC 6749 2.3)")
    return claim


def _basic(authorization: str) -> ClientClaim:
    scheme, _, credentials = authorization.partition(" ")
    if scheme.lower() != "basic":
        raise InvalidClientError
    try:
        text = b64decode(credentials.strip(), validate=True).decode()
    except (binascii.Error, ValueError) as cause:
        raise InvalidClientError from cause
    client_id, colon, secret = text.partition(":")
    try:
        client_id, secret = (unquote_plus(part, errors="strict") for part in (client_id, secret))
    except UnicodeDecodeError as cause:
        raise InvalidClientError from cause
    if not colon or not secret or not _CLIENT_ID.fullmatch(client_id):
        raise InvalidClientError
    return ClientClaim(client_id, secret)
