"""Ending a session, on the person's own word (OpenID Connect RP-Initiated Logout 1.0).

The person is always asked: a hint proves which client sent them, not that they want to leave. Nobody is sent anywhere
but to an address that the client which the hint or `client_id` names has registered, character for character.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from identity.domain.oauth.authorization import response_url
from identity.domain.oauth.errors import UntrustedRedirectError
from identity.domain.oauth.id_tokens import read_hint
from identity.domain.records import Session
from identity.domain.signals.events import Initiator
from identity.service.clients.registry import Registry
from identity.service.foundation import Foundation
from identity.service.oauth.session_ends import tell_session_ended
from shared_kernel.context import RequestContext

_MAX_STATE = 1_024


@dataclass(frozen=True, slots=True)
class Farewell:
    """Where the browser goes after the logout; None means our own page."""

    redirect_uri: str | None
    url: str | None


class LogoutDesk:
    """Ends sessions."""

    def __init__(self, foundation: Foundation, registry: Registry) -> None:
        self._foundation = foundation
        self._registry = registry

    async def farewell(self, parameters: Mapping[str, str], broken: frozenset[str]) -> Farewell:
        """Return where a logout request may lead; raise UntrustedRedirectError for an unregistered place."""
        if broken:
            raise UntrustedRedirectError("a parameter stands twice or holds control characters")
        if len(parameters.get("state", "")) > _MAX_STATE:
            raise UntrustedRedirectError(f"state is longer than {_MAX_STATE} characters")
        uri = parameters.get("post_logout_redirect_uri")
        client_id = self._named_client(parameters)
        if uri is None:
            return Farewell(None, None)
        client = await self._registry.get(client_id) if client_id else None
        if client is None or uri not in client.post_logout_redirect_uris:
            raise UntrustedRedirectError("this post_logout_redirect_uri is not registered for this client")
        return Farewell(uri, response_url(uri, {"state": parameters["state"]}) if "state" in parameters else uri)

    def _named_client(self, parameters: Mapping[str, str]) -> str | None:
        client_id, text = parameters.get("client_id"), parameters.get("id_token_hint")
        if text is None:
            return client_id
        hint = read_hint(text, self._foundation.mint)
        if hint is None or client_id not in {None, hint.client_id}:
            raise UntrustedRedirectError("id_token_hint is not an ID token of ours for this client")
        return hint.client_id

    async def end(self, session: Session, context: RequestContext) -> None:
        """End the session, kill its grants, and queue the news; a grant for offline access lives on."""
        now_us = self._foundation.now_us()
        async with self._foundation.database.begin() as tables:
            if await tables.sessions.end(session.id, now_us):
                await tell_session_ended(tables, session, reason="the person signed out",
                                         initiator=Initiator.USER, now_us=now_us)
                await tables.grants.revoke_of_session(session.id, "user_logout", now_us)
                await self._foundation.journal.seal(
                    "user_logout", context=context, user={"id": session.user_id, "name": session.user_name},
                    grid={"oauth": {"sid": session.id}})
        self._foundation.states.forget()
