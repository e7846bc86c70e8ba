"""A request in a signed JWT (RFC 9101; OIDC Core section 6), by value.

Steps: 1 a type and an algorithm that may be, signed by a key of the client, 2 issuer, audience and dates,
3 no request inside a request, 4 the same client inside and outside, 5 its claims are the parameters, and nothing
outside counts. An object without `typ: oauth-authz-req+jwt` may be OpenID Connect's: that one also wants
`response_type` and the scope `openid` outside, the same as inside.
"""

from collections.abc import Mapping
from typing import Any

import orjson

from identity.domain.jose.foreign import CLIENT_ALGORITHMS, FAPI_ALGORITHMS, Verified, numeric_date, verified
from identity.domain.oauth.asked import Asked
from identity.domain.oauth.errors import AuthorizationError, InvalidTokenError
from identity.domain.oauth.resource_indicators import RESOURCE
from identity.domain.records import Client

REQUEST_TYPE = "oauth-authz-req+jwt"
_TYPES: frozenset[str | None] = frozenset({None, "JWT", "jwt", REQUEST_TYPE, f"application/{REQUEST_TYPE}"})
_JWT_CLAIMS = frozenset({"iss", "aud", "exp", "nbf", "iat", "jti", "sub"})
_JSON_PARAMETERS = frozenset({"claims", "authorization_details"})
_SKEW_S = 10
_MAX_AGE_S = 3_600
"""FAPI 2.0 Message Signing 5.3.1: nbf no more than 60 minutes ago, exp no more than 60 minutes after nbf."""


def is_unsigned(peeked: Verified) -> bool:
    """Whether an object says that nobody signed it."""
    return str(peeked.header.get("alg", "")).lower() == "none"


def candidate_of(peeked: Verified, client: Client) -> Asked:
    """Return what an unverified object says its parameters are: only to find a registered place for errors."""
    texts = ((name, value) for name, value in peeked.claims.items() if isinstance(value, str))
    return Asked.of([*((name, value) for name, value in texts if name != "client_id"), ("client_id", client.id)])


def algorithms_for(client: Client) -> frozenset[str]:
    """Return the algorithms this client may sign requests with."""
    allowed = FAPI_ALGORITHMS if client.is_fapi2 else CLIENT_ALGORITHMS
    registered = client.settings.request_object_signing_alg
    return allowed if registered is None else allowed & {registered}


def read_object(text: str, jwks: Mapping[str, Any], client: Client, issuer: str, now_s: int) -> Verified:
    """Return the object's header and claims; raise AuthorizationError `invalid_request_object`."""
    try:
        found = verified(text, jwks, algorithms=algorithms_for(client), types=_TYPES)
        _check_dates(found.claims, now_s, is_strict=client.is_fapi2)
    except InvalidTokenError as cause:
        raise _refusal(cause.reason) from cause
    _check_parties(found.claims, client, issuer)
    return found


def parameters_of(found: Verified, outside: Asked, client: Client, *, is_pushed: bool) -> Asked:
    """Return the parameters that count; raise AuthorizationError where inside and outside disagree."""
    claims = found.claims
    if "request" in claims or "request_uri" in claims:
        raise _refusal("a request object never holds another (RFC 9101 section 4)")
    if outside.get("client_id") != client.id or claims.get("client_id", client.id) != client.id:
        raise _refusal("client_id must be the same inside and outside (RFC 9101 section 5)")
    if not is_pushed and not _is_rfc9101(found):
        _check_openid(claims, outside)
    pairs = [pair for name, value in claims.items() if name not in _JWT_CLAIMS for pair in _pairs(name, value)]
    pairs = [pair for pair in pairs if pair[0] != "client_id"]
    return Asked.of([("client_id", client.id), *pairs], is_signed=True, is_pushed=is_pushed)


def _is_rfc9101(found: Verified) -> bool:
    return str(found.header.get("typ", "")).removeprefix("application/") == REQUEST_TYPE


def _check_openid(claims: Mapping[str, Any], outside: Asked) -> None:
    """OIDC Core 6.1: these stand outside too, or the request is not a valid OAuth 2.0 request."""
    if outside.get("response_type") is None or "openid" not in outside.words("scope"):
        raise AuthorizationError(
            "invalid_request", "response_type and scope=openid must also stand outside the request object "
            "(OIDC Core 6.1), unless its typ is oauth-authz-req+jwt (RFC 9101)")
    if claims.get("response_type", outside.get("response_type")) != outside.get("response_type"):
        raise _refusal("response_type must be the same inside and outside (OIDC Core 6.1)")


def _check_parties(claims: Mapping[str, Any], client: Client, issuer: str) -> None:
    audience = claims.get("aud", None if client.is_fapi2 else issuer)
    if issuer not in (audience if isinstance(audience, list) else [audience]):
        raise _refusal("aud must be our issuer (RFC 9101 section 4)")
    if claims.get("iss", None if client.is_fapi2 else client.id) != client.id:
        raise _refusal("iss must be the client_id (RFC 9101 section 4)")


def _check_dates(claims: Mapping[str, Any], now_s: int, *, is_strict: bool) -> None:
    expires, begins = numeric_date(claims, "exp"), numeric_date(claims, "nbf")
    if is_strict and (expires is None or begins is None):
        raise InvalidTokenError("exp and nbf must be there (FAPI 2.0 Message Signing 5.3.1)")
    if expires is not None and expires <= now_s - _SKEW_S:
        raise InvalidTokenError("it has expired")
    if begins is not None and begins > now_s + _SKEW_S:
        raise InvalidTokenError("it is not valid yet")
    if is_strict and (begins or 0) < now_s - _MAX_AGE_S:
        raise InvalidTokenError("nbf is more than 60 minutes ago")
    if is_strict and (expires or 0) > (begins or 0) + _MAX_AGE_S:
        raise InvalidTokenError("exp is more than 60 minutes after nbf")


def _pairs(name: str, value: object) -> list[tuple[str, str]]:
    """Return a claim as parameters: texts as they are, numbers in digits, JSON where the parameter is JSON."""
    if isinstance(value, str):
        return [(name, value)]
    if type(value) is int:
        return [(name, str(value))]
    if name in _JSON_PARAMETERS and isinstance(value, dict | list):
        return [(name, orjson.dumps(value).decode())]
    if name == RESOURCE and isinstance(value, list) and all(isinstance(each, str) for each in value):
        return [(name, each) for each in value]
    raise _refusal(f"the claim {name[:40]!r} has a value that no parameter can have")


def _refusal(why: str) -> AuthorizationError:
    return AuthorizationError("invalid_request_object", f"the request object is not valid: {why}")
