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
    failure_threshold: int = FAILURE_THRESHOLD
    recovery_us: int = RECOVERY_US
    success_threshold: int = SUCCESS_THRESHOLD

    def may_ask(self, now_us: int) -> bool:
        """Tell whether to ask now; half-open, only one caller at a time gets a yes."""
        if self.opened_at_us is None:
            return True
        if self.probing or now_us - self.opened_at_us < self.recovery_us:
            return False
        self.probing = True
        return True

    def succeeded(self) -> None:
        """Count an answer; the second in a row after an outage closes the breaker."""
        self.failures, self.probing = 0, False
        if self.opened_at_us is None:
            return
        self.successes += 1
        if self.successes >= self.success_threshold:
            self.opened_at_us, self.successes = None, 0

    def abandoned(self) -> None:
        """Forget a question whose asker left before there was an answer: it tells nothing of who was asked."""
        self.probing = False

    def failed(self, now_us: int) -> None:
        """Count a failure; the fifth in a row, or any while half-open, opens the breaker."""
        self.failures += 1
        self.successes, self.probing = 0, False
        if self.opened_at_us is not None or self.failures >= self.failure_threshold:
            self.opened_at_us = now_us
