"""What the provider says about itself: OpenID Connect Discovery 1.0 and RFC 8414, one document for both.

Every list is the one that the checks themselves read, so that nothing is announced that is not there, and nothing
that is there is left out. A `fapi2` client may use a part of it only: see `docs/identity.md`.
"""

from typing import Any

from identity.domain.clients.metadata import AUTH_METHODS, CERTIFICATE_METHODS, GRANT_TYPES
from identity.domain.clients.registration import OPEN_SCOPES
from identity.domain.jose.algorithms import ALGORITHMS, CLIENT_ALGORITHMS
from identity.domain.languages import LANGUAGES
from identity.domain.oauth.authorization import DISPLAYS, PROMPTS
from identity.domain.oauth.challenges import DPOP_ALGORITHMS
from identity.domain.oauth.claims import PERSON_CLAIMS
from identity.domain.oauth.responses import RESPONSE_MODES
from identity.domain.people.assurance import ACR_VALUES

_ENDPOINTS = {
    "authorization_endpoint": "authorize", "token_endpoint": "token", "userinfo_endpoint": "userinfo",
    "jwks_uri": "jwks", "registration_endpoint": "register", "introspection_endpoint": "introspect",
    "revocation_endpoint": "revoke", "end_session_endpoint": "logout",
    "pushed_authorization_request_endpoint": "par", "device_authorization_endpoint": "device_authorization",
}
_BY_CERTIFICATE = ("token_endpoint", "userinfo_endpoint", "introspection_endpoint", "revocation_endpoint",
                   "pushed_authorization_request_endpoint", "device_authorization_endpoint")
_TOKEN_CLAIMS = ("sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "sid", "at_hash", "roles")


def provider_metadata(issuer: str, *, mtls_url: str | None = None) -> dict[str, Any]:
    """Return the document; `mtls_url` is where clients may show certificates, None when nowhere (RFC 8705)."""
    found: dict[str, Any] = {"issuer": issuer}
    found |= {name: f"{issuer}/oauth2/{path}" for name, path in _ENDPOINTS.items()}
    found |= _CAPABILITIES
    methods = [method for method in AUTH_METHODS if mtls_url is not None or method not in CERTIFICATE_METHODS]
    for endpoint in ("token", "revocation", "introspection"):
        found[f"{endpoint}_endpoint_auth_methods_supported"] = [
            method for method in methods if method != "none" or endpoint != "introspection"]
        found[f"{endpoint}_endpoint_auth_signing_alg_values_supported"] = sorted(CLIENT_ALGORITHMS)
    found["tls_client_certificate_bound_access_tokens"] = mtls_url is not None
    if mtls_url is not None:
        found["mtls_endpoint_aliases"] = {name: f"{mtls_url}/oauth2/{_ENDPOINTS[name]}" for name in _BY_CERTIFICATE}
    return found


_SIGNED = list(ALGORITHMS)
_CAPABILITIES: dict[str, Any] = {
    "response_types_supported": ["code"],
    "response_modes_supported": list(RESPONSE_MODES),
    "grant_types_supported": list(GRANT_TYPES),
    "subject_types_supported": ["public"],
    "scopes_supported": [*sorted(OPEN_SCOPES), "api"],
    "claims_supported": list(dict.fromkeys((*_TOKEN_CLAIMS, *PERSON_CLAIMS))),
    "claim_types_supported": ["normal"],
    "acr_values_supported": list(ACR_VALUES),
    "display_values_supported": list(DISPLAYS),
    "prompt_values_supported": list(PROMPTS),
    "ui_locales_supported": list(LANGUAGES),
    "id_token_signing_alg_values_supported": _SIGNED,
    "userinfo_signing_alg_values_supported": _SIGNED,
    "introspection_signing_alg_values_supported": _SIGNED,
    "request_object_signing_alg_values_supported": sorted(CLIENT_ALGORITHMS),
    "dpop_signing_alg_values_supported": list(DPOP_ALGORITHMS),
    "code_challenge_methods_supported": ["S256"],
    "claims_parameter_supported": True,
    "request_parameter_supported": True,
    "request_uri_parameter_supported": False,
    "require_pushed_authorization_requests": False,
    "require_signed_request_object": False,
    "authorization_response_iss_parameter_supported": True,
    "backchannel_logout_supported": True,
    "backchannel_logout_session_supported": True,
}
