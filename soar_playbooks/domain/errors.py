"""What the response refuses, and what the caller can do about it."""

from shared_kernel.errors import (
    ConflictError,
    ForbiddenError,
    InvalidInputError,
    NotFoundError,
    UnavailableError,
    UnprocessableError,
)


class PlaybookError(InvalidInputError):
    """A playbook's text is wrong; `place` says where."""

    def __init__(self, place: str, problem: str) -> None:
        super().__init__(f"{place}: {problem}")
        self.place = place


class UnknownPlaybookError(NotFoundError):
    """No playbook of that name can run."""

    def __init__(self, name: str, problem: str | None = None) -> None:
        why = f"its file is broken: {problem}" if problem else "GET /api/v1/playbooks lists them"
        super().__init__(f"there is no playbook {name!r} that can run; {why}")
        self.name = name


class UnknownRunError(NotFoundError):
    """No such run."""

    def __init__(self, run_id: str) -> None:
        super().__init__(f"there is no playbook run {run_id!r}: GET /api/v1/playbooks/runs lists them")


class NotForPeopleError(ForbiddenError):
    """Alerts start this one, and people of certain roles if it names any."""

    def __init__(self, name: str, roles: frozenset[str]) -> None:
        who = f"alerts and by {', '.join(sorted(roles))}" if roles else "alerts only"
        super().__init__(f"the playbook {name!r} is started by {who}: start.people in it says so")


class TooManyTargetsError(UnprocessableError):
    """The blast radius is exceeded."""

    def __init__(self, found: int, allowed: int) -> None:
        super().__init__(f"{found} targets are more than the {allowed} one run may touch: a human must choose")


class SwitchedOffError(ConflictError):
    """The kill switch is on."""

    def __init__(self, scope: str) -> None:
        super().__init__(f"the kill switch {scope!r} is on, so nothing runs: switch it off first")
        self.scope = scope


class OwnApprovalError(ForbiddenError):
    """The requester tried to approve."""

    def __init__(self) -> None:
        super().__init__("whoever asked for this run may not approve it: another person must")


class NotAPersonError(ForbiddenError):
    """A service tried to decide."""

    def __init__(self) -> None:
        super().__init__("an approval is a person's decision: sign in as one")


class AlreadyDecidedError(ConflictError):
    """The approval is no longer pending."""

    def __init__(self, state: str) -> None:
        super().__init__(f"this run waits for no approval: it is {state}")
        self.state = state


class PlanChangedError(ConflictError):
    """The approval was given for another plan."""

    def __init__(self) -> None:
        super().__init__("the plan is not the one this approval names: read the run again")


class LeaseLostError(ConflictError):
    """Another worker holds the run now; this one must not write."""

    def __init__(self, run_id: str) -> None:
        super().__init__(f"the run {run_id} is held by another worker")


class StoreUnavailableError(UnavailableError):
    """The playbook tables do not answer."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__(f"the playbook tables do not answer ({type(cause).__name__}): retry later")
