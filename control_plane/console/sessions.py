"""Console sessions: who is signed in in this browser, kept in memory; a restart only means a silent new sign-in.

The cookie holds a random id and nothing else; tokens never reach the browser.
"""

import asyncio
import hashlib
import hmac
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from shared_kernel.ids import secret

LIFETIME_S = 8 * 3600
SIGN_IN_LIFETIME_S = 15 * 60
MAX_SESSIONS = 10_000
MAX_STRANGERS = 2_000
MAX_FLOWS = 8


@dataclass(frozen=True, slots=True)
class Flow:
    """What a sign-in under way must find again when the provider answers."""

    verifier: str = field(repr=False)
    nonce: str = field(repr=False)
    then: str


@dataclass(slots=True)
class ConsoleSession:
    """One browser. `flows` are its sign-ins under way, by state; `tokens` are the person's own."""

    session_id: str = field(repr=False)
    expires_at: float
    flows: OrderedDict[str, Flow] = field(default_factory=OrderedDict, repr=False)
    tokens: dict[str, Any] = field(default_factory=dict, repr=False)
    person: dict[str, Any] = field(default_factory=dict)
    purpose: str = ""
    user_agent: str = "gridwarden-console"
    renewing: asyncio.Lock = field(default_factory=asyncio.Lock, repr=False)

    @property
    def is_signed_in(self) -> bool:
        """Tell whether somebody signed in here."""
        return bool(self.tokens)

    @property
    def form_token(self) -> str:
        """The value a form of this session must carry (CSRF)."""
        return hmac.digest(self.session_id.encode(), b"form", hashlib.sha256).hex()

    def accepts_form(self, token: str) -> bool:
        """Tell whether a form was ours."""
        return hmac.compare_digest(self.form_token.encode(), token.encode())

    def keep_flow(self, state: str, flow: Flow) -> None:
        """Remember a sign-in under way: one for each tab, the oldest give way."""
        self.flows[state] = flow
        while len(self.flows) > MAX_FLOWS:
            self.flows.popitem(last=False)


class ConsoleSessions:
    """Sessions by id. Strangers who only began to sign in are kept apart, so that a flood of them ends no session."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._strangers: OrderedDict[str, ConsoleSession] = OrderedDict()
        self._people: OrderedDict[str, ConsoleSession] = OrderedDict()

    def __len__(self) -> int:
        return len(self._strangers) + len(self._people)

    def start(self) -> ConsoleSession:
        """Return a fresh session of a stranger."""
        return _keep(self._strangers, ConsoleSession(secret(), self._now() + SIGN_IN_LIFETIME_S), MAX_STRANGERS)

    def find(self, session_id: str) -> ConsoleSession | None:
        """Return a session that has not expired."""
        session = self._people.get(session_id) or self._strangers.get(session_id)
        if session is not None and session.expires_at < self._now():
            self.end(session)
            return None
        return session

    def renew(self, session: ConsoleSession) -> ConsoleSession:
        """Return the session under a new id, so that an id known before sign-in is worth nothing after it."""
        self.end(session)
        session.session_id, session.expires_at = secret(), self._now() + LIFETIME_S
        return _keep(self._people, session, MAX_SESSIONS)

    def end(self, session: ConsoleSession) -> None:
        """Forget the session."""
        self._strangers.pop(session.session_id, None)
        self._people.pop(session.session_id, None)


def _keep(kept: OrderedDict[str, ConsoleSession], session: ConsoleSession, most: int) -> ConsoleSession:
    kept[session.session_id] = session
    while len(kept) > most:
        kept.popitem(last=False)
    return session
