"""The client's certificate: what TLS on our own port proved the client to hold."""

from collections.abc import Mapping
from typing import Any

EXTENSION = "gridwarden.certificate"
"""The key of the ASGI scope's extensions under which our protocol puts the DER bytes."""


def certificate_of(scope: Mapping[str, Any]) -> bytes | None:
    """Return the client's certificate in DER."""
    found = scope.get("extensions", {}).get(EXTENSION)
    return found if isinstance(found, bytes) else None
