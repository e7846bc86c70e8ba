"""What the transmitter says about itself (SSF 1.0 section 7), and about the resource that tokens are for (RFC 9728)."""

from typing import Any

from identity.domain.signals.streams import POLL, PUSH

READ_SCOPE, MANAGE_SCOPE = "ssf.read", "ssf.manage"
"""CAEP Interoperability Profile 2.7.3; who may manage may read."""


def transmitter_metadata(issuer: str) -> dict[str, Any]:
    """Return the transmitter's configuration."""
    return {
        "spec_version": "1_0",
        "issuer": issuer,
        "jwks_uri": f"{issuer}/oauth2/jwks",
        "delivery_methods_supported": [PUSH, POLL],
        "configuration_endpoint": f"{issuer}/signals/stream",
        "status_endpoint": f"{issuer}/signals/status",
        "add_subject_endpoint": f"{issuer}/signals/subjects/add",
        "remove_subject_endpoint": f"{issuer}/signals/subjects/remove",
        "verification_endpoint": f"{issuer}/signals/verify",
        "critical_subject_members": ["user", "session"],
        "authorization_schemes": [{"spec_urn": "urn:ietf:rfc:6749"}],
        "default_subjects": "ALL",
    }


def resource_metadata(issuer: str) -> dict[str, Any]:
    """Return the protected resource's metadata: where to get a token, and for what."""
    return {
        "resource": issuer,
        "authorization_servers": [issuer],
        "jwks_uri": f"{issuer}/oauth2/jwks",
        "scopes_supported": [READ_SCOPE, MANAGE_SCOPE],
        "bearer_methods_supported": ["header"],
        "resource_name": "Gridwarden signals",
        "dpop_signing_alg_values_supported": ["ES256", "PS256", "EdDSA", "Ed25519"],
        "tls_client_certificate_bound_access_tokens": True,
    }
