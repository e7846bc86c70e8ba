"""Error families: what the caller should do next. Houses derive narrower classes; the edge maps families to statuses.

`kind` is the last segment of the RFC 9457 problem type and stays stable across releases.
"""

from typing import ClassVar


class GridwardenError(Exception):
    """The root of every error this product raises on purpose; its text is a sentence for the caller."""

    kind: ClassVar[str] = "internal"

    @property
    def detail(self) -> str:
        """The sentence."""
        return str(self)


class InvalidInputError(GridwardenError):
    """The request is malformed: correct it (400)."""

    kind = "invalid-input"


class UnauthenticatedError(GridwardenError):
    """Nobody, or nobody we know: authenticate (401)."""

    kind = "unauthenticated"


class ForbiddenError(GridwardenError):
    """Known, and not allowed (403)."""

    kind = "forbidden"


class NotFoundError(GridwardenError):
    """There is no such thing, or the caller may not know of it (404)."""

    kind = "not-found"


class ConflictError(GridwardenError):
    """The thing is in another state than the request needs (409)."""

    kind = "conflict"


class TooLargeError(GridwardenError):
    """More bytes than the route takes: send fewer (413)."""

    kind = "too-large"


class UnprocessableError(GridwardenError):
    """Well-formed, and its values break a rule (422)."""

    kind = "unprocessable"


class TooManyRequestsError(GridwardenError):
    """Slow down (429)."""

    kind = "too-many-requests"


class UnavailableError(GridwardenError):
    """A part we depend on is down: retry later; nothing was done (503)."""

    kind = "unavailable"
