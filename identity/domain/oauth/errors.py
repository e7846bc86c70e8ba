"""Protocol errors: a code the RFCs define, and a sentence for the developer."""

import re
from collections.abc import Mapping

from identity.domain.oauth.challenges import challenge
from shared_kernel.errors import InvalidInputError, UnauthenticatedError

_UNSPOKEN = re.compile(r"[^\x20\x21\x23-\x5B\x5D-\x7E]")


def spoken(text: str) -> str:
    """Return a sentence in the characters an error_description may have (RFC 6749 sections 4.1.2.1 and 5.2)."""
    return _UNSPOKEN.sub("?", text.replace('"', "'").replace("\\", "/"))


class OAuthError(InvalidInputError):
    """An answer of the token, introspection or revocation endpoint (RFC 6749 section 5.2)."""

    kind = "oauth"

    def __init__(self, code: str, description: str, *, status: int = 400, client_id: str | None = None) -> None:
        super().__init__(description)
        self.headers: Mapping[str, str] = {}
        self.code = code
        self.description = spoken(description)
        self.status = status
        self.client_id = client_id


class InvalidClientError(OAuthError):
    """Client authentication failed; unknown client and wrong secret are told apart by nobody."""

    def __init__(self, client_id: str | None = None) -> None:
        super().__init__("invalid_client", "client authentication failed: check client_id and secret",
                         status=401, client_id=client_id)


class InvalidProofError(OAuthError):
    """The DPoP proof is missing or not good for this request (RFC 9449 section 5)."""

    def __init__(self, reason: str) -> None:
        super().__init__("invalid_dpop_proof", f"the DPoP proof does not hold: {reason}")
        self.reason = reason


class NonceDueError(InvalidProofError):
    """The DPoP proof must carry our nonce, which comes with the refusal (RFC 9449 sections 8 and 9)."""

    def __init__(self, nonce: str) -> None:
        super().__init__("it must carry the nonce of the field DPoP-Nonce of this answer: try again with it")
        self.code = "use_dpop_nonce"
        self.headers = {"DPoP-Nonce": nonce}


class AuthorizationError(InvalidInputError):
    """An authorization request whose redirect URI is trusted: the client hears of it there (RFC 6749 4.1.2.1)."""

    kind = "oauth"

    def __init__(self, code: str, description: str) -> None:
        super().__init__(description)
        self.code = code
        self.description = spoken(description)


class UntrustedRedirectError(InvalidInputError):
    """An authorization request whose client or redirect URI is not known: nobody is redirected anywhere."""

    kind = "oauth"


class InvalidTokenError(UnauthenticatedError):
    """The access token is malformed, expired, revoked or meant for something else (RFC 6750 section 3.1)."""

    kind = "invalid-token"

    def __init__(self, reason: str) -> None:
        super().__init__(f"the access token is not valid: {reason}. Ask for a new one")
        self.reason = reason
        self.headers = {"WWW-Authenticate": challenge("Bearer", "invalid_token")}


class CredentialError(UnauthenticatedError):
    """A token that is good as such, presented in a way that is not (RFC 9449 section 7.1, RFC 6750 section 3)."""

    kind = "invalid-token"

    def __init__(self, reason: str, *, scheme: str, code: str = "invalid_token",
                 headers: Mapping[str, str] | None = None) -> None:
        super().__init__(reason)
        self.headers = {"WWW-Authenticate": challenge(scheme, code), **(headers or {})}


class LoginRefusedError(UnauthenticatedError):
    """The login failed. One sentence for every cause, so that it tells an attacker nothing."""

    kind = "login-refused"

    def __init__(self) -> None:
        super().__init__("The name or the password is not right.")
