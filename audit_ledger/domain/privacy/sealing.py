"""Sealed fields: personal values leave the event for a box that only the person's key opens.

    grid.sealed = {"key": commitment, "fields": [path ...], "box": base64( nonce || AES-256-GCM( {path: value ...} ) )}
    commitment  = base64url( SHA-256( "gridwarden/sealed-key/v1" || 0x00 || key ) ),    associated data = event.id

AES-GCM does not commit to its key (Dodis, Grubbs, Ristenpart, Woodage 2018: one box may open under two keys); the
commitment, which the chain hashes, does. Boxes of people the event is about, not by, stand in `grid.sealed.others`.
Random nonces allow 2^32 boxes a key (NIST SP 800-38D, 8.3): more than one person's entries. A key at rest is wrapped
(RFC 3394), so that the database alone opens nothing.
"""

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Self

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from audit_ledger.domain.c2sp.note import strict_base64
from audit_ledger.domain.canonical import payload_of
from audit_ledger.domain.errors import MalformedNoteError, RefusedEventError
from audit_ledger.domain.privacy.personal import ERASED, TEXTS, Share, restored, without
from shared_kernel.clock import to_iso
from shared_kernel.events import Event

KEY_BYTES, NONCE_BYTES = 32, 12
_COMMITTED = b"gridwarden/sealed-key/v1\0"
_ABSENT: dict[str, Any] = {}


@dataclass(frozen=True, slots=True)
class SubjectKey:
    """A person's key, ready for use, under the name that commits to it."""

    commitment: str
    cipher: AESGCM

    @classmethod
    def of(cls, secret: bytes) -> Self:
        """Return the key of these 32 bytes."""
        return cls(commitment_of(secret), AESGCM(secret))


@dataclass(frozen=True, slots=True)
class Erased:
    """The key was destroyed, and an entry of the ledger says so."""

    at_us: int


@dataclass(frozen=True, slots=True)
class Unreadable:
    """The key is not there or not the right one, and no erasure explains it."""

    why: str


Fact = SubjectKey | Erased | Unreadable
"""What is known of a key."""

UNKNOWN = Unreadable("its key is gone and no erasure explains it: run `gridwarden ledger verify`")
WRONG = Unreadable("its key is not the one it was sealed under: run `gridwarden ledger verify`")
DAMAGED = Unreadable("it is not what was sealed: run `gridwarden ledger verify`")


class KeyEncryptionKey:
    """Wraps people's keys; kept outside the database that holds them."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def wrap(self, secret: bytes) -> bytes:
        """Return a key as the database may hold it."""
        return aes_key_wrap(self._secret, secret)

    def unwrap(self, wrapped: bytes, commitment: str) -> SubjectKey | Unreadable:
        """Return the key that the commitment names, or that it is not that key."""
        try:
            secret = aes_key_unwrap(self._secret, wrapped)
        except (InvalidUnwrap, ValueError):
            return WRONG
        return SubjectKey.of(secret) if len(secret) == KEY_BYTES and commitment_of(secret) == commitment else WRONG


def commitment_of(secret: bytes) -> str:
    """Return the name of a key: 43 characters that fit no other key."""
    return base64.urlsafe_b64encode(sha256(_COMMITTED + secret).digest()).rstrip(b"=").decode()


def sealed(event: Event, shares: Iterable[tuple[Share, SubjectKey, bytes]]) -> Event:
    """Return the event with each share's fields in a box under its key, with its nonce.

    Values pass the same door as plain ones: RefusedEventError names the field.
    """
    refuse_sealed(event)
    grid = event.get("grid", _ABSENT)
    if type(grid) is not dict or not (grid or grid is _ABSENT):
        raise RefusedEventError("grid", "is not an object with members: leave it out")
    shares = list(shares)
    bare, taken = without(event, (path for share, _, _ in shares for path in share.fields))
    section: dict[str, Any] = {}
    others = []
    for share, key, nonce in shares:
        box = _box(key, nonce, {path: taken[path] for path in share.fields}, _event_id(event))
        note = {"key": key.commitment, "fields": list(share.fields), "box": box}
        if share.has_acted:
            section |= note
        else:
            others.append(note)
    if others:
        section["others"] = others
    bare["grid"] = {**grid, "sealed": section}
    return bare


def refuse_sealed(event: Event) -> None:
    """Raise when an event comes with `grid.sealed`, which only the ledger writes."""
    grid = event.get("grid")
    if isinstance(grid, dict) and "sealed" in grid:
        raise RefusedEventError("grid.sealed", "is the ledger's own: leave it out")


def commitments_in(event: Event) -> list[str]:
    """Return the names of the keys that the event's boxes need."""
    section = _sealed_section(event)
    return [] if section is None else [
        note["key"] for note in _notes(section) if isinstance(note.get("key"), str)]


def opened(event: Event, facts: Mapping[str, Fact]) -> Event:
    """Return the event as it was recorded, as far as `facts` (by commitment) allow.

    What stays closed says why in `grid.sealed`: `erased_at` where the key was destroyed by an erasure, and only
    there; `unreadable` with a sentence otherwise.
    """
    section = _sealed_section(event)
    if section is None:
        return event
    grid = {name: held for name, held in event["grid"].items() if name != "sealed"}
    found: Event = {**event, "grid": grid}
    kept: dict[str, Any] = {}
    others = []
    for note in _notes(section):
        found, left = _open(found, note, facts, _event_id(event))
        if note is not section:
            others.extend(left)
        elif left:
            kept |= left[0]
    if others:
        kept["others"] = others
    if kept:
        grid = found["grid"] = {**grid, "sealed": kept}
    if not grid:
        del found["grid"]
    return found


def _open(event: Event, note: dict[str, Any], facts: Mapping[str, Fact], event_id: bytes) -> tuple[Event, list[Event]]:
    """Return the event with one box's fields at their places, and what is left to say about it, if anything."""
    named = note.get("key"), note.get("fields")
    fact = facts.get(named[0], UNKNOWN) if isinstance(named[0], str) else DAMAGED
    fields = [path for path in named[1] if isinstance(path, str)] if isinstance(named[1], list) else []
    about: Event = {"key": named[0], "fields": fields}
    try:
        if isinstance(fact, Erased):
            texts = dict.fromkeys((path for path in fields if path in TEXTS), ERASED)
            return restored(event, texts), [{**about, "erased_at": to_iso(fact.at_us)}]
        if isinstance(fact, SubjectKey):
            values = _unboxed(fact, note.get("box"), event_id)
            if sorted(values) == sorted(fields):
                return restored(event, values), []
            fact = DAMAGED
    except (KeyError, MalformedNoteError, InvalidTag, ValueError):
        fact = DAMAGED
    return event, [{**about, "unreadable": fact.why}]


def _notes(section: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what is said of each box; a section of nothing but others says nothing itself."""
    others = section.get("others")
    notes = [section, *(others if isinstance(others, list) else [])]
    start = int(section.keys() == {"others"} and len(notes) > 1)
    return [note if isinstance(note, dict) else {} for note in notes[start:]]


def _sealed_section(event: Event) -> dict[str, Any] | None:
    grid = event.get("grid")
    if type(grid) is not dict or "sealed" not in grid:
        return None
    return grid["sealed"] if type(grid["sealed"]) is dict else {}


def _box(key: SubjectKey, nonce: bytes, values: dict[str, Any], event_id: bytes) -> str:
    return base64.b64encode(nonce + key.cipher.encrypt(nonce, payload_of(values), event_id)).decode()


def _unboxed(key: SubjectKey, box: Any, event_id: bytes) -> dict[str, Any]:  # noqa: ANN401 - any JSON value
    raw = strict_base64(box) if isinstance(box, str) else b""
    values = orjson.loads(key.cipher.decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], event_id))
    return values if isinstance(values, dict) else {}


def _event_id(event: Event) -> bytes:
    about = event.get("event")
    found = about.get("id") if isinstance(about, dict) else None
    return found.encode(errors="surrogatepass") if isinstance(found, str) else b""
