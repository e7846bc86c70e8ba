"""An authorization request, read through ordered tables (RFC 6749 4.1.1, RFC 7636, OIDC Core 3.1.2, FAPI 2.0 5.3.2).

Everything up to the redirect URI is checked first and never redirects; what fails afterwards is told to the client
at its redirect URI, with `state` and `iss` (RFC 9207). CHECKS refuse requests as a whole, FIELDS read one field each.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from identity.domain.jose.mint import Mint
from identity.domain.oauth import authorization_details, pkce
from identity.domain.oauth.asked import Asked
from identity.domain.oauth.claims_request import (
    AcrWish,
    acr_of_claims,
    read_claims,
    scopes_of_claims,
    subjects_of_claims,
)
from identity.domain.oauth.errors import AuthorizationError, OAuthError, UntrustedRedirectError
from identity.domain.oauth.id_tokens import read_hint
from identity.domain.oauth.redirect_uris import is_registered
from identity.domain.oauth.resource_indicators import chosen
from identity.domain.oauth.responses import RESPONSE_MODES, WEB_SCHEMES, ResponsePlace, response_url
from identity.domain.people.assurance import ACR_VALUES
from identity.domain.records import Client

__all__ = ["CHECKS", "DISPLAYS", "FIELDS", "PROMPTS", "AuthorizationRequest", "Reading", "read_request", "response_url",
           "trusted_redirect"]

_MAX_AGE = re.compile(r"[0-9]{1,9}", re.ASCII)
_THUMBPRINT = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
PROMPTS = ("none", "login", "consent", "select_account")
DISPLAYS = ("page", "popup", "touch", "wap")
"""Our pages fit every one of them, so `display` changes nothing (OIDC Core 3.1.2.1)."""
_MAX_TEXT = 1_024
_MAX_HINT = 256
_MAX_LOCALES = 200


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """A request that passed every check; a field a request left out has its default.

    `subjects` are the persons it is about and no others: those of id_token_hint and of a `sub` with a value.
    """

    client: Client
    redirect_uri: str
    response_mode: str
    state: str | None
    nonce: str | None
    code_challenge: str | None
    prompts: frozenset[str]
    scopes: frozenset[str]
    max_age_s: int | None
    claims: Mapping[str, Any]
    acr: AcrWish
    subjects: frozenset[str]
    resources: tuple[str, ...]
    authorization_details: tuple[Mapping[str, Any], ...]
    jkt: str | None
    login_hint: str | None
    ui_locales: str | None

    @property
    def place(self) -> ResponsePlace:
        """Where the answer goes."""
        return ResponsePlace(self.redirect_uri, self.response_mode, self.state)

    @property
    def disclosed_scopes(self) -> frozenset[str]:
        """What a person must agree to: the scopes, and those that single claims are part of."""
        return self.scopes | scopes_of_claims(self.claims)

    @property
    def is_offline(self) -> bool:
        """Whether what is given shall outlive the session (OIDC Core 11)."""
        return "offline_access" in self.scopes


@dataclass(frozen=True, slots=True)
class Reading:
    """What a check may look at. `mint` knows our issuer, our API, and which ID tokens are ours."""

    asked: Asked
    client: Client
    redirect_uri: str
    mint: Mint
    known: dict[str, Any] = field(default_factory=dict)


Check = Callable[[Reading], None]
Reader = Callable[[Reading], object]


def trusted_redirect(asked: Asked, client: Client | None) -> str:
    """Return the redirect URI when client and URI belong together; raise UntrustedRedirectError otherwise."""
    if asked.broken & {"client_id", "redirect_uri"}:
        raise UntrustedRedirectError("client_id and redirect_uri must each stand once, without control characters")
    if client is None:
        raise UntrustedRedirectError("no such client is registered here: check client_id")
    uri = asked.get("redirect_uri")
    if uri is None:
        raise UntrustedRedirectError("the parameter redirect_uri is missing")
    if not is_registered(uri, client.redirect_uris):
        raise UntrustedRedirectError("this redirect_uri is not registered for this client, character for character")
    if urlsplit(uri).scheme not in WEB_SCHEMES and client.settings.application_type != "native":
        raise UntrustedRedirectError("only an application_type `native` has a redirect_uri with a scheme of its own")
    return uri


def read_request(reading: Reading) -> AuthorizationRequest:
    """Return the request; raise AuthorizationError with the first check that fails."""
    try:
        for check in CHECKS:
            check(reading)
        for name, read in FIELDS:
            reading.known[name] = read(reading)
    except OAuthError as error:
        raise AuthorizationError(error.code, error.description) from error
    return AuthorizationRequest(client=reading.client, redirect_uri=reading.redirect_uri, **reading.known)


def _once(reading: Reading) -> None:
    if reading.asked.broken:
        raise AuthorizationError("invalid_request", "a parameter stands twice or holds control characters")


def _no_reference(reading: Reading) -> None:
    if reading.asked.get("request_uri") is not None:
        raise AuthorizationError("request_uri_not_supported", "request_uri is taken from /oauth2/par only (RFC 9126)")


def _pushed(reading: Reading) -> None:
    """FAPI 2.0 Security Profile 5.3.2.2, RFC 9126 section 5. A resumed request was checked when it arrived."""
    asked, client = reading.asked, reading.client
    is_due = client.is_fapi2 or client.settings.require_pushed_requests
    if is_due and not asked.is_pushed and not asked.is_resumed:
        raise AuthorizationError("invalid_request", "this client must push its requests to /oauth2/par first")


def _signed(reading: Reading) -> None:
    asked = reading.asked
    is_due = reading.client.settings.require_signed_request_object
    if is_due and not asked.is_signed and not asked.is_resumed:
        raise AuthorizationError("invalid_request", "this client must sign its requests (RFC 9101 section 10.5)")


def _response_type(reading: Reading) -> None:
    found = reading.asked.get("response_type")
    if found is None:
        raise AuthorizationError("invalid_request", "the parameter response_type is missing")
    if found != "code":
        raise AuthorizationError("unsupported_response_type", "only response_type=code is offered (RFC 9700 2.1.2)")


def _grant_type(reading: Reading) -> None:
    if "authorization_code" not in reading.client.grant_types:
        raise AuthorizationError("unauthorized_client", "this client may not use authorization codes")


CHECKS: tuple[Check, ...] = (_once, _no_reference, _pushed, _signed, _response_type, _grant_type)


def _text(name: str, longest: int) -> Reader:
    def read(reading: Reading) -> str | None:
        found = reading.asked.get(name)
        if found is not None and len(found) > longest:
            raise AuthorizationError("invalid_request", f"{name} is longer than {longest} characters")
        return found
    return read


def _response_mode(reading: Reading) -> str:
    found = reading.asked.get("response_mode") or "query"
    if found not in RESPONSE_MODES:
        raise AuthorizationError("invalid_request", "response_mode must be query or form_post")
    if found == "form_post" and urlsplit(reading.redirect_uri).scheme not in WEB_SCHEMES:
        raise AuthorizationError("invalid_request", "response_mode=form_post needs a redirect_uri that takes a form")
    return found


def _challenge(reading: Reading) -> str | None:
    """RFC 7636. Only a confidential baseline client that is registered so may rely on its nonce (RFC 9700 2.1.1)."""
    client, challenge = reading.client, reading.asked.get("code_challenge")
    method = reading.asked.get("code_challenge_method")
    if challenge is None and method is None and not _needs_pkce(client):
        return None
    if challenge is None:
        raise AuthorizationError("invalid_request", "code_challenge is missing: PKCE is required (RFC 7636)")
    if method != "S256":
        raise AuthorizationError("invalid_request", "code_challenge_method must be S256")
    if not pkce.is_challenge(challenge):
        raise AuthorizationError("invalid_request", "code_challenge is not 43 base64url characters")
    return challenge


def _needs_pkce(client: Client) -> bool:
    return client.is_public or client.is_fapi2 or client.settings.require_pkce


def _prompts(reading: Reading) -> frozenset[str]:
    found = frozenset(reading.asked.words("prompt"))
    if not found <= set(PROMPTS):
        raise AuthorizationError("invalid_request", f"prompt must be among {', '.join(PROMPTS)}")
    if "none" in found and len(found) > 1:
        raise AuthorizationError("invalid_request", "prompt=none stands alone (OIDC Core 3.1.2.1)")
    return found


def _scopes(reading: Reading) -> frozenset[str]:
    """Return the scopes; `offline_access` only where it may be given (OIDC Core 11), else it is as if not asked."""
    client, found = reading.client, frozenset(reading.asked.words("scope"))
    if not found and reading.asked.get("authorization_details") is None:
        raise AuthorizationError("invalid_scope", "the parameter scope is missing")
    if not found <= client.scopes | {"offline_access"}:
        raise AuthorizationError("invalid_scope", "a scope is asked for that this client is not registered for")
    is_asked_for = client.first_party or "consent" in reading.known["prompts"]
    may_stay = is_asked_for and "offline_access" in client.scopes and "refresh_token" in client.grant_types
    return found if may_stay else found - {"offline_access"}


def _max_age(reading: Reading) -> int | None:
    found = reading.asked.get("max_age")
    if found is None:
        return reading.client.settings.default_max_age_s
    if not _MAX_AGE.fullmatch(found):
        raise AuthorizationError("invalid_request", "max_age must be a whole number of seconds")
    return int(found)


def _claims(reading: Reading) -> Mapping[str, Any]:
    return read_claims(reading.asked.get("claims"), reading.client.scopes)


def _acr(reading: Reading) -> AcrWish:
    """Return the classes of ours of which one must be met (RFC 9470 section 4); none known is no wish.

    An essential class that we do not know can never be met (OIDC Core 5.5.1.1).
    """
    wish = acr_of_claims(reading.known["claims"])
    if not wish.values:
        asked_for = reading.asked.words("acr_values") or reading.client.settings.default_acr_values
        wish = AcrWish(asked_for, wish.is_essential and bool(asked_for))
    known = tuple(value for value in wish.values if value in ACR_VALUES)
    if wish.is_essential and not known:
        raise AuthorizationError("unmet_authentication_requirements", "no essential acr value is offered here")
    return AcrWish(known, wish.is_essential)


def _subjects(reading: Reading) -> frozenset[str]:
    """Return the only persons this may be about. A hint may have expired, but must be ours and this client's."""
    subjects, text = subjects_of_claims(reading.known["claims"]), reading.asked.get("id_token_hint")
    if text is None:
        return subjects
    hint = read_hint(text, reading.mint)
    if hint is None or hint.client_id != reading.client.id:
        raise AuthorizationError("invalid_request", "id_token_hint is not an ID token we gave this client")
    return subjects | {hint.subject}


def _resources(reading: Reading) -> tuple[str, ...]:
    return chosen(reading.asked.resources, reading.client, reading.mint.audience)


def _details(reading: Reading) -> authorization_details.Details:
    found = reading.asked.get("authorization_details")
    return authorization_details.read(found, reading.client.settings.authorization_details_types) if found else ()


def _jkt(reading: Reading) -> str | None:
    found = reading.asked.get("dpop_jkt")
    if found is not None and not _THUMBPRINT.fullmatch(found):
        raise AuthorizationError("invalid_request", "dpop_jkt is not a SHA-256 thumbprint (RFC 9449 section 10)")
    return found


FIELDS: tuple[tuple[str, Reader], ...] = (
    ("state", _text("state", _MAX_TEXT)),
    ("nonce", _text("nonce", _MAX_TEXT)),
    ("response_mode", _response_mode),
    ("prompts", _prompts),
    ("scopes", _scopes),
    ("code_challenge", _challenge),
    ("max_age_s", _max_age),
    ("claims", _claims),
    ("acr", _acr),
    ("subjects", _subjects),
    ("resources", _resources),
    ("authorization_details", _details),
    ("jkt", _jkt),
    ("login_hint", _text("login_hint", _MAX_HINT)),
    ("ui_locales", _text("ui_locales", _MAX_LOCALES)),
)
"""Field -> how it is read; a reader may look at the fields above its own."""
