"""The device grant at the token endpoint (RFC 8628 section 3.4): what is checked, in order.

1 the code is the client's own; 2 it has not expired, nobody said no, and somebody said yes; who asks faster than the
interval is told to slow down, and the interval grows; 3 one UPDATE claims it: a second redemption kills the grant;
4 resources and details are no wider than what the person saw; 5 the grant lives.
"""

from identity.domain.oauth.device import GRANT_TYPE, DeviceRequest, check_allowed
from identity.domain.opaque import Kind
from identity.service.foundation import Foundation
from identity.service.oauth.grants.authorization_code import lifetime_us, person_bestowal
from identity.service.oauth.grants.replay import kill_grant, replay_refused
from identity.service.oauth.grants.token_request import TokenRequest, refuse_grant
from identity.service.oauth.issuing import Answer, Issuing
from identity.store.database import Tables


class DeviceCodeGrant:
    """Redeems device codes."""

    def __init__(self, foundation: Foundation, issuing: Issuing) -> None:
        self._foundation = foundation
        self._issuing = issuing

    async def answer(self, request: TokenRequest) -> Answer:
        """Return the tokens of a device that a person allowed."""
        waiting = await self._polled(request)
        if waiting.grant_id is None:
            refuse_grant("the device_code is not known")
        async with self._foundation.database.begin() as tables:
            if await tables.device_codes.claim(waiting.id):
                return await self._redeem(tables, request, waiting.grant_id)
            await kill_grant(self._foundation, tables, request, grant_id=waiting.grant_id, action="code_replayed")
        raise replay_refused(self._foundation, waiting.grant_id)

    async def _polled(self, request: TokenRequest) -> DeviceRequest:
        """Return the device's request; a poll counts whatever its answer."""
        code, now_us = request.credential("device_code", Kind.DEVICE), self._foundation.now_us()
        async with self._foundation.database.read() as tables:
            found = await tables.device_codes.poll(code, request.client.id, now_us)
        if found is None:
            refuse_grant("the device_code is not known")
        waiting, is_too_fast = found
        check_allowed(waiting, is_too_fast=is_too_fast, now_us=now_us)
        return waiting

    async def _redeem(self, tables: Tables, request: TokenRequest, grant_id: str) -> Answer:
        now_us = self._foundation.now_us()
        state = await tables.grants.state(grant_id, now_us)
        if state is None:
            refuse_grant("the grant has ended")
        until_us = await tables.grants.extend(grant_id, now_us + lifetime_us(self._foundation.lifetimes, state))
        return await self._issuing.answer(tables, person_bestowal(
            request, state, until_us=until_us, own_api=self._foundation.mint.audience, grant_type=GRANT_TYPE),
            request.context)
