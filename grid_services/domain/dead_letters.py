"""Dead letters: what could not be taken, why, and a digest that makes one refusal one letter however often sent."""

import json
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

KEPT = 16_384
"""Characters of a message kept; a longer one is cut and then kept as text."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message set aside; `message` is any JSON value."""

    reason: str
    topic: str
    event_id: str | None
    message: Any

    def digest(self) -> bytes:
        """Return SHA-256 over everything but the time of arrival."""
        return sha256(_json([self.reason, self.topic, self.event_id, self.message]).encode()).digest()

    def text(self, at: str | None = None) -> str:
        """Return the letter as JSON; `at` is when it arrived, when that is known."""
        message = _json(self.message)
        kept = self.message if len(message) <= KEPT else message[:KEPT]
        about = {"reason": self.reason, "topic": self.topic, "event_id": self.event_id}
        return _json(about | ({"at": at} if at else {}) | {"message": kept})


def _json(value: Any) -> str:  # noqa: ANN401 - any JSON value
    return json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
