"""What a resource answers to a token that is missing, or that does not allow enough (RFC 6750 section 3.1)."""

from identity.domain.oauth.challenges import REALM, challenge
from shared_kernel.errors import ForbiddenError, UnauthenticatedError


class TokenRequiredError(UnauthenticatedError):
    """No token came: the challenge names the schemes and no error."""

    def __init__(self) -> None:
        super().__init__("this needs an access token in the Authorization header")
        self.headers = {"WWW-Authenticate": challenge()}


class InsufficientScopeError(ForbiddenError):
    """The token is good, and was not given for this."""

    def __init__(self, scope: str) -> None:
        super().__init__(f"the access token lacks the scope {scope}")
        self.headers = {"WWW-Authenticate": f'Bearer {REALM}, error="insufficient_scope", scope="{scope}"'}
