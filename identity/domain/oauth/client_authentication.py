"""How a client says who it is: exactly one method a request (RFC 6749 section 2.3), and what an assertion must say.

A client that presents no credential in the request is public, or proves itself by its TLS certificate.
"""

import binascii
import hashlib
import re
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_plus

from identity.domain.jose.algorithms import algorithm_named
from identity.domain.jose.foreign import CLIENT_ALGORITHMS, FAPI_ALGORITHMS, numeric_date, peeked
from identity.domain.oauth.errors import InvalidClientError, InvalidTokenError, OAuthError
from identity.domain.records import Client

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ASSERTION_TYPES: frozenset[str | None] = frozenset({None, "jwt", "client-authentication+jwt"})
SECRET_METHODS = frozenset({"client_secret_basic", "client_secret_post"})
PRESENTED_METHODS = SECRET_METHODS | {"private_key_jwt"}
"""The methods whose proof stands in the request itself."""
FAPI_METHODS = frozenset({"private_key_jwt", "tls_client_auth", "self_signed_tls_client_auth"})
"""FAPI 2.0 Security Profile section 5.3.2.1: only confidential clients, and these methods."""
MAX_AHEAD_S = 30
"""FAPI 2.0 Security Profile section 5.3.2.1: iat and nbf 10 s in the future are taken, more than 60 s are not."""
MAX_JTI = 512
LIFETIME_S, FAPI_LIFETIME_S = 3_600, 600
_CLIENT_ID = re.compile(r"[!-~]{1,128}", re.ASCII)


@dataclass(frozen=True, slots=True)
class ClientClaim:
    """Who a client says it is and by which method; `method` None: nothing in the request itself proves it."""

    client_id: str
    method: str | None = None
    secret: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class AssertionUse:
    """The one use of an assertion: under which digest and until when it must not be seen again."""

    digest: bytes
    expires_at_us: int


def claim_of(authorization: str | None, parameters: Mapping[str, str]) -> ClientClaim:
    """Return the claim; raise OAuthError for none, several or malformed methods."""
    named = parameters.get("client_id")
    if named is not None and not _CLIENT_ID.fullmatch(named):
        raise InvalidClientError
    claims = [read(authorization, parameters) for is_tried, read in (
        (authorization is not None, _by_header), ("client_secret" in parameters, _by_secret),
        (not _ASSERTED.isdisjoint(parameters), _by_assertion)) if is_tried]
    if len(claims) > 1 or (claims and named not in {None, claims[0].client_id}):
        raise OAuthError("invalid_request", "one client and one way of authentication a request (RFC 6749 2.3)")
    if claims:
        return claims[0]
    if named is None:
        raise InvalidClientError
    return ClientClaim(named)


def methods_of(client: Client) -> frozenset[str]:
    """Return the methods a client may use: the registered one, or those that fit what it has."""
    registered = client.settings.auth_method
    fitting = SECRET_METHODS if client.secret_hash is not None else frozenset({"none"})
    methods = fitting if registered is None else frozenset({registered})
    return methods & FAPI_METHODS if client.is_fapi2 else methods


def algorithms_of(client: Client) -> frozenset[str]:
    """Return the algorithms a client may sign assertions with."""
    allowed = FAPI_ALGORITHMS if client.is_fapi2 else CLIENT_ALGORITHMS
    registered = client.settings.auth_signing_alg
    if registered is None:
        return allowed
    algorithm = algorithm_named(registered)
    return allowed & {algorithm.name if algorithm else registered}


def audiences_of(client: Client, issuer: str) -> frozenset[str]:
    """Return whom an assertion may be addressed to; never a pushed request's endpoint, never a list (RFC 7523bis)."""
    return frozenset({issuer}) if client.is_fapi2 else frozenset({issuer, f"{issuer}/oauth2/token"})


def checked_assertion(claims: Mapping[str, Any], client: Client, *, issuer: str, now_us: int) -> AssertionUse:
    """Return the use of an assertion whose signature holds; raise InvalidTokenError (RFC 7523 section 3)."""
    now_s = now_us // 1_000_000
    if not claims.get("iss") == claims.get("sub") == client.id:
        raise InvalidTokenError("iss and sub must be the client's id")
    if not isinstance(claims.get("aud"), str) or claims["aud"] not in audiences_of(client, issuer):
        raise InvalidTokenError("aud must be the issuer, as a single text")
    expires_at_s, lifetime_s = numeric_date(claims, "exp"), FAPI_LIFETIME_S if client.is_fapi2 else LIFETIME_S
    if expires_at_s is None or not now_s < expires_at_s <= now_s + lifetime_s + MAX_AHEAD_S:
        raise InvalidTokenError(f"exp must be in the future, by {lifetime_s} s at most")
    for name in ("iat", "nbf"):
        if (numeric_date(claims, name) or 0) > now_s + MAX_AHEAD_S:
            raise InvalidTokenError(f"{name} is in the future")
    jti = claims.get("jti")
    if not isinstance(jti, str) or not 0 < len(jti) <= MAX_JTI:
        raise InvalidTokenError(f"jti must be a text of 1 to {MAX_JTI} characters")
    digest = hashlib.sha256(f"{client.id} {jti}".encode("utf-8", "surrogatepass")).digest()
    return AssertionUse(digest, (expires_at_s + 1) * 1_000_000)


def _by_header(authorization: str | None, _: Mapping[str, str]) -> ClientClaim:
    """Read Basic, both halves form-urlencoded (RFC 6749 section 2.3.1)."""
    scheme, _space, credentials = (authorization or "").partition(" ")
    if scheme.lower() != "basic":
        raise InvalidClientError
    try:
        text = b64decode(credentials.strip(), validate=True).decode()
        client_id, colon, secret = text.partition(":")
        client_id, secret = (unquote_plus(part, errors="strict") for part in (client_id, secret))
    except (binascii.Error, ValueError) as cause:
        raise InvalidClientError from cause
    if not colon or not secret or not _CLIENT_ID.fullmatch(client_id):
        raise InvalidClientError
    return ClientClaim(client_id, "client_secret_basic", secret)


def _by_secret(_: str | None, parameters: Mapping[str, str]) -> ClientClaim:
    if "client_id" not in parameters:
        raise InvalidClientError
    return ClientClaim(parameters["client_id"], "client_secret_post", parameters["client_secret"])


def _by_assertion(_: str | None, parameters: Mapping[str, str]) -> ClientClaim:
    """Find out who an assertion speaks for; nothing is verified yet (RFC 7521 section 4.2)."""
    if parameters.get("client_assertion_type") != ASSERTION_TYPE or "client_assertion" not in parameters:
        raise OAuthError("invalid_request", f"an assertion comes with client_assertion_type {ASSERTION_TYPE}")
    try:
        client_id = peeked(parameters["client_assertion"]).claims.get("sub")
    except InvalidTokenError as cause:
        raise InvalidClientError from cause
    if not isinstance(client_id, str) or not _CLIENT_ID.fullmatch(client_id):
        raise InvalidClientError
    return ClientClaim(client_id, "private_key_jwt")


_ASSERTED = frozenset({"client_assertion", "client_assertion_type"})
