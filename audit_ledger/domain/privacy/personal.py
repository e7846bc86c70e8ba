"""Which fields of an event are personal, and whose: what is sealed under that person's key.

The handle stays (`user.id`): it is pseudonymous, and without it nothing could be told from anything. Only objects on
the way to a personal field are copied; emptied they stay where they are, so that putting the values back is exact.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from audit_ledger.domain.columns import MAX_CHARACTERS
from shared_kernel.events import Event

ERASED = "[erased]"
"""What stands in a text field whose key was destroyed. Addresses and objects are left out: their readers parse them."""

_PERSON = ("email", "full_name", "name")
_PLACE = ("address", "geo", "ip", "mac")


@dataclass(frozen=True, slots=True)
class Party:
    """Somebody an event is about: where the event names them, and which fields of which sections are theirs."""

    place: tuple[str, ...]
    fields: Mapping[tuple[str, ...], tuple[str, ...]]


PARTIES = (
    Party(("user",), {("user",): _PERSON, ("source",): _PLACE, ("client",): _PLACE, ("user_agent",): ("original",)}),
    Party(("user", "target"), {("user", "target"): _PERSON}),
)
"""Who acted comes first; every party is named by an `id`."""

PATHS: Mapping[str, tuple[str, ...]] = {
    ".".join((*section, name)): (*section, name)
    for party in PARTIES for section, names in party.fields.items() for name in names
}
"""Every field that may be sealed, and no other may."""

TEXTS = frozenset(path for path in PATHS if path.rpartition(".")[2] in {*_PERSON, "original"})

_PLAN = tuple(
    (party.place, tuple((section, tuple((name, ".".join((*section, name))) for name in names))
                        for section, names in party.fields.items()))
    for party in PARTIES
)


class Share(NamedTuple):
    """The personal fields of one party, as dotted paths."""

    subject: str
    fields: tuple[str, ...]
    has_acted: bool


def shares_of(event: Event) -> list[Share]:
    """Return whose fields the event carries; nothing for parties without an id or without personal fields."""
    found = []
    for place, sections in _PLAN:
        party = _at(event, place)
        subject = party.get("id") if party else None
        if not isinstance(subject, str) or not subject:
            continue
        fields: list[str] = []
        for section, names in sections:
            if held := _at(event, section):
                fields += [path for name, path in names if name in held]
        if fields:
            found.append(Share(subject_of(subject), tuple(fields), len(place) == 1))
    return found


def subject_of(user_id: str) -> str:
    """Return an id as PostgreSQL's text can hold it: the same as in the entry's column `subject`."""
    if len(user_id) > MAX_CHARACTERS or "\0" in user_id:
        return user_id.replace("\0", "\ufffd")[:MAX_CHARACTERS]
    return user_id


def without(event: Event, fields: Iterable[str]) -> tuple[Event, dict[str, Any]]:
    """Return a copy of the event without these fields, and their values by path."""
    bare = dict(event)
    taken = {}
    for path in fields:
        steps = PATHS[path]
        taken[path] = _copied(bare, steps).pop(steps[-1])
    return bare, taken


def restored(event: Event, values: Mapping[str, Any]) -> Event:
    """Return a copy of the event with the values at their places; KeyError when there is no such place, or no room."""
    whole = dict(event)
    for path, value in values.items():
        steps = PATHS[path]
        section = _copied(whole, steps)
        if steps[-1] in section:
            raise KeyError(path)
        section[steps[-1]] = value
    return whole


def _copied(section: dict[str, Any], steps: tuple[str, ...]) -> dict[str, Any]:
    """Replace the objects on the way by copies and return the last of them; KeyError when one is none."""
    for step in steps[:-1]:
        present = section[step]
        if type(present) is not dict:
            raise KeyError(step)
        section[step] = dict(present)
        section = section[step]
    return section


def _at(event: Event, section: tuple[str, ...]) -> dict[str, Any] | None:
    found = event
    for step in section:
        held = found.get(step)
        if type(held) is not dict:
            return None
        found = held
    return found
