"""Who an enforcement point asks about. Roles come from identity, never from who asks (decision record 0030).

| subject type | who | decided as |
|---|---|---|
| `user` | a person, by id or name | a person with the roles identity has for them now |
| `service` | a client, by its id | a service with its roles |

An id that identity does not know is a stranger: only what is open to everyone is allowed to it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from policy_engine.http.authzen.city import Directory, KnownSubject
from policy_engine.http.authzen.messages import Entity
from policy_engine.http.authzen.unaskable import UnaskableError

KINDS: Mapping[str, str] = {"user": "person", "service": "service"}
TYPES: Mapping[str, str] = {kind: name for name, kind in KINDS.items()}
ACTS_AS_THEMSELVES = ("api",)
"""The scope with which an application acts for a person; `properties.scopes` can only be less."""
_CLAIMED = ("roles", "groups")


@dataclass(frozen=True, slots=True)
class Asked:
    """A subject as policy reads it; `is_known` when identity vouches for it; `notes` are told beside the reasons."""

    attributes: Mapping[str, Any]
    is_known: bool
    notes: tuple[str, ...] = ()


async def asked_subject(entity: Entity, directory: Directory) -> Asked:
    """Return the subject; raise UnaskableError for an unknown type and for a locked account."""
    kind = KINDS.get(entity.type)
    if kind is None:
        raise UnaskableError(404, f"the subject type {entity.type!r} is unknown: {', '.join(KINDS)} are known")
    known = await directory.find(kind, entity.id) if entity.id else None
    if known is None:
        note = f"no {entity.type} {entity.id!r} is known here: decided as about a stranger"
        return Asked(_stranger(entity.id), is_known=False, notes=(note,))
    return about(known, entity)


def about(known: KnownSubject, entity: Entity) -> Asked:
    """Return a known subject; raise UnaskableError when it may not log in."""
    if not known.is_active:
        raise UnaskableError(403, f"the account of {known.name} is locked or not verified yet")
    ignored = [name for name in _CLAIMED if name in entity.properties]
    notes = tuple(f"subject.properties.{name} counts for nothing: roles come from identity" for name in ignored)
    is_person = known.kind == KINDS["user"]
    return Asked({
        "id": known.id, "kind": known.kind, "roles": sorted(known.roles),
        "scopes": _scopes(entity) if is_person else (), "client_id": None if is_person else known.id,
    }, is_known=True, notes=notes)


def _stranger(subject_id: str) -> Mapping[str, Any]:
    return {"id": subject_id or "anonymous", "kind": "anonymous", "roles": (), "scopes": (), "client_id": None}


def _scopes(entity: Entity) -> tuple[str, ...]:
    """Return the scopes the person's application has: less than everything when the enforcement point says so."""
    stated = entity.properties.get("scopes", list(ACTS_AS_THEMSELVES))
    if not isinstance(stated, list) or not all(isinstance(scope, str) for scope in stated):
        raise UnaskableError(400, "subject.properties.scopes must be a list of texts")
    return tuple(scope for scope in ACTS_AS_THEMSELVES if scope in stated)
