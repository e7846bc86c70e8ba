"""The entries by which a ledger says that it lives: started, heartbeat, stopped, and what went wrong."""

from audit_ledger.domain.canonical import payload_of
from audit_ledger.domain.columns import Columns, columns_of
from shared_kernel.clock import Clock
from shared_kernel.events import Event, security_event

Payload = tuple[bytes, Columns]
"""What the sequencer queues."""


def started(clock: Clock, origin: str, size: int) -> Event:
    """A process took the lead of a ledger that had `size` entries."""
    return security_event(clock, "ledger_started", category="process", types=("start",),
                          grid={"ledger": {"origin": origin, "size": size}})


def heartbeat(clock: Clock, size: int) -> Event:
    """Nothing happened, and the ledger would have sealed it: a cut tail shows by the age of the last entry."""
    return security_event(clock, "ledger_heartbeat", category="process", types=("info",),
                          grid={"ledger": {"size": size}})


def stopped(clock: Clock, origin: str) -> Event:
    """The last entry of a clean stop: a ledger that ends without it crashed, or was cut."""
    return security_event(clock, "ledger_stopped", category="process", types=("end",),
                          grid={"ledger": {"origin": origin}})


def lead_regained(clock: Clock, known: int, size: int) -> Event:
    """This process lost the lead and has it again; another one sealed among the entries from `known` up to `size`."""
    return security_event(clock, "ledger_lead_regained", category="process", types=("change",),
                          grid={"ledger": {"known": known, "size": size}})


def clock_rolled_back(clock: Clock, behind_us: int) -> Event:
    """The machine's clock stands before the last entry's time."""
    return security_event(clock, "clock_rolled_back", category="host", types=("change",), outcome="failure",
                          reason="the clock is behind the last entry: later times repeat that entry's",
                          grid={"ledger": {"behind_us": behind_us}})


def payload(event: Event) -> Payload:
    """Return an event as the sequencer queues it."""
    return payload_of(event), columns_of(event)
