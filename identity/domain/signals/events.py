"""What happened, as CAEP 1.0 says it: the event types, their details, and who set it off.

Every event tells administrators why (`reason_admin`), as the CAEP Interoperability Profile demands (3.1, 3.2).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

_CAEP = "https://schemas.openid.net/secevent/caep/event-type/"
_SSF = "https://schemas.openid.net/secevent/ssf/event-type/"
SESSION_REVOKED = f"{_CAEP}session-revoked"
CREDENTIAL_CHANGE = f"{_CAEP}credential-change"
TOKEN_CLAIMS_CHANGE = f"{_CAEP}token-claims-change"
VERIFICATION = f"{_SSF}verification"
STREAM_UPDATED = f"{_SSF}stream-updated"

SUPPORTED = (SESSION_REVOKED, CREDENTIAL_CHANGE, TOKEN_CLAIMS_CHANGE)
"""What a receiver may request; the two events about a stream itself need no request (SSF 1.0 8.1.4, 8.1.5)."""


class Initiator(StrEnum):
    """Who set it off (CAEP 1.0 section 2)."""

    ADMIN = "admin"
    USER = "user"
    POLICY = "policy"
    SYSTEM = "system"


class Credential(StrEnum):
    """What kind of credential changed (CAEP 1.0 3.3.1; the last two are ours)."""

    PASSWORD = "password"  # noqa: S105 - the name of a kind
    PASSKEY = "fido2-platform"
    SECURITY_KEY = "fido2-roaming"
    APP = "app"
    RECOVERY_CODES = "recovery-codes"
    EMAIL = "verified-email"


class Change(StrEnum):
    """What became of it (CAEP 1.0 3.3.1)."""

    CREATE = "create"
    REVOKE = "revoke"
    UPDATE = "update"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Signal:
    """One event about a person; with `session_id` it is about that one session of theirs, without about all."""

    kind: str
    reason: str
    initiator: Initiator
    details: Mapping[str, Any] = field(default_factory=dict)
    session_id: str | None = None

    def to_event(self, at_us: int) -> dict[str, Any]:
        """Return the event's payload; times are whole seconds."""
        return {**self.details, "event_timestamp": at_us // 1_000_000, "initiating_entity": str(self.initiator),
                "reason_admin": {"en": self.reason}}


def session_revoked(reason: str, initiator: Initiator, session_id: str | None = None) -> Signal:
    """A session ended, or all of a person's (CAEP 1.0 3.1)."""
    return Signal(SESSION_REVOKED, reason, initiator, session_id=session_id)


def credential_changed(credential: Credential, change: Change, initiator: Initiator, *,
                       name: str | None = None, aaguid: str | None = None) -> Signal:
    """A password, passkey, app or set of codes came, changed or went (CAEP 1.0 3.3)."""
    given = {"friendly_name": name, "fido2_aaguid": aaguid}
    details = {"credential_type": str(credential), "change_type": str(change),
               **{key: value for key, value in given.items() if value}}
    return Signal(CREDENTIAL_CHANGE, f"{credential}: {change}", initiator, details)


def roles_changed(roles: frozenset[str], initiator: Initiator) -> Signal:
    """What a person may do became different: the roles of tokens from now on (CAEP 1.0 3.2)."""
    return Signal(TOKEN_CLAIMS_CHANGE, "the roles of this person changed", initiator,
                  {"claims": {"roles": sorted(roles)}})
