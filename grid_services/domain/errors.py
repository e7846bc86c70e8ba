"""Refusals of the data path, each with its remedy."""

from shared_kernel.errors import ConflictError, ForbiddenError, InvalidInputError, UnavailableError, UnprocessableError


class WrongIdentifierError(InvalidInputError):
    """A name that can name nothing here."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} must be 1 to 64 of the characters A-Z a-z 0-9 . _ : -")


class RefusedReadingError(UnprocessableError):
    """A reading that breaks a rule."""

    kind = "invalid-reading"

    def __init__(self, reason: str) -> None:
        super().__init__(f"the reading is refused: {reason}")


class ConflictingReadingError(ConflictError):
    """An event_id that was used for another reading."""

    kind = "event-id-conflict"

    def __init__(self, event_id: str) -> None:
        super().__init__(f"event_id {event_id!r} was used for another reading: send a new event_id")


class MeterQuarantinedError(ForbiddenError):
    """A meter nobody trusts at present."""

    kind = "meter-quarantined"

    def __init__(self, meter_id: str, reason: str) -> None:
        super().__init__(f"meter {meter_id} is quarantined ({reason}): an operator must release it first")


class SingleHouseholdError(ForbiddenError):
    """One household was asked for where only sums over several may be seen."""

    def __init__(self, n: int) -> None:
        super().__init__(f"you may see sums over {n} households or more, not one: ask without meter_id")


class TelemetryDownError(UnavailableError):
    """The telemetry's database."""

    def __init__(self) -> None:
        super().__init__("the telemetry database does not answer: nothing was stored, send the same event_ids again")
