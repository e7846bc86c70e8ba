"""What a connector promises, and what to do when a call's outcome is bad or not known.

    kind          outcome unknown (crash, time-out, error)      refused
    idempotent    call again, at most 3 times                   failed
    reconcilable  ask: done, call again, or a human             failed
    unsafe        ask: done, or a human; never called again     failed

What a connector cannot tell counts as "again" where calling twice is harmless, and as "a human" where it is not.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Protocol

MAX_ATTEMPTS = 3
MAX_RESUMPTIONS = 10
BACKOFF_FIRST_S = 1.0
BACKOFF_CAP_S = 30.0


class ConnectorKind(StrEnum):
    """How far a call may be repeated."""

    IDEMPOTENT = "idempotent"
    RECONCILABLE = "reconcilable"
    UNSAFE = "unsafe"


class Reconciled(StrEnum):
    """What a connector knows of a call whose outcome nobody wrote down."""

    DONE = "done"
    RETRY = "retry"
    HUMAN = "human"


class Connector(Protocol):
    """One kind of effect on the world."""

    name: str
    kind: ConnectorKind

    async def run(self, params: Mapping[str, str], *, idempotency_key: str) -> Mapping[str, Any]:
        """Take effect and return what to keep of it (no secret). Raises UnavailableError when it may be tried again."""

    async def reconcile(self, idempotency_key: str, params: Mapping[str, str]) -> Reconciled:
        """Tell, without any effect, what became of a call."""


def after_unknown(kind: ConnectorKind, reconciled: Reconciled, attempts: int) -> Reconciled:
    """Return what to do with a call of unknown outcome after `attempts` failed ones."""
    if reconciled is Reconciled.DONE:
        return Reconciled.DONE
    if kind is ConnectorKind.UNSAFE or attempts >= MAX_ATTEMPTS:
        return Reconciled.HUMAN
    return reconciled


def when_it_cannot_tell(kind: ConnectorKind) -> Reconciled:
    """Return what stands for the answer of a connector that gave none."""
    return Reconciled.RETRY if kind is ConnectorKind.IDEMPOTENT else Reconciled.HUMAN


def backoff_s(attempts: int, chance: float) -> float:
    """Return a wait with full jitter; `chance` is uniform in [0, 1)."""
    return float(chance * min(BACKOFF_CAP_S, BACKOFF_FIRST_S * 2 ** max(0, attempts - 1)))
