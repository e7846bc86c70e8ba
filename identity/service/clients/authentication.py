"""Asks a client who it is: by the one method it is registered for (RFC 6749 section 2.3)."""

import hmac
from collections.abc import Mapping

from identity.domain.oauth.client_authentication import claim_of
from identity.domain.oauth.errors import InvalidClientError
from identity.domain.opaque import sha256
from identity.domain.records import Client
from identity.service.foundation import Foundation
from shared_kernel.credentials import Credentials

_NOBODY = bytes(32)


class ClientAuthentication:
    """Proves clients."""

    def __init__(self, foundation: Foundation) -> None:
        self._foundation = foundation

    async def authenticate(self, credentials: Credentials, parameters: Mapping[str, str], *,
                           confidential: bool = False) -> Client:
        """Return the client that proved itself; raise InvalidClientError, the same for every cause."""
        claim = claim_of(credentials.authorization, parameters)
        async with self._foundation.database.read() as tables:
            client = await tables.clients.get(claim.client_id)
        expected = (client.secret_hash if client else None) or _NOBODY
        is_right = hmac.compare_digest(sha256(claim.secret or ""), expected)
        is_public = client is not None and client.is_public and claim.secret is None and not confidential
        if client is None or not (is_right or is_public):
            raise InvalidClientError(claim.client_id)
        return client
