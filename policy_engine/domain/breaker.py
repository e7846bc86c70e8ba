"""The circuit breaker: after 5 failures in a row nobody is asked for 60 s; 2 successes close it again."""

from dataclasses import dataclass, field

FAILURE_THRESHOLD = 5
RECOVERY_US = 60_000_000
SUCCESS_THRESHOLD = 2


@dataclass(slots=True)
class Breaker:
    """Closed (asks), open (does not), half-open (lets one question through at a time)."""

    failures: int = 0
    successes: int = 0
    opened_at_us: int | None = None
    probing: bool = field(default=False)

    def may_ask(self, now_us: int) -> bool:
        """Tell whether to ask now; half-open, only one caller at a time gets a yes."""
        if self.opened_at_us is None:
            return True
        if self.probing or now_us - self.opened_at_us < RECOVERY_US:
            return False
        self.probing = True
        return True

    def succeeded(self) -> None:
        """Count an answer; the second in a row after an outage closes the breaker."""
        self.failures, self.probing = 0, False
        if self.opened_at_us is None:
            return
        self.successes += 1
        if self.successes >= SUCCESS_THRESHOLD:
            self.opened_at_us, self.successes = None, 0

    def failed(self, now_us: int) -> None:
        """Count a failure; the fifth in a row, or any while half-open, opens the breaker."""
        self.failures += 1
        self.successes, self.probing = 0, False
        if self.opened_at_us is not None or self.failures >= FAILURE_THRESHOLD:
            self.opened_at_us = now_us
