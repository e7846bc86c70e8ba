"""What an event must hold for a condition to be true at all: the evidence an index looks for before it asks the rule.

A *clue* is one piece of evidence; a *need* is a set of clues of which an event must show at least one; a condition
has several needs, and each of them must be met. A need is never more than necessary: an event without it cannot
match, an event with it still may not. `not` needs nothing, so it says nothing here.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum


class How(StrEnum):
    """In what way a clue shows."""

    EQUALS = "equals"
    STARTS = "startswith"
    ENDS = "endswith"
    HOLDS = "contains"
    PRESENT = "present"
    ANYWHERE = "anywhere"


@dataclass(frozen=True, slots=True)
class Clue:
    """One value of `field`, in lower case, stands so to `text`, or is there; ANYWHERE: any value holds it."""

    field: str
    how: How
    text: str = ""


Need = frozenset[Clue]
Needs = tuple[Need, ...]
NOTHING: Needs = ()


def clues(field: str, how: How, texts: Iterable[str] = ("",)) -> Needs:
    """Return the single need that one of the texts shows in this way."""
    return (frozenset(Clue(field, how, text) for text in texts),)


def all_of(parts: Iterable[Needs]) -> Needs:
    """Every need of every part stands."""
    return tuple(dict.fromkeys(need for part in parts for need in part))


def any_of(parts: list[Needs]) -> Needs:
    """Join alternatives: the rarest need of each together, and for each field pinned in all of them those pins."""
    if not all(parts):
        return NOTHING
    pinned = [_by_field(part) for part in parts]
    shared = set.intersection(*(set(fields) for fields in pinned))
    joined = [frozenset().union(*(fields[field] for fields in pinned)) for field in sorted(shared)]
    rarest: Need = frozenset().union(*(min(part, key=weight) for part in parts))
    return tuple(dict.fromkeys([*joined, rarest]))


def pins(needs: Needs, field: str) -> frozenset[str] | None:
    """Return the literals one of which the field must equal; of several such needs the narrowest."""
    need = _by_field(needs).get(field)
    return None if need is None else frozenset(clue.text for clue in need)


def weight(need: Need, seen: Mapping[Clue, int] | None = None) -> float:
    """Return how often a need is met by chance, roughly; what many rules look for (`seen`) is common in events, too."""
    return sum(_WEIGHTS[clue.how](len(clue.text)) * (seen[clue] if seen else 1) for clue in need)


def _by_field(needs: Needs) -> dict[str, Need]:
    found: dict[str, Need] = {}
    for need in needs:
        fields = {clue.field for clue in need}
        if len(fields) == 1 and all(clue.how is How.EQUALS for clue in need):
            field = fields.pop()
            found[field] = min(found.get(field, need), need, key=len)
    return found


def _held(length: int) -> float:
    return float(max(0.002, 0.5 * 0.8**length))


_WEIGHTS: Mapping[How, Callable[[int], float]] = {
    How.EQUALS: lambda _: 0.01,
    How.STARTS: _held,
    How.ENDS: _held,
    How.HOLDS: _held,
    How.PRESENT: lambda _: 0.5,
    How.ANYWHERE: lambda length: 1 + _held(length),
}
