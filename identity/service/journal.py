"""What identity tells the ledger, before anything takes effect: one ECS document a fact.

`user` is who acted, `user.target` on whom; OAuth details stand under `grid.oauth`. Never a secret, never a token.
"""

from collections.abc import Mapping
from typing import Any

from identity.domain.records import User
from shared_kernel.clock import Clock
from shared_kernel.context import RequestContext
from shared_kernel.events import Recorder, security_event
from shared_kernel.principal import Principal

ACTIONS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "user_login": ("authentication", ("start",)),
    "user_logout": ("authentication", ("end",)),
    "token_issued": ("session", ("start",)),
    "token_exchanged": ("session", ("start",)),
    "device_code_allowed": ("session", ("start",)),
    "device_code_denied": ("session", ("end",)),
    "token_refused": ("authentication", ("info",)),
    "token_revoked": ("session", ("end",)),
    "code_replayed": ("authentication", ("info",)),
    "refresh_replayed": ("authentication", ("info",)),
    "sessions_revoked": ("session", ("end",)),
    "account_locked": ("iam", ("user", "change")),
    "account_unlocked": ("iam", ("user", "change")),
    "user_created": ("iam", ("user", "creation")),
    "role_granted": ("iam", ("user", "change")),
    "role_revoked": ("iam", ("user", "change")),
    "account_registered": ("iam", ("user", "creation")),
    "email_verified": ("iam", ("user", "change")),
    "user_updated": ("iam", ("user", "change")),
    "user_deleted": ("iam", ("user", "deletion")),
    "password_changed": ("iam", ("user", "change")),
    "password_mailed": ("iam", ("user", "change")),
    "session_revoked": ("session", ("end",)),
    "device_forgotten": ("iam", ("user", "change")),
    "consent_revoked": ("iam", ("user", "change")),
    "role_created": ("iam", ("group", "creation")),
    "role_updated": ("iam", ("group", "change")),
    "role_deleted": ("iam", ("group", "deletion")),
    "client_created": ("iam", ("admin", "creation")),
    "step_up": ("authentication", ("info",)),
    "new_device": ("authentication", ("info",)),
    "impossible_travel": ("authentication", ("info",)),
    "factor_refused": ("authentication", ("info",)),
    "factor_added": ("iam", ("user", "change")),
    "factor_removed": ("iam", ("user", "change")),
    "factor_renamed": ("iam", ("user", "change")),
    "recovery_codes_made": ("iam", ("user", "change")),
    "client_updated": ("iam", ("admin", "change")),
    "client_deleted": ("iam", ("admin", "deletion")),
    "initial_access_token_made": ("iam", ("admin", "creation")),
    "initial_access_token_revoked": ("iam", ("admin", "deletion")),
    "backchannel_logout_sent": ("session", ("end",)),
    "signal_stream_changed": ("configuration", ("change",)),
    "signal_received": ("session", ("info",)),
    "userinfo_read": ("iam", ("user", "info")),
    "keys_rotated": ("configuration", ("change",)),
    "key_source_lost": ("configuration", ("error",)),
    "key_source_found": ("configuration", ("info",)),
    "consent_granted": ("iam", ("user", "change")),
}

Fields = Mapping[str, Any]


class Journal:
    """Writes identity's events through the recorder; raises UnavailableError when they cannot be sealed."""

    def __init__(self, recorder: Recorder, clock: Clock) -> None:
        self._recorder = recorder
        self._clock = clock

    async def seal(self, action: str, *, context: RequestContext | None = None,  # noqa: PLR0913 - an event's parts
                   user: Fields | None = None, reason: str | None = None, outcome: str = "success",
                   grid: Fields | None = None) -> None:
        """Seal one event; `user` replaces the principal of the context."""
        category, types = ACTIONS[action]
        sections: dict[str, Any] = {"grid": dict(grid)} if grid else {}
        event = security_event(self._clock, action, category=category, types=types, outcome=outcome, reason=reason,
                               context=context, **sections)
        if user is not None:
            event["user"] = dict(user)
        await self._recorder.record(event)


def described(user: User) -> dict[str, Any]:
    """Return a person as an event names one."""
    return {"id": user.id, "name": user.name, "roles": sorted(user.roles)}


def acting(by: str | Principal, target: User | None = None, **changes: object) -> dict[str, Any]:
    """Return `user` with who acted, on whom, and what became different."""
    found: dict[str, Any] = {"id": by, "name": by} if isinstance(by, str) else {
        "id": by.subject, "name": by.name, "roles": sorted(by.roles)}
    if target is not None:
        found["target"] = described(target)
    if changes:
        found["changes"] = changes
    return found
