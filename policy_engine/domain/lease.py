"""When a process may decide by which published bundle: leases, measured by the database's clock.

A process reads the channel and learns d, the database's time. Any bundle it does not know yet begins to decide at
d + lease at the earliest. So until then it may go on, and after that it must not, unless it has read again.

Between two readings the process only bounds the database's time by its own steady clock, which ran from `asked` to
`answered` while d was taken, and since then drifted by at most DRIFT:

    earliest(now) = d + (now - answered)(1 - DRIFT)      latest(now) = d + (now - asked)(1 + DRIFT) + MARGIN

The old bundle decides while latest(now) < active_from, the new one from earliest(now) >= active_from on. Between them
nobody answers: questions wait, for about one round trip. All times are microseconds.
"""

from dataclasses import dataclass

DRIFT_PPM = 1_000
"""Twice what NTP may slew a clock by (500 ppm)."""
MARGIN_US = 2_000
_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Published:
    """A bundle of the channel, without its archive. `version` counts the publications."""

    version: int
    revision: str
    name: str
    sequence: int
    built_at_us: int
    published_by: str
    published_at_us: int
    active_from_us: int


@dataclass(frozen=True, slots=True)
class Reading:
    """What the channel held when it was read: the lease, and the two newest bundles, oldest first."""

    asked_us: int
    answered_us: int
    database_us: int
    lease_us: int
    bundles: tuple[Published, ...]

    def earliest(self, now_us: int) -> int:
        """Return the least that the database's clock may show at a moment of ours."""
        return self.database_us + (now_us - self.answered_us) * (_MILLION - DRIFT_PPM) // _MILLION

    def latest(self, now_us: int) -> int:
        """Return the most that it may show."""
        return self.database_us + -((self.asked_us - now_us) * (_MILLION + DRIFT_PPM) // _MILLION) + MARGIN_US

    def is_fresh(self, now_us: int) -> bool:
        """Tell whether no bundle that we do not know can have begun to decide."""
        return self.latest(now_us) < self.database_us + self.lease_us

    def due(self, now_us: int) -> int:
        """Return the version that decides now: 0 when none of the channel does yet."""
        return max((bundle.version for bundle in self.bundles if bundle.active_from_us <= self.earliest(now_us)),
                   default=0)

    def is_between(self, now_us: int) -> bool:
        """Tell whether a bundle may have begun to decide, or not: nobody may answer until that is certain."""
        return any(self.earliest(now_us) < bundle.active_from_us <= self.latest(now_us) for bundle in self.bundles)

    def steady_until(self, now_us: int) -> int:
        """Return the moment of ours until which neither freshness nor the version that is due can change."""
        ends = [self.database_us + self.lease_us,
                *(bundle.active_from_us for bundle in self.bundles if bundle.active_from_us > self.latest(now_us))]
        return self.asked_us + (min(ends) - MARGIN_US - self.database_us) * _MILLION // (_MILLION + DRIFT_PPM)

    def version(self, number: int) -> Published | None:
        """Return the bundle of a version, if it is one of the two."""
        return next((bundle for bundle in self.bundles if bundle.version == number), None)
