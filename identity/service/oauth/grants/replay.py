"""The kill switch: a credential that comes back a second time takes its whole grant with it (RFC 9700 4.14.2)."""

from identity.domain.oauth.errors import OAuthError
from identity.service.foundation import Foundation
from identity.service.oauth.grants.token_request import TokenRequest
from identity.store.database import Tables


async def kill_grant(foundation: Foundation, tables: Tables, request: TokenRequest, *, grant_id: str,
                     action: str) -> None:
    """Revoke the grant and seal why, in the transaction at hand."""
    await tables.grants.revoke(grant_id, action, foundation.now_us())
    grant = await tables.grants.get(grant_id)
    await foundation.journal.seal(
        action, context=request.context, user={"id": (grant and grant.user_id) or request.client.id},
        outcome="failure", reason="the credential had been used before: the grant is revoked",
        grid={"oauth": {"client_id": request.client.id, "grant_id": grant_id}})


def replay_refused(foundation: Foundation, grant_id: str) -> OAuthError:
    """Return the refusal, once the revocation is committed."""
    foundation.states.forget_grant(grant_id)
    return OAuthError("invalid_grant", "it had been used before; everything issued for it is revoked")
