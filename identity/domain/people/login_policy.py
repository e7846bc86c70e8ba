"""When a login is refused, and when it needs a second factor, although the password is right.

    risk = the model's score + what a new device and an impossible journey add, which alone never refuse

Below 40 the password suffices, up to 79 a second factor is due, from 80 on nothing helps.
"""

from collections.abc import Iterable
from dataclasses import dataclass

ATTEMPT_WINDOW_US = 15 * 60 * 1_000_000
MAX_ATTEMPTS = 10
"""Failures of one address, or of one known device, on one account within the window; after them it is shut out of this
account for as long as the window, then twice as long ..., there only: never a lever to lock the owner out elsewhere."""
MAX_DOUBLINGS = 6
ATTEMPT_MEMORY_US = 24 * 3_600 * 1_000_000
"""How long failures count towards the next lockout's length; the longest lasts 16 hours."""

STEP_LIFETIME_US = 600 * 1_000_000
MAX_STEP_TRIES = 5

STEP_UP_RISK = 40
FIRST_STEP_UP_RISK = 50
"""For a person nobody has seen yet: a model that knows nothing says *moderate*, and there is nothing to differ from."""
REFUSED_RISK = 80
UNKNOWN_RISK = 60
"""A risk model that fails never lets anybody in by a password alone, and locks nobody out."""
NEW_DEVICE_RISK = 4
TRAVEL_RISK = 40

DEVICE_LIFETIME_US = 90 * 86_400 * 1_000_000
"""How long after its last login a device is still known."""
REAUTHENTICATION_US = 300 * 1_000_000
"""How fresh a login must be to change one's factors."""


def shut_out_until_us(failures_us: Iterable[int]) -> int:
    """Return when a bucket with these failures (in order) may try again, 0 when it never was shut out.

    What is tried while shut out is not looked at, and does not count.
    """
    recent: list[int] = []
    until_us = lockouts = 0
    for at_us in failures_us:
        if at_us < until_us:
            continue
        recent = [*(known for known in recent if known > at_us - ATTEMPT_WINDOW_US), at_us]
        if len(recent) >= MAX_ATTEMPTS:
            until_us = at_us + ATTEMPT_WINDOW_US * 2 ** min(lockouts, MAX_DOUBLINGS)
            lockouts, recent = lockouts + 1, []
    return until_us


@dataclass(frozen=True, slots=True)
class Assessment:
    """What is known about a login whose password is right.

    `is_known_device`: the person has logged in from it. `is_first`: the person has no device at all.
    """

    model_risk: int
    is_known_device: bool
    is_first: bool
    is_impossible_travel: bool
    has_factor: bool
    is_more_wanted: bool

    @property
    def is_new_device(self) -> bool:
        """Whether the person has other devices and this is none of them."""
        return not self.is_known_device and not self.is_first

    @property
    def risk(self) -> int:
        """The assessed risk."""
        added = NEW_DEVICE_RISK * self.is_new_device + TRAVEL_RISK * self.is_impossible_travel
        return max(self.model_risk, min(REFUSED_RISK - 1, self.model_risk + added))

    @property
    def is_refused(self) -> bool:
        """Whether nothing the person could show would do."""
        return self.risk >= REFUSED_RISK

    @property
    def reasons_to_step_up(self) -> tuple[str, ...]:
        """Why a second factor is due; empty when the password suffices."""
        reasons = (
            (self.risk >= (FIRST_STEP_UP_RISK if self.is_first else STEP_UP_RISK), "risk"),
            (self.is_impossible_travel, "impossible_travel"),
            (self.has_factor and not self.is_known_device, "unknown_device"),
            (self.has_factor and self.is_more_wanted, "acr_values"),
        )
        return tuple(reason for applies, reason in reasons if applies)
