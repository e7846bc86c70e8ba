"""Who holds the key: binds what is issued to the DPoP key or the certificate a request proved, and asks for it again.

Nonces: due for FAPI 2.0 clients wherever they send a proof (their profile makes every client ready for them, section
5.3.3), so that no proof can be made in advance; optional for the others, and never wrong.
"""

import hmac

from identity.domain.oauth.binding import Binding
from identity.domain.oauth.client_certificates import certificate_thumbprint
from identity.domain.oauth.dpop import Asked, Proof, check_nonce, only_proof, verified_proof
from identity.domain.oauth.errors import InvalidProofError, InvalidTokenError, OAuthError
from identity.domain.oauth.nonces import Nonces
from identity.domain.records import Client
from identity.service.foundation import Foundation
from identity.store.seen_proofs import ProofKind
from shared_kernel.credentials import Credentials


class SenderConstraints:
    """Checks proofs of possession; `key` makes the nonces and is the same in every process."""

    def __init__(self, foundation: Foundation, key: bytes) -> None:
        self._foundation = foundation
        self._nonces = Nonces(hmac.digest(key, b"gridwarden: DPoP nonces", "sha256"))

    async def binding(self, credentials: Credentials, client: Client) -> Binding:
        """Return what the token endpoint must bind to; raise OAuthError when a proof is due, missing or wrong."""
        settings = client.settings
        jkt = (await self.offered(credentials, client)).jkt
        if jkt is None and settings.dpop_bound:
            raise OAuthError("invalid_request", "this client's tokens are bound: send a DPoP proof (RFC 9449 5)")
        certificate = None
        if settings.certificate_bound or (client.is_fapi2 and jkt is None):
            certificate = _thumbprint(credentials)
        if certificate is None and settings.certificate_bound:
            raise OAuthError("invalid_request", "this client's tokens are bound to its certificate: connect with it")
        if client.is_fapi2 and jkt is None and certificate is None:
            raise OAuthError("invalid_request", "FAPI 2.0 binds tokens to a key: send a DPoP proof or use mutual TLS")
        return Binding(jkt, certificate)

    async def offered(self, credentials: Credentials, client: Client) -> Binding:
        """Return the key a pushed request proved; there a proof may be missing, never wrong (RFC 9449 section 10.1)."""
        if not credentials.proofs:
            return Binding()
        proof = self._verified(credentials, is_nonce_due=client.is_fapi2)
        await self._use_up(proof)
        return Binding(proof.jkt)

    def check_nonce(self, credentials: Credentials, client: Client) -> None:
        """Raise NonceDueError for a request whose proof needs another nonce, before anything of it is used up."""
        if credentials.proofs:
            check_nonce(credentials.proofs, self._nonces, now_us=self._foundation.now_us(), is_due=client.is_fapi2)

    async def check_presented(self, credentials: Credentials, access_token: str, bound: Binding, *,
                              is_nonce_due: bool) -> None:
        """Raise InvalidProofError or InvalidTokenError unless this request proves the keys its token is bound to."""
        if bound.certificate not in {None, _thumbprint(credentials)}:
            raise InvalidTokenError("it is bound to another client certificate than the connection's (RFC 8705 3)")
        if bound.jkt is None:
            return
        proof = self._verified(credentials, is_nonce_due=is_nonce_due, access_token=access_token)
        if proof.jkt != bound.jkt:
            raise InvalidTokenError("it is bound to another key than the proof's (RFC 9449 7.1)")
        await self._use_up(proof)

    def nonce(self) -> str:
        """Return the nonce proofs should carry now: the field `DPoP-Nonce` (RFC 9449 section 8.2)."""
        return self._nonces.now(self._foundation.now_us())

    def _verified(self, credentials: Credentials, *, is_nonce_due: bool, access_token: str | None = None) -> Proof:
        asked = Asked(credentials.method, credentials.url, self._foundation.now_us(), is_nonce_due, access_token)
        return verified_proof(only_proof(credentials.proofs), asked, self._nonces)

    async def _use_up(self, proof: Proof) -> None:
        async with self._foundation.database.read() as tables:
            if not await tables.seen_proofs.claim(ProofKind.DPOP, proof.digest, proof.expires_at_us):
                raise InvalidProofError("it was used before (jti)")


def _thumbprint(credentials: Credentials) -> str | None:
    return certificate_thumbprint(credentials.certificate) if credentials.certificate else None
