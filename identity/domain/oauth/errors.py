"""Protocol errors: a code the RFCs define, and a sentence for the developer."""

from typing import ClassVar

from shared_kernel.errors import InvalidInputError, UnauthenticatedError


class OAuthError(InvalidInputError):
    """An answer of the token, introspection or revocation endpoint (RFC 6749 section 5.2)."""

    kind = "oauth"

    def __init__(self, code: str, description: str, *, status: int = 400, client_id: str | None = None) -> None:
        super().__init__(description)
        self.code = code
        self.description = description
        self.status = status
        self.client_id = client_id


class InvalidClientError(OAuthError):
    """Client authentication failed; unknown client and wrong secret are told apart by nobody."""

    def __init__(self, client_id: str | None = None) -> None:
        super().__init__("invalid_client", "client authentication failed: check client_id and secret",
                         status=401, client_id=client_id)


class AuthorizationError(InvalidInputError):
    """An authorization request whose redirect URI is trusted: the client hears of it there (RFC 6749 4.1.2.1)."""

    kind = "oauth"

    def __init__(self, code: str, description: str) -> None:
        super().__init__(description)
        self.code = code
        self.description = description


class UntrustedRedirectError(InvalidInputError):
    """An authorization request whose client or redirect URI is not known: nobody is redirected anywhere."""

    kind = "oauth"


class InvalidTokenError(UnauthenticatedError):
    """The access token is malformed, expired, revoked or meant for something else (RFC 6750 section 3.1)."""

    kind = "invalid-token"
    challenge: ClassVar[str] = 'Bearer error="invalid_token"'

    def __init__(self, reason: str) -> None:
        super().__init__(f"the access token is not valid: {reason}. Ask for a new one")
        self.reason = reason


class LoginRefusedError(UnauthenticatedError):
    """The login failed. One sentence for every cause, so that it tells an attacker nothing."""

    kind = "login-refused"

    def __init__(self) -> None:
        super().__init__("The name or the password is not right.")
