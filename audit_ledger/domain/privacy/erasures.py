"""What the entries say was erased: the only excuse for a key that is gone.

    event.action = "subject_erased",    grid.erasure = {"subject": ..., "keys": [commitment ...], "entries": count}

The entry comes before the destruction: it names the keys, how many entries they had sealed, and in `event.reason` why.
"""

from dataclasses import dataclass
from typing import Any

import orjson

from shared_kernel.clock import Clock
from shared_kernel.context import RequestContext
from shared_kernel.events import Event, security_event

SUBJECT_ERASED = "subject_erased"


@dataclass(frozen=True, slots=True)
class Said:
    """Where, and when, an entry says that a key was erased."""

    seq: int
    at_us: int


def erasure_event(  # noqa: PLR0913 - an entry's facts
    clock: Clock, subject: str, *, keys: list[str], entries: int, reason: str, context: RequestContext | None,
) -> Event:
    """Return the entry that goes before the destruction of these keys."""
    return security_event(
        clock, SUBJECT_ERASED, category="iam", types=("user", "deletion"), reason=reason, context=context,
        grid={"erasure": {"subject": subject, "keys": keys, "entries": entries}},
    )


class ErasureRegister:
    """Every erasure the ledger tells of, by key and subject: an entry about somebody else's key excuses nothing."""

    def __init__(self) -> None:
        self._said: dict[tuple[str, str], Said] = {}
        self._keys: set[str] = set()
        self.next = 0

    def learn(self, seq: int, at_us: int, payload: bytes) -> None:
        """Take in one entry; one that is damaged, or no erasure at all, says nothing."""
        self.next = seq + 1
        try:
            told = told_in(orjson.loads(payload))
        except orjson.JSONDecodeError:
            return
        subject, keys = told.get("subject"), told.get("keys")
        if isinstance(subject, str) and isinstance(keys, list):
            self._said.update({(key, subject): Said(seq, at_us) for key in keys if isinstance(key, str)})
            self._keys.update(key for key in keys if isinstance(key, str))

    def of(self, commitment: str, subject: str) -> Said | None:
        """Return the last erasure of this subject's key."""
        return self._said.get((commitment, subject))

    def names(self, commitment: str) -> bool:
        """Tell whether any entry calls this key erased."""
        return commitment in self._keys

    def named(self) -> list[tuple[str, str]]:
        """Return every (commitment, subject) that an entry calls erased."""
        return list(self._said)


def told_in(event: Any) -> dict[str, Any]:  # noqa: ANN401 - a damaged payload may hold any JSON value
    """Return what an erasure's entry says; nothing when it is damaged, or no erasure at all."""
    try:
        told = event["grid"]["erasure"] if event["event"]["action"] == SUBJECT_ERASED else {}
    except (KeyError, TypeError):
        return {}
    return told if isinstance(told, dict) else {}
