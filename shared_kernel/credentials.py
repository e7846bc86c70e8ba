"""What a request presents to prove who asks: the header, and the proof that binds a token to its holder."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Credentials:
    """A request as identity must see it.

    `authorization` is the header's text; `proofs` are the DPoP header fields (RFC 9449; more than one is an error),
    which name `method` and `url` (scheme, host and path as the public sees them, no query); `certificate` is the
    client's, in DER, as TLS or a trusted proxy gave it (RFC 8705, RFC 9440).
    """

    authorization: str | None = None
    method: str = "GET"
    url: str = ""
    proofs: tuple[str, ...] = ()
    certificate: bytes | None = None


NO_CREDENTIALS = Credentials()
