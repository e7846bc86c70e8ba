"""Errors become answers here and nowhere else: one table from error family to status, rendered as RFC 9457 problems.

A 5xx says a generic sentence, except UnavailableError: its own sentence names what is down and is written for callers.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import orjson
from starlette.exceptions import HTTPException
from starlette.responses import Response

from identity.domain.oauth.challenges import challenge
from shared_kernel import errors

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:gridwarden:problem:"
GENERIC = "something failed on our side; the request id finds it in our logs"
CHALLENGE, REFUSED_CHALLENGE = challenge(), challenge(code="invalid_token")
RETRY_AFTER_S = 1

STATUS_OF_KIND: Mapping[str, int] = {
    "method-not-allowed": 405,
    "request-timeout": 408,
    "unsupported-encoding": 415,
    "bad-gateway": 502,
    "gateway-timeout": 504,
    "unsupported-media-type": 415,
}
"""Kinds whose status is narrower than their family's."""

STATUS_OF_FAMILY: Mapping[type[errors.GridwardenError], int] = {
    errors.InvalidInputError: 400,
    errors.UnauthenticatedError: 401,
    errors.ForbiddenError: 403,
    errors.NotFoundError: 404,
    errors.ConflictError: 409,
    errors.TooLargeError: 413,
    errors.UnprocessableError: 422,
    errors.TooManyRequestsError: 429,
    errors.UnavailableError: 503,
}


@dataclass(frozen=True, slots=True)
class Problem:
    """An RFC 9457 problem before it is rendered; `members` are extension members."""

    status: int
    kind: str
    detail: str
    members: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    def response(self, *, request_id: str, instance: str | None) -> Response:
        """Render the problem for one request."""
        body = {
            "type": TYPE_PREFIX + self.kind, "title": HTTPStatus(self.status).phrase, "status": self.status,
            "detail": self.detail, "request_id": request_id, **self.members,
        }
        if instance is not None:
            body["instance"] = instance
        return Response(orjson.dumps(body), self.status, dict(self.headers), MEDIA_TYPE)


def problem_of(error: Exception) -> Problem:
    """Return the problem an error is; one we did not raise on purpose says nothing about itself."""
    if isinstance(error, HTTPException):
        return _of_starlette(error)
    status = _status_of(error)
    if not isinstance(error, errors.GridwardenError) or status == HTTPStatus.INTERNAL_SERVER_ERROR:
        return Problem(500, errors.GridwardenError.kind, GENERIC)
    return Problem(status, error.kind, error.detail, getattr(error, "members", {}), _headers_of(error, status))


def _status_of(error: Exception) -> int:
    narrower = STATUS_OF_KIND.get(getattr(error, "kind", ""))
    if narrower is not None:
        return narrower
    return next((STATUS_OF_FAMILY[family] for family in type(error).__mro__ if family in STATUS_OF_FAMILY), 500)


def _headers_of(error: errors.GridwardenError, status: int) -> dict[str, str]:
    found = dict(getattr(error, "headers", {}))
    if status == HTTPStatus.UNAUTHORIZED:
        found.setdefault("WWW-Authenticate", CHALLENGE)
    if status in {HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS}:
        found.setdefault("Retry-After", str(getattr(error, "retry_after_s", RETRY_AFTER_S)))
    return found


def _of_starlette(error: HTTPException) -> Problem:
    if error.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Problem(error.status_code, errors.GridwardenError.kind, GENERIC)
    kind = HTTPStatus(error.status_code).phrase.lower().replace(" ", "-")
    return Problem(error.status_code, kind, str(error.detail), headers=dict(error.headers or {}))
