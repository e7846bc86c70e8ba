"""The token endpoint: who asks proved itself; here it says for which grant, and which key it holds.

Claim, new credentials and the sealed event share one transaction: when sealing fails the claim is undone, nothing was
issued, and the client may try again. Reuse by its own client kills the grant; a foreign client changes nothing.
"""

from collections.abc import Mapping

from prometheus_client import Counter

from identity.domain.oauth import device, token_exchange
from identity.domain.oauth.errors import OAuthError
from identity.domain.oauth.token_requests import TokenParameters
from identity.domain.records import Client
from identity.service.foundation import Foundation
from identity.service.oauth.grants.authorization_code import AuthorizationCodeGrant
from identity.service.oauth.grants.client_credentials import ClientCredentialsGrant
from identity.service.oauth.grants.device_code import DeviceCodeGrant
from identity.service.oauth.grants.refresh_token import RefreshTokenGrant
from identity.service.oauth.grants.token_exchange import TokenExchangeGrant
from identity.service.oauth.grants.token_request import TokenGrant, TokenRequest
from identity.service.oauth.issuing import Answer, Issuing
from identity.service.oauth.sender import SenderConstraints
from shared_kernel.context import RequestContext

_ISSUED = Counter("gridwarden_identity_tokens_issued_total", "Token answers by grant type", ["grant_type"])


class TokenDesk:
    """Exchanges grants for tokens."""

    def __init__(self, foundation: Foundation, sender: SenderConstraints) -> None:
        self._sender = sender
        issuing = Issuing(foundation)
        self._grants: Mapping[str, TokenGrant] = {
            "authorization_code": AuthorizationCodeGrant(foundation, issuing),
            "refresh_token": RefreshTokenGrant(foundation, issuing),
            "client_credentials": ClientCredentialsGrant(foundation, issuing),
            device.GRANT_TYPE: DeviceCodeGrant(foundation, issuing),
            token_exchange.GRANT_TYPE: TokenExchangeGrant(foundation, issuing),
        }

    async def exchange(self, client: Client, parameters: TokenParameters, context: RequestContext) -> Answer:
        """Return the token answer (RFC 6749 section 5.1); raise OAuthError."""
        grant_type = parameters.values.get("grant_type")
        if grant_type is None:
            raise OAuthError("invalid_request", "the parameter grant_type is missing")
        grant = self._grants.get(grant_type)
        if grant is None:
            raise OAuthError("unsupported_grant_type", f"use one of {', '.join(self._grants)}")
        if grant_type not in client.grant_types:
            raise OAuthError("unauthorized_client", "this client is not registered for this grant type")
        binding = await self._sender.binding(context.credentials, client)
        answer = await grant.answer(TokenRequest(client, parameters, binding, context))
        _ISSUED.labels(grant_type).inc()
        return answer
