"""The table of client metadata: each name of RFC 7591 and its kin, where it is kept, and what its value must be.

A value of the wrong shape is refused; a name we do not know is ignored (RFC 7591 section 2), save where ignoring it
would leave a client less protected than it asked to be.
"""

import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from identity.domain.clients.errors import ClientMetadataError, SoftwareStatementRefusedError
from identity.domain.clients.key_sets import key_set

Reader = Callable[[str, object], Any]
MAX_TEXT = 2_000
MAX_LIST = 50

AUTH_METHODS = ("client_secret_basic", "client_secret_post", "private_key_jwt", "tls_client_auth",
                "self_signed_tls_client_auth", "none")
SECRET_METHODS = frozenset({"client_secret_basic", "client_secret_post"})
CERTIFICATE_METHODS = frozenset({"tls_client_auth", "self_signed_tls_client_auth"})
SIGNING = ("ES256", "RS256", "PS256", "EdDSA")
"""What we sign with, and what we take from clients (`Ed25519` is another name of EdDSA: RFC 9864)."""
GRANT_TYPES = ("authorization_code", "refresh_token", "client_credentials",
               "urn:ietf:params:oauth:grant-type:device_code", "urn:ietf:params:oauth:grant-type:token-exchange")


@dataclass(frozen=True, slots=True)
class Member:
    """One name: the field of ClientSettings that keeps it, and how a value is read."""

    name: str
    field: str
    read: Reader


def text(name: str, value: object) -> str:
    """Return a printable text."""
    if not isinstance(value, str) or not 0 < len(value) <= MAX_TEXT or not value.isprintable():
        raise ClientMetadataError(name, f"must be a printable text of at most {MAX_TEXT} characters")
    return value


def flag(name: str, value: object) -> bool:
    """Return a boolean; `"true"` is a text."""
    if not isinstance(value, bool):
        raise ClientMetadataError(name, "must be true or false")
    return value


def seconds(name: str, value: object) -> int:
    """Return a number of seconds."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 31:
        raise ClientMetadataError(name, "must be a whole number of seconds")
    return value


def texts(name: str, value: object) -> tuple[str, ...]:
    """Return a list of texts without its repetitions."""
    if not isinstance(value, list) or len(value) > MAX_LIST:
        raise ClientMetadataError(name, f"must be a list of at most {MAX_LIST} texts")
    return tuple(dict.fromkeys(text(name, each) for each in value))


def one_of(*choices: str) -> Reader:
    """Return a reader that takes one of a few texts."""
    def read(name: str, value: object) -> str:
        if value not in choices or not isinstance(value, str):
            raise ClientMetadataError(name, f"must be one of {', '.join(choices)}")
        return value
    return read


def some_of(*choices: str) -> Reader:
    """Return a reader that takes a list of some texts."""
    def read(name: str, value: object) -> tuple[str, ...]:
        return tuple(one_of(*choices)(name, each) for each in texts(name, value))
    return read


def algorithm(name: str, value: object) -> str:
    """Return a signing algorithm; both names of Ed25519 mean one."""
    return str(one_of(*SIGNING)(name, "EdDSA" if value == "Ed25519" else value))


def address(name: str, value: object) -> str:
    """Return an IP address as RFC 5952 writes it."""
    try:
        return str(ipaddress.ip_address(text(name, value)))
    except ValueError as cause:
        raise ClientMetadataError(name, "must be an IP address") from cause


def _keys(_: str, value: object) -> Mapping[str, Any]:
    return key_set(value)


SETTINGS = (
    Member("profile", "profile", one_of("baseline", "fapi2")),
    Member("application_type", "application_type", one_of("web", "native")),
    Member("token_endpoint_auth_method", "auth_method", one_of(*AUTH_METHODS)),
    Member("token_endpoint_auth_signing_alg", "auth_signing_alg", algorithm),
    Member("jwks", "jwks", _keys),
    Member("jwks_uri", "jwks_uri", text),
    Member("tls_client_auth_subject_dn", "tls_subject_dn", text),
    Member("tls_client_auth_san_dns", "tls_san_dns", text),
    Member("tls_client_auth_san_uri", "tls_san_uri", text),
    Member("tls_client_auth_san_ip", "tls_san_ip", address),
    Member("tls_client_auth_san_email", "tls_san_email", text),
    Member("require_pkce", "require_pkce", flag),
    Member("require_pushed_authorization_requests", "require_pushed_requests", flag),
    Member("require_signed_request_object", "require_signed_request_object", flag),
    Member("request_object_signing_alg", "request_object_signing_alg", algorithm),
    Member("dpop_bound_access_tokens", "dpop_bound", flag),
    Member("tls_client_certificate_bound_access_tokens", "certificate_bound", flag),
    Member("id_token_signed_response_alg", "id_token_signing_alg", algorithm),
    Member("userinfo_signed_response_alg", "userinfo_signing_alg", algorithm),
    Member("introspection_signed_response_alg", "introspection_signing_alg", algorithm),
    Member("default_max_age", "default_max_age_s", seconds),
    Member("require_auth_time", "require_auth_time", flag),
    Member("default_acr_values", "default_acr_values", texts),
    Member("backchannel_logout_uri", "backchannel_logout_uri", text),
    Member("backchannel_logout_session_required", "backchannel_logout_session_required", flag),
    Member("initiate_login_uri", "initiate_login_uri", text),
    Member("authorization_details_types", "authorization_details_types", texts),
    Member("resources", "resources", texts),
    Member("exchange_audiences", "exchange_audiences", texts),
    Member("audiences", "audiences", texts),
    Member("may_act", "may_act", text),
)
"""`profile`, `require_pkce`, and the last four beside `authorization_details_types`, are our own names."""

SHOWN: Mapping[str, Reader] = {
    "client_uri": text, "logo_uri": text, "policy_uri": text, "tos_uri": text, "contacts": texts,
    "software_id": text, "software_version": text, "request_uris": texts,
}
"""What is kept as it came, for people to read."""

LOCALIZED = frozenset({"client_name", "client_uri", "logo_uri", "policy_uri", "tos_uri"})
"""Names that may carry a language: `client_name#sq` (RFC 7591 section 2.2)."""

_ENCRYPTION = ("id_token_encrypted_response", "userinfo_encrypted_response", "request_object_encryption",
               "introspection_encrypted_response", "authorization_encrypted_response")


def settings_in(document: Mapping[str, object]) -> dict[str, Any]:
    """Return the fields of ClientSettings that a document names; null means that it does not."""
    return {member.field: member.read(member.name, document[member.name]) for member in SETTINGS
            if document.get(member.name) is not None}


def shown_in(document: Mapping[str, object]) -> dict[str, Any]:
    """Return what people may read of a client, in every language given."""
    found = {name: read(name, document[name]) for name, read in SHOWN.items() if document.get(name) is not None}
    for name, value in document.items():
        plain, mark, language = name.partition("#")
        if mark and plain in LOCALIZED and language.replace("-", "").isalnum() and value is not None:
            found[name] = text(name, value)
    return {name: list(value) if isinstance(value, tuple) else value for name, value in found.items()}


def refuse_unheard(document: Mapping[str, object]) -> None:
    """Raise ClientMetadataError for what must not be ignored silently."""
    if document.get("software_statement") is not None:
        raise SoftwareStatementRefusedError
    for name in document:
        if name.startswith(_ENCRYPTION) and document[name] is not None:
            raise ClientMetadataError(name, "asks for encryption, which is not offered: leave it out")
    if document.get("subject_type", "public") not in ("public", None):
        raise ClientMetadataError("subject_type", "must be public")
    if document.get("sector_identifier_uri") is not None:
        raise ClientMetadataError("sector_identifier_uri", "is for pairwise subjects, which are not offered")
    if document.get("response_types", ["code"]) not in (["code"], [], None):
        raise ClientMetadataError("response_types", "may only be code (RFC 9700 section 2.1.2)")
