"""What a policy may demand, by name; a decision that demands anything else, or that otherwise, is a *no*."""

from collections.abc import Mapping
from typing import Annotated

from msgspec import Meta

from shared_kernel.obligations import (
    MASK,
    NOTIFY,
    STEP_UP,
    WATERMARK,
    AggregateFloor,
    Demand,
    MalformedObligationError,
    Obligations,
    RowFilter,
    Text,
    Texts,
)


class StepUp(Demand, frozen=True):
    """How sure the caller must be made of: `acr` is a class of logins, `max_age` in seconds.

    A login must stay good for long enough to be used: whoever logs in again would be sent to log in again.
    """

    name = STEP_UP
    acr: Annotated[str, Meta(pattern=r"^[A-Za-z0-9:._/+-]{1,128}\Z")] | None = None
    max_age: Annotated[int, Meta(ge=30, le=366 * 86_400)] | None = None

    def __post_init__(self) -> None:
        """Refuse a demand for any login at all: the caller has one."""
        if self.acr is None and self.max_age is None:
            raise ValueError("name acr or max_age")


class Mask(Demand, frozen=True):
    """Columns to hide, each as the catalog says or by the mask named."""

    name = MASK
    columns: Texts | Annotated[dict[Text, Text], Meta(max_length=10_000)]


class Notify(Demand, frozen=True):
    """Somebody to tell, and of what."""

    name = NOTIFY
    whom: Text
    why: Text


class Watermark(Demand, frozen=True):
    """The answer says whose it is."""

    name = WATERMARK


_DEMANDS: Mapping[str, type[Demand]] = {
    each.name: each for each in (StepUp, Mask, RowFilter, AggregateFloor, Notify, Watermark)
}
KNOWN = frozenset(_DEMANDS)
"""Obligations this product carries out (XACML 3.0 section 7.18)."""


def refuse_malformed(obligations: Obligations) -> None:
    """Raise MalformedObligationError for an obligation nobody knows, or one whose parameters are not its own."""
    for name in obligations:
        if name not in _DEMANDS:
            raise MalformedObligationError(name, f"nobody knows it; known are {', '.join(sorted(KNOWN))}")
        _DEMANDS[name].of(obligations)
