"""What must hold between a client's parts: a table of rules, each a question and the sentence that answers a no."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from urllib.parse import urlsplit

from identity.domain.clients.errors import ClientMetadataError, RedirectUriRefusedError
from identity.domain.clients.metadata import CERTIFICATE_METHODS, SECRET_METHODS
from identity.domain.clients.remote_uris import Network, refusal_of
from identity.domain.oauth.redirect_uris import may_be_registered
from identity.domain.records import Client

MAX_URIS = 50
_FAPI_ALGORITHMS = frozenset({"PS256", "ES256", "EdDSA", None})
_FAPI_METHODS = frozenset({"private_key_jwt", *CERTIFICATE_METHODS})
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True, slots=True)
class Rule:
    """A client that `breaks` it hears `sentence` about the metadata `name`."""

    name: str
    sentence: str
    breaks: Callable[[Client], bool]


def _uses(client: Client, method: str) -> bool:
    return client.settings.auth_method == method


def _certificate_names(client: Client) -> int:
    settings = client.settings
    names = (settings.tls_subject_dn, settings.tls_san_dns, settings.tls_san_uri, settings.tls_san_ip,
             settings.tls_san_email)
    return sum(name is not None for name in names)


def _has_keys(client: Client) -> bool:
    return client.settings.jwks is not None or client.settings.jwks_uri is not None


def _fapi(question: Callable[[Client], bool]) -> Callable[[Client], bool]:
    return lambda client: client.is_fapi2 and question(client)


RULES = (
    Rule("jwks", "and jwks_uri exclude each other (RFC 7591 section 2)",
         lambda client: client.settings.jwks is not None and client.settings.jwks_uri is not None),
    Rule("token_endpoint_auth_method", "is private_key_jwt: it needs jwks or jwks_uri",
         lambda client: _uses(client, "private_key_jwt") and not _has_keys(client)),
    Rule("token_endpoint_auth_method", "is self_signed_tls_client_auth: it needs jwks or jwks_uri (RFC 8705 2.2)",
         lambda client: _uses(client, "self_signed_tls_client_auth") and not _has_keys(client)),
    Rule("token_endpoint_auth_method", "is tls_client_auth: it needs exactly one tls_client_auth_* name (RFC 8705 2.1)",
         lambda client: _uses(client, "tls_client_auth") and _certificate_names(client) != 1),
    Rule("token_endpoint_auth_method", "is by secret, and there is none",
         lambda client: client.settings.auth_method in SECRET_METHODS and client.secret_hash is None),
    Rule("token_endpoint_auth_method", "does without a secret, and there is one",
         lambda client: client.settings.auth_method not in {*SECRET_METHODS, None} and client.secret_hash is not None),
    Rule("token_endpoint_auth_signing_alg", "is for private_key_jwt",
         lambda client: client.settings.auth_signing_alg is not None and not _uses(client, "private_key_jwt")),
    Rule("require_signed_request_object", "needs jwks or jwks_uri",
         lambda client: client.settings.require_signed_request_object and not _has_keys(client)),
    Rule("require_pkce", "may be false for a confidential client only (RFC 9700 section 2.1.1)",
         lambda client: client.is_public and not client.settings.require_pkce),
    Rule("grant_types", "of a public client may not hold client_credentials (RFC 6749 section 4.4)",
         lambda client: client.is_public and "client_credentials" in client.grant_types),
    Rule("grant_types", "of a public client may not hold token exchange (RFC 8693 section 5)",
         lambda client: client.is_public and "urn:ietf:params:oauth:grant-type:token-exchange" in client.grant_types),
    Rule("redirect_uris", "is needed for the grant authorization_code",
         lambda client: "authorization_code" in client.grant_types and not client.redirect_uris),
    Rule("redirect_uris", f"may hold at most {MAX_URIS} URIs",
         lambda client: len(client.redirect_uris) > MAX_URIS or len(client.post_logout_redirect_uris) > MAX_URIS),
    Rule("profile", "fapi2 needs private_key_jwt or a client certificate (FAPI 2.0 5.3.2.1)",
         _fapi(lambda client: client.settings.auth_method not in _FAPI_METHODS)),
    Rule("profile", "fapi2 needs dpop_bound_access_tokens or tls_client_certificate_bound_access_tokens",
         _fapi(lambda client: not (client.settings.dpop_bound or client.settings.certificate_bound))),
    Rule("profile", "fapi2 needs require_pushed_authorization_requests (FAPI 2.0 5.3.2.2)",
         _fapi(lambda client: not client.settings.require_pushed_requests)),
    Rule("profile", "fapi2 needs require_pkce (FAPI 2.0 5.3.2.2)",
         _fapi(lambda client: not client.settings.require_pkce)),
    Rule("profile", "fapi2 signs with PS256, ES256 or EdDSA only (FAPI 2.0 5.4)",
         _fapi(lambda client: not {
             client.settings.auth_signing_alg, client.settings.request_object_signing_alg,
             client.settings.id_token_signing_alg, client.settings.userinfo_signing_alg,
             client.settings.introspection_signing_alg} <= _FAPI_ALGORITHMS)),
)


def check(client: Client, allowed: Collection[Network] = ()) -> None:
    """Raise ClientMetadataError for the first rule that a client breaks."""
    for rule in RULES:
        if rule.breaks(client):
            raise ClientMetadataError(rule.name, rule.sentence)
    for uri in client.redirect_uris:
        _check_redirect(client, uri)
    for uri in client.post_logout_redirect_uris:
        if not may_be_registered(uri):
            raise ClientMetadataError("post_logout_redirect_uris", _REDIRECTS.format(uri[:200]))
    _check_remote(client, allowed)


_REDIRECTS = "may not hold {!r}: https, or http on a loopback host; no fragment, no wildcard, no user"


def _check_redirect(client: Client, uri: str) -> None:
    if not may_be_registered(uri):
        raise RedirectUriRefusedError("redirect_uris", _REDIRECTS.format(uri[:200]))
    parts = urlsplit(uri)
    if parts.scheme not in {"https", "http"} and client.settings.application_type != "native":
        raise RedirectUriRefusedError("redirect_uris", f"may hold {parts.scheme}: only for application_type native")
    if client.is_fapi2 and parts.scheme != "https" and parts.hostname not in _LOOPBACK:
        raise RedirectUriRefusedError("redirect_uris", "of a fapi2 client must be https (FAPI 2.0 section 5.3.2.2)")


def _check_remote(client: Client, allowed: Collection[Network]) -> None:
    settings = client.settings
    called = [("jwks_uri", settings.jwks_uri), ("backchannel_logout_uri", settings.backchannel_logout_uri)]
    called += [(name, value) for name, value in settings.metadata.items() if name.partition("#")[0] in _FETCHED]
    called += [("request_uris", uri.partition("#")[0]) for uri in settings.metadata.get("request_uris", ())]
    for name, value in called:
        refusal = refusal_of(value, allowed) if value is not None else None
        if refusal is not None:
            raise ClientMetadataError(name, refusal)
    visited = [("initiate_login_uri", settings.initiate_login_uri)]
    visited += [(name, value) for name, value in settings.metadata.items() if name.partition("#")[0] in _VISITED]
    for name, value in visited:
        if value is not None and not _may_be_visited(value):
            raise ClientMetadataError(name, "must be an https URL that a browser can open")


_FETCHED = frozenset({"logo_uri"})
_VISITED = frozenset({"client_uri", "policy_uri", "tos_uri"})


def _may_be_visited(uri: str) -> bool:
    return may_be_registered(uri.partition("#")[0]) and urlsplit(uri).scheme in {"https", "http"}
