"""How a try to log in ends: with a session, or with a further step that is due."""

from dataclasses import dataclass, field

from identity.domain.opaque import Opaque
from identity.domain.records import Session


@dataclass(frozen=True, slots=True)
class Visit:
    """The browser at the door, by its cookies' texts: the session it has, the device it says it is."""

    session: str | None = field(default=None, repr=False)
    device: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """The person is in: the new session with its cookie, and the cookie by which the device is known."""

    cookie: Opaque
    session: Session
    device: Opaque


@dataclass(frozen=True, slots=True)
class StepDue:
    """The password was right and a second factor is due; until then the browser is nobody.

    `methods` are those the person can choose from: `totp`, `passkey`, `recovery`, `mail`.
    """

    cookie: Opaque
    methods: tuple[str, ...]


LoginOutcome = SignedIn | StepDue
