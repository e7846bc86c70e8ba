"""The client's certificate: what TLS on our own port proved the client to hold, or what a proxy of ours says it did.

Behind a trusted proxy only its word counts (RFC 9440, the field `Client-Cert`): the certificate of that connection, if
there is one, is the proxy's own. From anybody else the field means nothing.
"""

import re
from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any, ClassVar

from shared_kernel.errors import InvalidInputError

EXTENSION = "gridwarden.certificate"
"""The key of the ASGI scope's extensions under which our protocol puts the DER bytes."""
MAX_FIELD_BYTES = 16_384
_BYTE_SEQUENCE = re.compile(rb":([A-Za-z0-9+/]+={0,2}):")
_DER_SEQUENCE = b"\x30"


class UnusableCertificateFieldError(InvalidInputError):
    """A proxy of ours sent a Client-Cert field that is none: nothing is guessed from it."""

    kind: ClassVar[str] = "unusable-client-cert"

    def __init__(self) -> None:
        super().__init__("the field Client-Cert is not one byte sequence with a certificate in DER (RFC 9440 2)")


def certificate_of(scope: Mapping[str, Any]) -> bytes | None:
    """Return the certificate of the connection in DER."""
    found = scope.get("extensions", {}).get(EXTENSION)
    return found if isinstance(found, bytes) else None


def client_certificate(scope: Mapping[str, Any], field: bytes | None, *, is_from_proxy: bool) -> bytes | None:
    """Return the client's certificate in DER; raise UnusableCertificateFieldError for nonsense from a proxy."""
    if not is_from_proxy:
        return certificate_of(scope)
    return None if field is None else forwarded_certificate(field)


def forwarded_certificate(field: bytes) -> bytes:
    """Return the bytes of a structured field (RFC 8941 section 3.3.5): one item, no parameter, one spelling."""
    found = _BYTE_SEQUENCE.fullmatch(field.strip(b" ")) if len(field) <= MAX_FIELD_BYTES else None
    if found is None:
        raise UnusableCertificateFieldError
    try:
        der = b64decode(found[1], validate=True)
    except ValueError as cause:
        raise UnusableCertificateFieldError from cause
    if b64encode(der) != found[1] or not der.startswith(_DER_SEQUENCE):
        raise UnusableCertificateFieldError
    return der
