"""The ways a service lets a request down, as its caller is told: never with the service's own words."""

from typing import ClassVar

from shared_kernel.errors import GridwardenError, InvalidInputError, UnavailableError


class NoTargetError(UnavailableError):
    """Nobody can be asked now; nothing was done."""

    def __init__(self, service: str, retry_after_s: int = 1) -> None:
        super().__init__(f"the service {service} cannot be asked now, and nothing was done: retry later")
        self.retry_after_s = max(retry_after_s, 1)


class BadAnswerError(GridwardenError):
    """The service answered what is no answer, or broke off (502): whether it did its work is not known."""

    kind: ClassVar[str] = "bad-gateway"

    def __init__(self, service: str, why: str) -> None:
        super().__init__(f"the service {service} did not answer properly ({why}); it may have done its work")
        self.why = why


class TooSlowError(GridwardenError):
    """The service did not answer in time (504): whether it did its work is not known."""

    kind: ClassVar[str] = "gateway-timeout"

    def __init__(self, service: str) -> None:
        super().__init__(f"the service {service} did not answer in time; it may have done its work")


class SlowClientError(GridwardenError):
    """The request's body did not arrive in the time the route gives (408): the service is not to blame."""

    kind: ClassVar[str] = "request-timeout"

    def __init__(self) -> None:
        super().__init__("the request's body did not arrive in time: send it faster, or less of it")


class CutOffError(BadAnswerError):
    """An answer that had begun could not be finished: the connection to the client is closed."""


class UnusableQueryError(InvalidInputError):
    """The query holds bytes that belong into no query."""

    def __init__(self) -> None:
        super().__init__("the query string holds characters that must be percent-encoded")
