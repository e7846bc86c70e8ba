"""A request to the token endpoint whose client proved itself, and whose keys are known."""

from dataclasses import dataclass
from typing import NoReturn, Protocol

from identity.domain.oauth.binding import Binding
from identity.domain.oauth.errors import OAuthError
from identity.domain.oauth.parameters import scope_of
from identity.domain.oauth.token_requests import TokenParameters
from identity.domain.opaque import Kind, Opaque, read
from identity.domain.records import Client
from identity.service.oauth.issuing import Answer
from shared_kernel.context import RequestContext


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """Who asks, for what, holding which key."""

    client: Client
    parameters: TokenParameters
    binding: Binding
    context: RequestContext

    @property
    def scopes(self) -> frozenset[str] | None:
        """The scope values asked for, None when none was named."""
        return scope_of(self.parameters.values)

    @property
    def details(self) -> str | None:
        """The authorization details asked for, as they came."""
        return self.parameters.values.get("authorization_details")

    def required(self, name: str) -> str:
        """Return a parameter; raise OAuthError when it is missing."""
        if name not in self.parameters.values:
            raise OAuthError("invalid_request", f"the parameter {name} is missing")
        return self.parameters.values[name]

    def credential(self, name: str, kind: Kind) -> Opaque:
        """Return an opaque credential; raise OAuthError when it is missing or cannot be ours."""
        found = read(self.required(name), kind)
        if found is None:
            refuse_grant(f"the {name} is not known")
        return found


class TokenGrant(Protocol):
    """One grant type."""

    async def answer(self, request: TokenRequest) -> Answer:
        """Return the token answer (RFC 6749 section 5.1); raise OAuthError."""


def refuse_grant(why: str) -> NoReturn:
    """Refuse a credential."""
    raise OAuthError("invalid_grant", why)
