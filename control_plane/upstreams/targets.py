"""The targets of one service: whom to ask next, who is left alone for now, how many repetitions are bearable."""

from collections import deque
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field

from prometheus_client import Counter, Gauge

from control_plane.upstreams.plan import Address, Service
from policy_engine.domain.breaker import Breaker
from shared_kernel.clock import Clock

ATTEMPTS = Counter("gridwarden_upstream_attempts_total", "Requests sent to targets, by how they ended",
                   ["service", "outcome"])
RETRIES = Counter("gridwarden_upstream_retries_total", "Requests sent once more", ["service"])
_open = Gauge("gridwarden_upstream_breakers_open", "Targets that are left alone for a while", ["service"])
_known = Gauge("gridwarden_upstream_targets", "Targets that are known", ["service"])

WINDOW_US = 10_000_000
FLOOR = 3
"""So many repetitions a window are bearable whatever the traffic: a share of little is nothing."""
_SECOND_US = 1_000_000


@dataclass(slots=True, eq=False)
class Target:
    """One place that serves; `outstanding` requests are with it now."""

    address: Address
    breaker: Breaker
    outstanding: int = 0


@dataclass(slots=True)
class Attempt:
    """One request with one target, from the choice to its end; tell how it went once, and `end` it always.

    What began before the breaker opened tells nothing of how the target is now: only probes count then.
    """

    target: Target
    clock: Clock
    service: str
    is_probe: bool
    is_settled: bool = field(default=False)

    def succeeded(self) -> None:
        """Count an answer."""
        self._settle("answered", lambda breaker: breaker.succeeded())

    def failed(self, outcome: str) -> None:
        """Count a failure: no connection, no answer in time, a broken one, or a 5xx."""
        self._settle(outcome, lambda breaker: breaker.failed(self.clock.now_us()))

    def end(self) -> None:
        """Let the target go; an attempt that nobody settled was left by its asker."""
        self._settle("left", lambda breaker: breaker.abandoned() if self.is_probe else None)
        self.target.outstanding -= 1

    def _settle(self, outcome: str, tell: Callable[[Breaker], None]) -> None:
        if self.is_settled:
            return
        self.is_settled = True
        ATTEMPTS.labels(self.service, outcome).inc()
        if self.is_probe or self.target.breaker.opened_at_us is None:
            tell(self.target.breaker)


class Targets:
    """All targets of a service; replaced as discovery tells, those that stay keep their breakers."""

    def __init__(self, name: str, service: Service, clock: Clock, addresses: Iterable[Address] = ()) -> None:
        self._service, self._rule, self._most, self._clock = name, service.breaker, service.max_connections, clock
        self._targets: list[Target] = []
        self._turn = 0
        self.replace(addresses)

    @property
    def addresses(self) -> tuple[Address, ...]:
        """Who is known."""
        return tuple(target.address for target in self._targets)

    def replace(self, addresses: Iterable[Address]) -> None:
        """Know these from now on."""
        known = {target.address: target for target in self._targets}
        self._targets = [known.get(address) or Target(address, self._breaker())
                         for address in dict.fromkeys(addresses)]
        _known.labels(self._service).set(len(self._targets))

    def choose(self, tried: Collection[Target] = (), *, others_only: bool = False) -> Attempt | None:
        """Return an attempt with the least busy target that may be asked, in turn among equals; None for nobody.

        Those that were tried come last, or not at all. A service that is asked as often as it may be now is nobody's
        to wait for: waiting would look like its slowness.
        """
        now_us, size = self._clock.now_us(), len(self._targets)
        if sum(target.outstanding for target in self._targets) >= self._most:
            return None
        self._turn += 1
        order = [self._targets[(self._turn + n) % size] for n in range(size)]
        order.sort(key=lambda target: (target in tried, target.outstanding))
        _open.labels(self._service).set(sum(target.breaker.opened_at_us is not None for target in order))
        for target in order:
            if others_only and target in tried:
                break
            is_probe = target.breaker.opened_at_us is not None
            if target.breaker.may_ask(now_us):
                target.outstanding += 1
                return Attempt(target, self._clock, self._service, is_probe)
        return None

    def retry_after_s(self) -> int:
        """Return after how many seconds a target may be asked again."""
        now_us = self._clock.now_us()
        waits = [target.breaker.opened_at_us + target.breaker.recovery_us - now_us for target in self._targets
                 if target.breaker.opened_at_us is not None]
        return max(1, -(-min(waits) // _SECOND_US)) if waits else 1

    def _breaker(self) -> Breaker:
        return Breaker(failure_threshold=self._rule.failures, recovery_us=int(self._rule.open_s * _SECOND_US),
                       success_threshold=self._rule.successes)


class RetryBudget:
    """Bounds repetitions to a share of the last ten seconds' requests: a storm of them is an outage of its own."""

    def __init__(self, percent: int, clock: Clock) -> None:
        self._percent, self._clock = percent, clock
        self._requests: deque[int] = deque()
        self._retries: deque[int] = deque()

    def asked(self) -> None:
        """Count a request."""
        self._recent(self._requests).append(self._clock.now_us())

    def take(self) -> bool:
        """Tell whether one more repetition is bearable, and count it."""
        retries = self._recent(self._retries)
        if len(retries) >= FLOOR + len(self._recent(self._requests)) * self._percent // 100:
            return False
        retries.append(self._clock.now_us())
        return True

    def _recent(self, moments: deque[int]) -> deque[int]:
        since = self._clock.now_us() - WINDOW_US
        while moments and moments[0] <= since:
            moments.popleft()
        return moments
