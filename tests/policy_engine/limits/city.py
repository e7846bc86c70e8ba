"""A limiter with a ledger in a list."""

from collections.abc import Sequence

from policy_engine.domain.limits.buckets import OwnBuckets
from policy_engine.domain.limits.gcra import Quota
from policy_engine.domain.limits.rules import By, Rule
from policy_engine.service.limits import Limiter
from shared_kernel.clock import Clock
from shared_kernel.context import RequestContext
from shared_kernel.events import Event, Receipt
from shared_kernel.principal import Principal, PrincipalKind

VERA = Principal("u-vera", "vera", PrincipalKind.PERSON, client_id="console")
OLTA = Principal("u-olta", "olta", PrincipalKind.PERSON, client_id="console")


class Ledger:
    """Keeps what was sealed."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    async def record(self, event: Event) -> Receipt:
        self.events.append(event)
        return Receipt(len(self.events), b"")


def three(by: By, name: str = "few", *, actions: frozenset[str] | None = None, each_action: bool = False,
          this_machine_too: bool = False) -> Rule:
    """Return a rule of three requests at once, one a second."""
    return Rule(name, by, Quota(1, 3), actions, each_action=each_action, this_machine_too=this_machine_too)


def limiter(rules: Sequence[Rule], clock: Clock, ledger: Ledger | None = None) -> Limiter:
    """Return a limiter."""
    return Limiter(rules, OwnBuckets(), ledger or Ledger(), clock)


def context() -> RequestContext:
    """Return the context of any request."""
    return RequestContext("r-1", source_ip="203.0.113.9")
