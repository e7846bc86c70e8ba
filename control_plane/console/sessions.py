"""Console sessions: who is signed in in this browser, kept in memory; a restart only means a silent new sign-in.

The cookie holds a random id and nothing else; tokens never reach the browser.
"""

import hashlib
import hmac
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from shared_kernel.ids import secret

LIFETIME_S = 8 * 3600
MAX_SESSIONS = 10_000


@dataclass(slots=True)
class ConsoleSession:
    """One browser. `flow` holds what a sign-in under way must find again; `tokens` are the person's own."""

    session_id: str
    expires_at: float
    flow: dict[str, str] = field(default_factory=dict)
    tokens: dict[str, Any] = field(default_factory=dict)
    person: dict[str, Any] = field(default_factory=dict)

    @property
    def form_token(self) -> str:
        """The value a form of this session must carry (CSRF)."""
        return hmac.digest(self.session_id.encode(), b"form", hashlib.sha256).hex()

    def accepts_form(self, token: str) -> bool:
        """Tell whether a form was ours."""
        return hmac.compare_digest(self.form_token, token)


class ConsoleSessions:
    """Sessions by id; the oldest give way when there are too many."""

    def __init__(self) -> None:
        self._sessions: OrderedDict[str, ConsoleSession] = OrderedDict()

    def start(self) -> ConsoleSession:
        """Return a fresh session."""
        session = ConsoleSession(secret(), time.monotonic() + LIFETIME_S)
        self._sessions[session.session_id] = session
        while len(self._sessions) > MAX_SESSIONS:
            self._sessions.popitem(last=False)
        return session

    def find(self, session_id: str) -> ConsoleSession | None:
        """Return a session that has not expired."""
        session = self._sessions.get(session_id)
        if session is None or session.expires_at < time.monotonic():
            self._sessions.pop(session_id, None)
            return None
        return session

    def renew(self, session: ConsoleSession) -> ConsoleSession:
        """Return the session under a new id, so that an id known before sign-in is worth nothing after it."""
        self._sessions.pop(session.session_id, None)
        session.session_id = secret()
        self._sessions[session.session_id] = session
        return session

    def end(self, session: ConsoleSession) -> None:
        """Forget the session."""
        self._sessions.pop(session.session_id, None)
