"""Time that moves only when a test says so."""


class FrozenClock:
    """A clock that moves only when told to."""

    def __init__(self, at_us: int) -> None:
        """Stand still at `at_us`."""
        self.at_us = at_us

    def now_us(self) -> int:
        """Return the time last set."""
        return self.at_us

    def advance(self, seconds: float) -> None:
        """Move forward by `seconds`."""
        self.at_us += round(seconds * 1_000_000)
