"""The time that entries carry: the wall clock's, and never before the last entry's."""

from audit_ledger.service.life_signs import Payload, clock_rolled_back, payload
from shared_kernel.clock import Clock

TOLERANCE_US = 5_000_000
"""Clocks are corrected by fractions of a second; a larger step back is sealed."""


class SealingClock:
    """Knows the last entry's time, and whether it is sealed that the clock went back."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._last_us = 0
        self._is_telling = self._is_told = False

    def next_us(self) -> int:
        """Return the time of the next entry."""
        return max(self.clock.now_us(), self._last_us)

    def found(self, at_us: int) -> None:
        """Take note of the last entry's time in the database; what was about to be sealed may be lost."""
        self._last_us = max(at_us, self._last_us)
        self._is_telling = False

    def sealed(self, at_us: int) -> None:
        """Take note of the last entry's time once its batch is durable."""
        self._last_us = at_us
        self._is_told = self._is_told or self._is_telling
        self._is_telling = False

    def notice(self) -> Payload | None:
        """Return the entry `clock_rolled_back` for the next batch, once each time that the clock went back."""
        behind_us = self._last_us - self.clock.now_us()
        if behind_us <= 0:
            self._is_told = False
        if behind_us <= TOLERANCE_US or self._is_told:
            return None
        self._is_telling = True
        return payload(clock_rolled_back(self.clock, behind_us))
