"""When a login is refused, and when it needs a second factor, although the password is right.

    assessed = the model's score + what the device and the journey add,        below 40 pass, 40 to 79 step up, else refuse
"""

from dataclasses import dataclass

ATTEMPT_WINDOW_US = 15 * 60 * 1_000_000
MAX_ATTEMPTS = 10
"""Failures of one address, or of one known device, on one account within the window; more are refused, there only
(never a lever to lock the owner out elsewhere)."""

STEP_LIFETIME_US = 600 * 1_000_000
MAX_STEP_TRIES = 5

STEP_UP_RISK = 40
REFUSED_RISK = 80
UNKNOWN_RISK = STEP_UP_RISK
"""A risk model that fails never lets anybody in by a password alone, and locks nobody out."""
NEW_DEVICE_RISK = 10
TRAVEL_RISK = 40

DEVICE_LIFETIME_US = 90 * 86_400 * 1_000_000
"""How long after its last login a device is still known."""
REAUTHENTICATION_US = 300 * 1_000_000
"""How fresh a login must be to change one's factors."""


@dataclass(frozen=True, slots=True)
class Assessment:
    """What is known about a login whose password is right.

    `is_new_device`: the person has other devices and this is none of them. `is_known_device`: it is one of them.
    """

    model_risk: int
    is_known_device: bool
    is_new_device: bool
    is_impossible_travel: bool
    has_factor: bool
    is_more_wanted: bool

    @property
    def risk(self) -> int:
        """The assessed risk."""
        added = NEW_DEVICE_RISK * self.is_new_device + TRAVEL_RISK * self.is_impossible_travel
        return min(100, self.model_risk + added)

    @property
    def is_refused(self) -> bool:
        """Whether nothing the person could show would do."""
        return self.risk >= REFUSED_RISK

    @property
    def reasons_to_step_up(self) -> tuple[str, ...]:
        """Why a second factor is due; empty when the password suffices."""
        reasons = (
            (self.risk >= STEP_UP_RISK, "risk"),
            (self.is_impossible_travel, "impossible_travel"),
            (self.has_factor and not self.is_known_device, "unknown_device"),
            (self.has_factor and self.is_more_wanted, "acr_values"),
        )
        return tuple(reason for applies, reason in reasons if applies)
