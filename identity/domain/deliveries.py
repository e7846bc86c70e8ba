"""When a message that could not be delivered is tried again: soon, then ever more seldom, and at last no more."""

LEASE_US = 60_000_000
"""For how long one process has a message to itself."""

MAX_TRIES = 12
_FIRST_US = 5_000_000
_LONGEST_US = 3_600_000_000


def next_try_us(tries: int, now_us: int) -> int | None:
    """Return when to try again after `tries` failures, None for never: 5 s, 10 s ... an hour; over two hours in all."""
    return now_us + min(_FIRST_US << (tries - 1), _LONGEST_US) if tries < MAX_TRIES else None
