"""Why somebody reads: the purposes that may be stated in `Access-Purpose`."""

from enum import StrEnum


class Purpose(StrEnum):
    """An accepted purpose; which role needs one is policy's business."""

    OUTAGE_INVESTIGATION = "outage-investigation"
    BILLING = "billing"
    AUDIT = "audit"
    NETWORK_PLANNING = "network-planning"
    INCIDENT_RESPONSE = "incident-response"


_ACCEPTED = frozenset(purpose.value for purpose in Purpose)


def is_accepted(stated: str | None) -> bool:
    """Whether a statement is one of the purposes; stating none is accepted, for policy decides who must."""
    return stated is None or stated in _ACCEPTED
