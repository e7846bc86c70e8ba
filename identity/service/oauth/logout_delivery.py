"""Telling clients that a session ended, behind the browser's back (OpenID Connect Back-Channel Logout 1.0).

A client that answers 2xx heard it; 400 means that it will not (2.8); anything else is tried again, seldom and at last
no more. Every try has the same `jti`. The outcome is sealed before the message is forgotten.
"""

from urllib.parse import urlencode

from identity.domain.deliveries import LEASE_US, next_try_us
from identity.domain.oauth.logout_tokens import LOGOUT_TYPE, logout_claims
from identity.service.delivery import BATCH, deliver_all, deliver_forever
from identity.service.foundation import SECOND_US, Foundation
from identity.store.logout_deliveries import LogoutDelivery
from shared_kernel.errors import GridwardenError

_TIMEOUT_S = 10.0
_REFUSED = 400
_HEADERS = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}


class LogoutCourier:
    """Carries logout tokens to clients."""

    def __init__(self, foundation: Foundation) -> None:
        self._foundation = foundation

    async def run(self) -> None:
        """Deliver whatever is queued, forever."""
        await deliver_forever(self.deliver_due, "back-channel logouts")

    async def deliver_due(self) -> int:
        """Try every message that is due, once; answer how many there were."""
        now_us = self._foundation.now_us()
        async with self._foundation.database.begin() as tables:
            due = await tables.logout_deliveries.claim_due(now_us, now_us + LEASE_US, BATCH)
        await deliver_all(self._deliver(each) for each in due)
        return len(due)

    async def _deliver(self, delivery: LogoutDelivery) -> None:
        failure, is_final = await self._try(delivery)
        again_us = None if is_final else next_try_us(delivery.tries, self._foundation.now_us())
        if again_us is not None:
            async with self._foundation.database.begin() as tables:
                await tables.logout_deliveries.failed(delivery.id, again_us, failure or "")
            return
        async with self._foundation.database.begin() as tables:
            await self._foundation.journal.seal(
                "backchannel_logout_sent", user={"id": delivery.user_id}, reason=failure,
                outcome="failure" if failure else "success",
                grid={"oauth": {"client_id": delivery.client_id, "sid": delivery.session_id or "",
                                "jti": delivery.id, "tries": delivery.tries}})
            await tables.logout_deliveries.done(delivery.id)

    async def _try(self, delivery: LogoutDelivery) -> tuple[str | None, bool]:
        """Return what went wrong, None when nothing did, and whether that is the last word."""
        try:
            body = urlencode({"logout_token": await self._token(delivery)}).encode()
            answer = await self._foundation.outbound.post(delivery.uri, body=body, headers=_HEADERS,
                                                          timeout_s=_TIMEOUT_S)
        except GridwardenError as error:
            return error.detail, False
        if 200 <= answer.status < 300:  # noqa: PLR2004 - HTTP
            return None, True
        return f"the client answered {answer.status}", answer.status == _REFUSED

    async def _token(self, delivery: LogoutDelivery) -> str:
        client = await self._foundation.known_clients.get(delivery.client_id)
        claims = logout_claims(
            issuer=self._foundation.mint.issuer, client_id=delivery.client_id, subject=delivery.user_id,
            session_id=delivery.session_id, token_id=delivery.id, now_s=self._foundation.now_us() // SECOND_US)
        algorithm = client.settings.id_token_signing_alg if client else "ES256"
        return await self._foundation.mint.sign(claims, token_type=LOGOUT_TYPE, algorithm=algorithm)
