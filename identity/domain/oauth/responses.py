"""Authorization responses: where they go, how they travel, and that each names its issuer (RFC 9207 section 2)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from identity.domain.oauth.asked import Asked

RESPONSE_MODES = ("query", "form_post")
"""OAuth 2.0 Multiple Response Type Encoding Practices 2.1, OAuth 2.0 Form Post Response Mode."""
WEB_SCHEMES = frozenset({"http", "https"})
_UNSPEAKABLE = re.compile(r"[^ !#-\[\]-~]")
"""What error_description must not hold (RFC 6749 section 4.1.2.1)."""


@dataclass(frozen=True, slots=True)
class ResponsePlace:
    """A redirect URI that is trusted, and what every answer there repeats."""

    redirect_uri: str
    response_mode: str = "query"
    state: str | None = None


@dataclass(frozen=True, slots=True)
class AuthorizationResponse:
    """The answer is for the client: send the browser there, with these parameters."""

    redirect_uri: str
    response_mode: str
    parameters: Mapping[str, str]

    @property
    def url(self) -> str:
        """The redirect URI with the parameters in its query."""
        return response_url(self.redirect_uri, self.parameters)

    @property
    def is_form(self) -> bool:
        """Whether a page of ours posts it there."""
        return self.response_mode == "form_post"


def error_place(asked: Asked, redirect_uri: str) -> ResponsePlace:
    """Return where errors of a request go that is not read yet: as it asked for, as far as that makes sense."""
    mode = asked.get("response_mode")
    is_form = mode == "form_post" and urlsplit(redirect_uri).scheme in WEB_SCHEMES
    return ResponsePlace(redirect_uri, "form_post" if is_form else "query", asked.get("state"))


def code_response(place: ResponsePlace, issuer: str, code: str) -> AuthorizationResponse:
    """Return the answer with a code (RFC 6749 section 4.1.2)."""
    return _response(place, {"code": code, "state": place.state, "iss": issuer})


def error_response(place: ResponsePlace, issuer: str, error: str, description: str) -> AuthorizationResponse:
    """Return the answer with an error (RFC 6749 section 4.1.2.1)."""
    told = {"error": error, "error_description": _UNSPEAKABLE.sub("?", description)}
    return _response(place, {**told, "state": place.state, "iss": issuer})


def _response(place: ResponsePlace, parameters: Mapping[str, str | None]) -> AuthorizationResponse:
    given = {name: value for name, value in parameters.items() if value is not None}
    return AuthorizationResponse(place.redirect_uri, place.response_mode, given)


def response_url(redirect_uri: str, parameters: Mapping[str, str | None]) -> str:
    """Return the redirect URI with the response parameters that have a value, keeping a query it already had."""
    query = urlencode({name: value for name, value in parameters.items() if value is not None})
    return f"{redirect_uri}{'&' if '?' in redirect_uri else '?'}{query}"
