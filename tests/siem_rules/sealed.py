"""Events as a sequenced source would hold them, and a ledger that keeps a list."""

from collections.abc import Iterable
from typing import Any

from shared_kernel.clock import from_iso, to_iso
from shared_kernel.errors import UnavailableError
from shared_kernel.events import Event, Receipt, SealedEvent

START_US = 1_795_000_000_000_000
SECOND = 1_000_000


def event(at_s: float, action: str, *, number: int | None = None, outcome: str = "success", **sections: Any) -> Event:
    """Return an ECS event `at_s` seconds after the start; `number` makes its id."""
    about = {"action": action, "outcome": outcome, "kind": "event"}
    if number is not None:
        about["id"] = f"event-{number:05d}"
    return {"@timestamp": to_iso(START_US + round(at_s * SECOND)), "event": about, **sections}


def login(at_s: float, number: int, user: str, ip: str, *, failed: bool, **told: object) -> Event:
    """Return a login attempt; `told` is what the login says of itself."""
    return event(at_s, "user_login", number=number, outcome="failure" if failed else "success",
                 user={"name": user}, source={"ip": ip}, grid={"login": told})


def sealed(events: Iterable[Event], *, first: int = 0) -> list[SealedEvent]:
    """Number events in the order given, each recorded when it happened."""
    return [SealedEvent(first + offset, from_iso(item["@timestamp"]), item) for offset, item in enumerate(events)]


class ListLedger:
    """A Recorder and EventReader that keeps a list; `down` makes it refuse."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.down = False

    async def record(self, event: Event) -> Receipt:
        """Append, or refuse."""
        if self.down:
            raise UnavailableError("the ledger is down")
        self.events.append(event)
        return Receipt(len(self.events) - 1, b"")

    async def find(self, *, action: str | None = None, limit: int = 100, **_: Any) -> list[SealedEvent]:
        """Return the events of an action, newest first."""
        found = [SealedEvent(seq, 0, item) for seq, item in enumerate(self.events) if item["event"]["action"] == action]
        return found[::-1][:limit]

    def actions(self) -> list[str]:
        """Return what was sealed, in order."""
        return [item["event"]["action"] for item in self.events]
