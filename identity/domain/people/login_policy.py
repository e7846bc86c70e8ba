"""When a login is refused although somebody asks nicely."""

ATTEMPT_WINDOW_US = 15 * 60 * 1_000_000
MAX_ATTEMPTS = 10
"""Failures of one address on one account within the window; more are refused, from that address only (never a
lever to lock the owner out elsewhere)."""

REFUSED_RISK = 80
UNKNOWN_RISK = 100
"""A risk model that fails is no reason to let somebody in."""
