"""Decisions of a moment ago: a policy is a function of what it reads and of the bundle, so it need not be asked again.

The key is exactly the part of the question that was shown to the policy. A decision is reused for as long as the
policy says it may be (`ttl_s`; not at all while the risk is elevated), and for at most a minute; all are dropped when
another bundle decides, and a subject's when anything about that subject is revoked.
"""

from collections import defaultdict
from dataclasses import replace
from typing import Any

import orjson

from policy_engine.domain.decision import Decision

LONGEST_S = 60
MAX_KNOWN = 16_384


class KnownDecisions:
    """A small cache in front of an evaluator in this process."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, bytes], tuple[int, int, Decision, bytes]] = {}
        self._keys: defaultdict[str, set[bytes]] = defaultdict(set)
        self.generation = 0

    def find(self, subject_id: str, seen: bytes, now_us: int, *, digest: str,
             bundle_age_s: int | None = None) -> Decision | None:
        """Return the decision on what the policy sees of a question, as one on the question of this digest."""
        known = self._known.get((subject_id, seen))
        if known is None or not known[0] <= now_us < known[1]:
            return None
        return replace(known[2], digest=digest, bundle_age_s=bundle_age_s, obligations=_copied(known[3]))

    def keep(self, subject_id: str, seen: bytes, decision: Decision, now_us: int, *, generation: int) -> None:
        """Remember a decision that may be reused, unless something was forgotten since it was asked (`generation`)."""
        if not decision.ttl_s or generation != self.generation:
            return
        if len(self._known) >= MAX_KNOWN:
            self._drop(*next(iter(self._known)))
        until_us = now_us + min(decision.ttl_s, LONGEST_S) * 1_000_000
        self._known[subject_id, seen] = now_us, until_us, decision, orjson.dumps(decision.obligations)
        self._keys[subject_id].add(seen)

    def forget_subject(self, subject_id: str) -> None:
        """Drop what is known of a subject: a session, a role or an account of theirs is no longer what it was."""
        self.generation += 1
        for seen in self._keys.pop(subject_id, ()):
            self._known.pop((subject_id, seen), None)

    def forget(self) -> None:
        """Drop everything: another bundle decides now, or nobody can tell whose decisions no longer hold."""
        self.generation += 1
        self._known.clear()
        self._keys.clear()

    def _drop(self, subject_id: str, seen: bytes) -> None:
        del self._known[subject_id, seen]
        self._keys[subject_id].discard(seen)
        if not self._keys[subject_id]:
            del self._keys[subject_id]


def _copied(obligations: bytes) -> dict[str, Any]:
    """Return obligations that their holder may change without changing anybody else's."""
    found: dict[str, Any] = orjson.loads(obligations)
    return found
