"""A stream: what one receiver wants to hear, how it is told, and whether it is being told at all (SSF 1.0 8.1.1)."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from identity.domain.signals.events import SUPPORTED

PUSH = "urn:ietf:rfc:8935"
POLL = "urn:ietf:rfc:8936"
MIN_VERIFICATION_INTERVAL_S = 2
INACTIVITY_TIMEOUT_S = 30 * 86_400
"""A receiver that polls is expected at least this often; after a longer silence its stream is paused."""

MAX_HELD = 10_000
"""How many events wait for one receiver at most; the oldest go."""


class Status(StrEnum):
    """Whether events flow: a paused stream keeps them, a disabled one does not (SSF 1.0 8.1.2.1)."""

    ENABLED = "enabled"
    PAUSED = "paused"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True)
class StreamSettings:
    """What the receiver chose. `sealed_authorization` is what it wants in our Authorization header, sealed."""

    method: str = POLL
    endpoint_url: str | None = None
    sealed_authorization: str | None = field(default=None, repr=False)
    events_requested: tuple[str, ...] = ()
    events_delivered: tuple[str, ...] = ()
    description: str | None = None


@dataclass(frozen=True, slots=True)
class Stream:
    """A receiver's stream; a receiver has one."""

    id: str
    client_id: str
    audience: tuple[str, ...]
    settings: StreamSettings
    status: Status
    status_reason: str | None
    created_at_us: int
    updated_at_us: int
    seen_at_us: int
    verified_at_us: int | None = None

    def to_configuration(self, issuer: str, poll_url: str) -> dict[str, Any]:
        """Return what the receiver may see: everything but the secret it gave us."""
        chosen = self.settings
        found: dict[str, Any] = {
            "stream_id": self.id, "iss": issuer, "aud": list(self.audience),
            "delivery": {"method": chosen.method, "endpoint_url": chosen.endpoint_url or poll_url},
            "events_supported": list(SUPPORTED), "events_requested": list(chosen.events_requested),
            "events_delivered": list(chosen.events_delivered),
            "min_verification_interval": MIN_VERIFICATION_INTERVAL_S,
        }
        if chosen.method == POLL:
            found["inactivity_timeout"] = INACTIVITY_TIMEOUT_S
        if chosen.description is not None:
            found["description"] = chosen.description
        return found

    def to_status(self) -> dict[str, str]:
        """Return the status document (SSF 1.0 8.1.2.1)."""
        found = {"stream_id": self.id, "status": str(self.status)}
        return found if self.status_reason is None else found | {"reason": self.status_reason}


def delivered(requested: tuple[str, ...]) -> tuple[str, ...]:
    """Return the requested events that we have; others are ignored (SSF 1.0 8.1.1)."""
    return tuple(kind for kind in SUPPORTED if kind in requested)
