"""Events that others send us (RFC 8417, SSF 1.0, CAEP 1.0, RISC 1.0): whom we believe, about whom, and what follows.

Steps: 1 a trusted issuer, 2 meant for us, 3 an id, 4 issued in a time that can be, 5 exactly one event, 6 a subject.
What an event claims beyond its type is never taken over: it only takes away.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from identity.domain.signals.subjects import well_formed_subject
from shared_kernel.errors import InvalidInputError

MAX_AGE_S, MAX_AHEAD_S = 7 * 86_400, 60
MAX_JTI = 256
_CAEP = "https://schemas.openid.net/secevent/caep/event-type/"
_RISC = "https://schemas.openid.net/secevent/risc/event-type/"
_LESSENED = frozenset({"revoke", "update", "delete"})


class Effect(StrEnum):
    """What an event about a person does here."""

    NOTHING = "nothing"
    END_SESSIONS = "end_sessions"
    LOCK = "lock"


class Names(StrEnum):
    """What a transmitter's `sub` is here."""

    NAME = "name"
    ID = "id"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class TrustedTransmitter:
    """Somebody whose events take effect: their keys' address, what they call us, and what their `sub` is here."""

    issuer: str
    audience: str
    jwks_uri: str
    subjects: Names = Names.NONE


@dataclass(frozen=True, slots=True)
class ReceivedEvent:
    """One event, checked."""

    issuer: str
    token_id: str
    kind: str
    effect: Effect
    subject: Mapping[str, Any]
    reason: str


class RefusedSetError(InvalidInputError):
    """A security event token that cannot be used; `code` is RFC 8935's (section 2.4)."""

    def __init__(self, code: str, why: str) -> None:
        super().__init__(why)
        self.code = code


def read_event(claims: Mapping[str, Any], trusted: TrustedTransmitter, now_s: int) -> ReceivedEvent:
    """Return the event of a token whose signature was checked; raise RefusedSetError."""
    audience = claims.get("aud")
    if trusted.audience not in (audience if isinstance(audience, list) else [audience]):
        raise RefusedSetError("invalid_audience", f"the token is not for {trusted.audience}")
    token_id, issued_at_s = claims.get("jti"), claims.get("iat")
    if not isinstance(token_id, str) or not 0 < len(token_id) <= MAX_JTI:
        raise RefusedSetError("invalid_request", f"jti must be a text of at most {MAX_JTI} characters")
    if not isinstance(issued_at_s, int | float) or not now_s - MAX_AGE_S <= issued_at_s <= now_s + MAX_AHEAD_S:
        raise RefusedSetError("invalid_request", "iat is missing, more than seven days ago, or in the future")
    events = claims.get("events")
    if not isinstance(events, dict) or len(events) != 1:
        raise RefusedSetError("invalid_request", "events must hold exactly one event (SSF 1.0 section 4.1.4)")
    [(kind, payload)] = events.items()
    if not isinstance(payload, dict):
        raise RefusedSetError("invalid_request", "the event must be an object")
    effect = effect_of(kind, payload)
    subject = {} if effect is Effect.NOTHING else _subject(claims, payload)
    return ReceivedEvent(trusted.issuer, token_id, kind, effect, subject, _reason(payload, kind))


def effect_of(kind: str, payload: Mapping[str, Any]) -> Effect:
    """Return what an event does; one we do not know does nothing (RFC 8417 section 2.2)."""
    found = _EFFECTS.get(kind, Effect.NOTHING)
    if found is Effect.END_SESSIONS and kind in _ONLY_IF:
        member, values = _ONLY_IF[kind]
        return found if payload.get(member) in values else Effect.NOTHING
    return found


_EFFECTS: Mapping[str, Effect] = {
    f"{_CAEP}session-revoked": Effect.END_SESSIONS,
    f"{_CAEP}credential-change": Effect.END_SESSIONS,
    f"{_CAEP}device-compliance-change": Effect.END_SESSIONS,
    f"{_CAEP}risk-level-change": Effect.END_SESSIONS,
    f"{_CAEP}assurance-level-change": Effect.END_SESSIONS,
    f"{_RISC}sessions-revoked": Effect.END_SESSIONS,
    f"{_RISC}account-credential-change-required": Effect.END_SESSIONS,
    f"{_RISC}credential-compromise": Effect.END_SESSIONS,
    f"{_RISC}account-disabled": Effect.LOCK,
    f"{_RISC}account-purged": Effect.LOCK,
}
_ONLY_IF: Mapping[str, tuple[str, frozenset[str]]] = {
    f"{_CAEP}credential-change": ("change_type", _LESSENED),
    f"{_CAEP}device-compliance-change": ("current_status", frozenset({"not-compliant"})),
    f"{_CAEP}risk-level-change": ("current_level", frozenset({"HIGH"})),
    f"{_CAEP}assurance-level-change": ("change_direction", frozenset({"decrease"})),
}
"""Event -> the member that decides, and the values at which sessions end."""


def _subject(claims: Mapping[str, Any], payload: Mapping[str, Any]) -> Mapping[str, Any]:
    """`sub_id` of the token; RISC's older transmitters put a `subject` into the event."""
    try:
        return well_formed_subject(claims.get("sub_id", payload.get("subject")))
    except InvalidInputError as cause:
        raise RefusedSetError("invalid_request", cause.detail) from cause


def _reason(payload: Mapping[str, Any], kind: str) -> str:
    told = payload.get("reason_admin")
    text = next(iter(told.values()), "") if isinstance(told, dict) and told else ""
    shown = "".join(char for char in str(text) if char.isprintable())[:200]
    return shown or kind.rpartition("/")[2]
