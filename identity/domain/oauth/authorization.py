"""An authorization request, read through an ordered table of small checks (RFC 6749 4.1.1, RFC 7636, OIDC Core 3.1.2).

Everything up to the redirect URI is checked first and never redirects; what fails afterwards is told to the client
at its redirect URI, with `state` and `iss` (RFC 9207).
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from identity.domain.oauth import pkce
from identity.domain.oauth.errors import AuthorizationError, UntrustedRedirectError
from identity.domain.oauth.parameters import scope_of
from identity.domain.oauth.redirect_uris import is_registered
from identity.domain.records import Client

_MAX_AGE = re.compile(r"[0-9]{1,9}", re.ASCII)
_PROMPTS = frozenset({"none", "login"})
_MAX_TEXT = 1_024


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """A request that passed every check."""

    client: Client
    redirect_uri: str
    scopes: frozenset[str]
    code_challenge: str
    state: str | None
    nonce: str | None
    prompt: str | None
    max_age_s: int | None

    def needs_login(self, authenticated_at_us: int | None, *, now_us: int, asked_at_us: int | None) -> bool:
        """Whether the person must authenticate (again).

        `asked_at_us` is when a request that is now resumed first arrived: a login since then satisfies it.
        """
        if authenticated_at_us is None:
            return True
        if asked_at_us is not None and authenticated_at_us >= asked_at_us:
            return False
        if self.prompt == "login":
            return True
        return self.max_age_s is not None and now_us - authenticated_at_us >= self.max_age_s * 1_000_000


Parameters = Mapping[str, str]
Check = Callable[[Parameters, Client], None]


def trusted_redirect(parameters: Parameters, broken: frozenset[str], client: Client | None) -> str:
    """Return the redirect URI when client and URI belong together; raise UntrustedRedirectError otherwise."""
    if broken & {"client_id", "redirect_uri"}:
        raise UntrustedRedirectError("client_id and redirect_uri must each stand once, without control characters")
    if client is None:
        raise UntrustedRedirectError("no such client is registered here: check client_id")
    uri = parameters.get("redirect_uri")
    if uri is None:
        raise UntrustedRedirectError("the parameter redirect_uri is missing")
    if not is_registered(uri, client.redirect_uris):
        raise UntrustedRedirectError("this redirect_uri is not registered for this client, character for character")
    return uri


def read_request(parameters: Parameters, broken: frozenset[str], client: Client,
                 redirect_uri: str) -> AuthorizationRequest:
    """Return the request; raise AuthorizationError with the first check that fails."""
    if broken:
        raise AuthorizationError("invalid_request", "a parameter stands twice or holds control characters")
    for check in CHECKS:
        check(parameters, client)
    return AuthorizationRequest(
        client=client, redirect_uri=redirect_uri, scopes=scope_of(parameters) or frozenset(),
        code_challenge=parameters["code_challenge"], state=parameters.get("state"), nonce=parameters.get("nonce"),
        prompt=parameters.get("prompt"),
        max_age_s=int(parameters["max_age"]) if "max_age" in parameters else None,
    )


def _lengths(parameters: Parameters, _: Client) -> None:
    for name in ("state", "nonce"):
        if len(parameters.get(name, "")) > _MAX_TEXT:
            raise AuthorizationError("invalid_request", f"{name} is longer than {_MAX_TEXT} characters")


def _no_request_object(parameters: Parameters, _: Client) -> None:
    for name in ("request", "request_uri"):
        if name in parameters:
            raise AuthorizationError(f"{name}_not_supported", f"the parameter {name} is not supported")


def _response_type(parameters: Parameters, _: Client) -> None:
    if "response_type" not in parameters:
        raise AuthorizationError("invalid_request", "the parameter response_type is missing")
    if parameters["response_type"] != "code":
        raise AuthorizationError("unsupported_response_type", "only response_type=code is offered (RFC 9700 2.1.2)")


def _response_mode(parameters: Parameters, _: Client) -> None:
    if parameters.get("response_mode", "query") != "query":
        raise AuthorizationError("invalid_request", "only response_mode=query is offered")


def _grant_type(_: Parameters, client: Client) -> None:
    if "authorization_code" not in client.grant_types:
        raise AuthorizationError("unauthorized_client", "this client may not use authorization codes")


def _scope(parameters: Parameters, client: Client) -> None:
    scopes = scope_of(parameters)
    if not scopes:
        raise AuthorizationError("invalid_scope", "the parameter scope is missing")
    if not scopes <= client.scopes:
        raise AuthorizationError("invalid_scope", "a scope is asked for that this client is not registered for")


def _challenge(parameters: Parameters, _: Client) -> None:
    if "code_challenge" not in parameters:
        raise AuthorizationError("invalid_request", "code_challenge is missing: PKCE is required (RFC 7636)")
    if parameters.get("code_challenge_method") != "S256":
        raise AuthorizationError("invalid_request", "code_challenge_method must be S256")
    if not pkce.is_challenge(parameters["code_challenge"]):
        raise AuthorizationError("invalid_request", "code_challenge is not 43 base64url characters")


def _prompt(parameters: Parameters, _: Client) -> None:
    if parameters.get("prompt", "login") not in _PROMPTS:
        raise AuthorizationError("invalid_request", "prompt must be none or login")


def _max_age(parameters: Parameters, _: Client) -> None:
    if "max_age" in parameters and not _MAX_AGE.fullmatch(parameters["max_age"]):
        raise AuthorizationError("invalid_request", "max_age must be a whole number of seconds")


CHECKS: tuple[Check, ...] = (
    _lengths, _no_request_object, _response_type, _response_mode, _grant_type, _scope, _challenge, _prompt, _max_age,
)


def response_url(redirect_uri: str, parameters: Mapping[str, str | None]) -> str:
    """Return the redirect URI with the response parameters that have a value, keeping a query it already had."""
    query = urlencode({name: value for name, value in parameters.items() if value is not None})
    return f"{redirect_uri}{'&' if '?' in redirect_uri else '?'}{query}"
