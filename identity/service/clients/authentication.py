"""Asks a client who it is: by the one method it is registered for (RFC 6749 section 2.3).

Unknown client and wrong secret go the same way and take the same time. An assertion is used up last, once everything
else about it is right and no proof beside it waits for a nonce: the client may then repeat it with one.
"""

import hmac
from collections.abc import Awaitable, Callable, Mapping

import structlog
from cryptography import x509

from identity.domain.jose.foreign import peeked, verified
from identity.domain.oauth.client_authentication import (
    ASSERTION_TYPES,
    PRESENTED_METHODS,
    SECRET_METHODS,
    AssertionUse,
    ClientClaim,
    algorithms_of,
    checked_assertion,
    claim_of,
    methods_of,
)
from identity.domain.oauth.client_certificates import (
    Authorities,
    is_current,
    is_registered,
    names_client,
    read_certificate,
)
from identity.domain.oauth.errors import InvalidClientError, InvalidTokenError
from identity.domain.opaque import sha256
from identity.domain.records import Client
from identity.service.foundation import Foundation
from identity.service.oauth.sender import SenderConstraints
from identity.store.seen_proofs import ProofKind
from shared_kernel.credentials import Credentials

Parameters = Mapping[str, str]
Prove = Callable[[Client, Credentials, Parameters], Awaitable[AssertionUse | None]]
_log = structlog.get_logger("gridwarden.identity")
_NOBODY = bytes(32)
_OF_CLIENTS = frozenset({"client_id", "client_secret", "client_assertion", "client_assertion_type"})
MAX_PROVEN = 1_000


class ClientAuthentication:
    """Proves clients."""

    def __init__(self, foundation: Foundation, sender: SenderConstraints, authorities: Authorities) -> None:
        self._foundation = foundation
        self._sender = sender
        self._authorities = authorities
        self._proven: dict[bytes, Client] = {}
        self._proofs: Mapping[str, Prove] = {
            "private_key_jwt": self._by_assertion,
            "tls_client_auth": self._by_authority,
            "self_signed_tls_client_auth": self._by_own_certificate,
        }

    async def authenticate(self, credentials: Credentials, parameters: Parameters, *,
                           confidential: bool = False) -> Client:
        """Return the client that proved itself; raise InvalidClientError, the same for every cause."""
        proven = await self._proven_before(credentials, parameters)
        if proven is not None:
            self._sender.check_nonce(credentials, proven)
            return proven
        claim = claim_of(credentials.authorization, parameters)
        client = await self._foundation.known_clients.get(claim.client_id)
        is_right_secret = _is_right_secret(claim, client)
        method = _method(claim, client)
        if client is None or method is None or (method == "none" and confidential):
            raise InvalidClientError(claim.client_id)
        if method in SECRET_METHODS and not is_right_secret:
            raise InvalidClientError(client.id)
        prove = self._proofs.get(method)
        use = await prove(client, credentials, parameters) if prove else None
        self._sender.check_nonce(credentials, client)
        if use is not None:
            await self._use_up(client, use)
        if method == "client_secret_basic":
            self._remember(credentials, client)
        return client

    async def _proven_before(self, credentials: Credentials, parameters: Parameters) -> Client | None:
        """Return the client of a secret that was right a moment ago, if nothing about the client changed since."""
        if credentials.authorization is None or not parameters.keys().isdisjoint(_OF_CLIENTS):
            return None
        client = self._proven.get(sha256(credentials.authorization))
        return client if client and await self._foundation.known_clients.get(client.id) is client else None

    def _remember(self, credentials: Credentials, client: Client) -> None:
        if len(self._proven) >= MAX_PROVEN:
            self._proven.clear()
        self._proven[sha256(credentials.authorization or "")] = client

    async def _by_assertion(self, client: Client, _: Credentials, parameters: Parameters) -> AssertionUse:
        """Check a signed assertion (RFC 7523 section 3)."""
        text = parameters["client_assertion"]
        try:
            jwks = await self._foundation.client_keys.of(client, kid=peeked(text).header.get("kid"))
            found = verified(text, jwks, algorithms=algorithms_of(client), types=ASSERTION_TYPES)
            return checked_assertion(found.claims, client, issuer=self._foundation.mint.issuer,
                                     now_us=self._foundation.now_us())
        except InvalidTokenError as cause:
            raise _refusal(client, cause.reason) from cause

    async def _use_up(self, client: Client, use: AssertionUse) -> None:
        async with self._foundation.database.read() as tables:
            if not await tables.seen_proofs.claim(ProofKind.ASSERTION, use.digest, use.expires_at_us):
                raise _refusal(client, "it was used before (jti)")

    async def _by_authority(self, client: Client, credentials: Credentials, _: Parameters) -> None:
        """Check a certificate that an authority of ours vouches for (RFC 8705 section 2.1)."""
        certificate = _certificate(client, credentials)
        if not names_client(certificate, client.settings):
            raise _refusal(client, "the certificate carries another name than the registered one")
        if not self._authorities.vouch_for(certificate, self._foundation.now_us()):
            raise _refusal(client, "no client authority vouches for the certificate")

    async def _by_own_certificate(self, client: Client, credentials: Credentials, _: Parameters) -> None:
        """Check a certificate that the client registered (RFC 8705 section 2.2)."""
        certificate = _certificate(client, credentials)
        try:
            jwks = await self._foundation.client_keys.of(client)
        except InvalidTokenError as cause:
            raise _refusal(client, cause.reason) from cause
        if not is_registered(certificate, jwks) or not is_current(certificate, self._foundation.now_us()):
            raise _refusal(client, "the certificate is not among the registered ones, or not valid now")


def _is_right_secret(claim: ClientClaim, client: Client | None) -> bool:
    """Compare whatever came with whatever is known, so that it takes the same time for all."""
    expected = client.secret_hash if client else None
    return hmac.compare_digest(sha256(claim.secret), expected or _NOBODY) and expected is not None


def _method(claim: ClientClaim, client: Client | None) -> str | None:
    """Return the method that is tried, None when this client is not registered for it."""
    allowed = methods_of(client) if client else frozenset[str]()
    if claim.method is None:
        return next(iter(allowed - PRESENTED_METHODS), None)
    return claim.method if claim.method in allowed else None


def _certificate(client: Client, credentials: Credentials) -> x509.Certificate:
    found = read_certificate(credentials.certificate or b"")
    if found is None:
        raise _refusal(client, "the connection carries no client certificate")
    return found


def _refusal(client: Client, reason: str) -> InvalidClientError:
    """Log why, for the operator; the client hears the one sentence for every cause."""
    _log.info("client_refused", client_id=client.id, reason=reason)
    return InvalidClientError(client.id)
