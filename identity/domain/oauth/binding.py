"""What binds a token to its holder: a DPoP key (RFC 9449) or a client certificate (RFC 8705), both as thumbprints."""

from dataclasses import dataclass
from typing import Self

from identity.domain.oauth.errors import OAuthError
from identity.domain.records import GrantTerms


@dataclass(frozen=True, slots=True)
class Binding:
    """The proven key of one request: `jkt` of the DPoP key, `certificate` of the client's (SHA-256, base64url)."""

    jkt: str | None = None
    certificate: str | None = None

    @classmethod
    def of(cls, terms: GrantTerms) -> Self:
        """Return what a grant was bound to."""
        return cls(terms.jkt, terms.certificate)

    @property
    def token_type(self) -> str:
        """The scheme under which the token is presented (RFC 9449 section 5)."""
        return "Bearer" if self.jkt is None else "DPoP"

    @property
    def confirmation(self) -> dict[str, str]:
        """The members of `cnf`; empty for a token anybody may bear."""
        found = {"jkt": self.jkt, "x5t#S256": self.certificate}
        return {name: value for name, value in found.items() if value is not None}

    def require(self, *, jkt: str | None = None, certificate: str | None = None) -> None:
        """Raise OAuthError unless the request proved these keys: a code or a refresh token is bound to them."""
        if jkt not in {None, self.jkt}:
            raise OAuthError("invalid_grant", "it is bound to another DPoP key than the proof's (RFC 9449 5, 10)")
        if certificate not in {None, self.certificate}:
            raise OAuthError("invalid_grant", "it is bound to another client certificate (RFC 8705 4)")


UNBOUND = Binding()
