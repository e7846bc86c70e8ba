"""Decisions of a moment ago: a policy is a function of question and bundle, so the same need not be asked again.

A decision is reused for as long as the policy says it may be (`ttl_s`), and never longer than a second.
"""

from policy_engine.domain.decision import Decision

REUSE_US = 1_000_000
MAX_KNOWN = 4_096


class KnownDecisions:
    """A small cache in front of an evaluator in this process."""

    def __init__(self) -> None:
        self._known: dict[bytes, tuple[int, Decision]] = {}

    def find(self, document: bytes, now_us: int) -> Decision | None:
        """Return the decision on exactly this question, while it may be reused."""
        known = self._known.get(document)
        return known[1] if known is not None and known[0] > now_us >= known[0] - REUSE_US else None

    def keep(self, document: bytes, decision: Decision, now_us: int) -> None:
        """Remember a decision that may be reused; one that must not be (`ttl_s` 0) is not kept."""
        if decision.ttl_s:
            if len(self._known) >= MAX_KNOWN:
                self._known.clear()
            self._known[document] = (now_us + REUSE_US, decision)

    def forget(self) -> None:
        """Drop everything: another bundle decides now."""
        self._known.clear()
