"""Who hears of what: a change reaches the memories of identity and policy first, then the streams that rest on it."""

from dataclasses import dataclass
from functools import partial

from control_plane.continuous.changes import Changes
from control_plane.continuous.streams import Streams
from control_plane.continuous.suspicion import TOPIC as RISK
from control_plane.continuous.suspicion import Suspicion
from identity.service import IdentityProvider
from policy_engine.service import PolicyEngine
from shared_kernel.clock import Clock


@dataclass(frozen=True, slots=True)
class Verification:
    """What keeps judging after a request was let in."""

    streams: Streams
    suspicion: Suspicion


@dataclass(frozen=True, slots=True)
class Reactions:
    """What this process does about changes, its own and those of others."""

    identity: IdentityProvider
    policy: PolicyEngine
    verification: Verification
    clock: Clock

    def listen(self, changes: Changes) -> None:
        """Subscribe to every topic."""
        changes.when("grant", self._grant)
        for topic in ("session", "subject", "client"):
            changes.when(topic, partial(self._wider, topic))
        changes.when(RISK, self._risk)
        changes.when_missed(self._missed)

    def _grant(self, grant_id: str) -> None:
        self.identity.forget_grant(grant_id)
        self.policy.forget()
        self.verification.streams.changed("grant", grant_id)

    def _wider(self, topic: str, key: str) -> None:
        """A person, session or client has many grants: all are asked about again."""
        self.identity.forget_all()
        if topic == "subject":
            self.policy.forget_subject(key)
        else:
            self.policy.forget()
        self.verification.streams.changed(topic, key)

    def _risk(self, key: str) -> None:
        grant_id = self.verification.suspicion.heard(key, self.clock.now_us())
        self.verification.streams.changed("grant", grant_id)

    def _missed(self) -> None:
        self.identity.forget_all()
        self.policy.forget()
        self.verification.streams.missed()
