"""Which rules could match an event: by log source, then by evidence, so that most events meet no rule at all.

Rules are filed under the literals they pin (`event.action`, `Channel`, `EventID`...), one level a field. What shares
a place there is told apart by a *shelf*: each of its rules waits for its rarest need (see `needs`), and one search
over the values in question finds all rules whose need an event meets. The index only ever leaves out rules that
cannot match; whoever is found is still asked.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from siem_rules.domain.needs import Clue, How, Need, pins, weight
from siem_rules.domain.rule import BaseRule, Rule
from siem_rules.domain.value_search import ValueSearch, anchored
from siem_rules.domain.view import Text, View, texts_of

ACTION = "event.action"
_LEVELS = (ACTION, "Channel", "event.module", "EventID")

Filed = tuple[Rule, BaseRule]


class RuleIndex:
    """The base rules of all loaded rules, filed under what they need."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._filed: list[Filed] = [(rule, base) for rule in rules for base in rule.bases]
        self._root = _place(self._filed, range(len(self._filed)), 0)
        named = [pins(base.needs, ACTION) for _, base in self._filed]
        self._actions = None if None in named else frozenset(action for pinned in named for action in pinned or ())

    def passes_by(self, event: dict[str, Any]) -> bool:
        """Tell at a glance that no rule can match: every rule names an action, and none names this event's."""
        section = event.get("event")
        action = section.get("action") if section.__class__ is dict else None
        return (self._actions is not None and action.__class__ is str and action.lower() not in self._actions
                and ACTION not in event)

    def candidates(self, view: View) -> list[Filed]:
        """Return the rules whose needs the event may meet, in the order they were loaded."""
        found: set[int] = set()
        self._root.find(view, found)
        return self._named(found)

    def naming_action(self, view: View) -> list[Filed]:
        """Return of these only the rules that name this event's action outright."""
        found: set[int] = set()
        self._root.below(ACTION, view, found)
        return self._named(found)

    def _named(self, found: set[int]) -> list[Filed]:
        return [self._filed[number] for number in sorted(found)] if found else []


class _Place:
    """A node of the tree: its shelf, and for each field the places below, by literal."""

    __slots__ = ("_below", "_shelf")

    def __init__(self, shelf: "_Shelf | None", below: Mapping[str, Mapping[str, "_Place"]]) -> None:
        self._shelf = shelf
        self._below = tuple(below.items())

    def find(self, view: View, found: set[int]) -> None:
        for field, places in self._below:
            text = view.text(field)
            if text.__class__ is str:
                place = places.get(text)
                if place is not None:
                    place.find(view, found)
            elif text is not None:
                _descend(places, text, view, found)
        if self._shelf is not None:
            self._shelf.find(view, found)

    def below(self, field: str, view: View, found: set[int]) -> None:
        """Look only below one field."""
        for name, places in self._below:
            if name == field:
                _descend(places, view.text(field), view, found)


def _descend(places: Mapping[str, _Place], text: Text, view: View, found: set[int]) -> None:
    for one in _texts(text):
        if one in places:
            places[one].find(view, found)


def _texts(text: Text) -> tuple[str, ...]:
    return (text,) if isinstance(text, str) else text or ()


def _place(filed: Sequence[Filed], numbers: Iterable[int], level: int) -> _Place:
    """File rules under the first field, from this level on, that they pin; what pins none of them shares the shelf."""
    shelf: list[int] = []
    below: dict[str, dict[str, list[int]]] = {}
    for number in numbers:
        base = filed[number][1]
        field = next((name for name in _LEVELS[level:] if pins(base.needs, name)), None)
        if field is None:
            shelf.append(number)
            continue
        for literal in pins(base.needs, field) or ():
            below.setdefault(field, {}).setdefault(literal, []).append(number)
    return _Place(_Shelf(filed, shelf) if shelf else None, {
        field: {literal: _place(filed, there, _LEVELS.index(field) + 1) for literal, there in below[field].items()}
        for field in sorted(below, key=_LEVELS.index)
    })


class _Shelf:
    """Rules of one log source, each waiting for its rarest need; a search over the values in question finds them.

    Where only whole values are waited for, a dictionary a field is quicker than a search.
    """

    __slots__ = ("_always", "_everywhere", "_exactly", "_fields", "_names", "_present", "_search")

    def __init__(self, filed: Sequence[Filed], numbers: Sequence[int]) -> None:
        waiting, self._always = _waiting(filed, numbers)
        self._present = tuple((clue.field, there) for clue, there in waiting.items() if clue.how is How.PRESENT)
        searched = [clue for clue in waiting if clue.how is not How.PRESENT]
        self._exactly: dict[str, dict[str, tuple[int, ...]]] = {}
        if all(clue.how is How.EQUALS for clue in searched):
            for clue in searched:
                self._exactly.setdefault(clue.field, {})[clue.text] = waiting[clue]
            searched = []
        self._everywhere = any(clue.how is How.ANYWHERE for clue in searched)
        self._fields = tuple(sorted({clue.field for clue in searched}))
        self._names = frozenset(name for clue in waiting for name in (clue.field, clue.field.split(".")[0]))
        self._search = ValueSearch([(anchored(clue), waiting[clue]) for clue in searched]) if searched else None

    def find(self, view: View, found: set[int]) -> None:
        if self._always:
            found.update(self._always)
        if not self._everywhere and self._names.isdisjoint(view.event):
            return
        for field, there in self._present:
            if view.raw(field) is not None:
                found.update(there)
        for field, literals in self._exactly.items():
            for text in _texts(view.text(field)):
                if text in literals:
                    found.update(literals[text])
        if self._search is not None:
            texts = texts_of(view.event.values()) if self._everywhere else view.values_at(self._fields)
            self._search.find(texts, found)


def _waiting(
    filed: Sequence[Filed], numbers: Sequence[int],
) -> tuple[dict[Clue, tuple[int, ...]], tuple[int, ...]]:
    """Return for each clue the rules that wait for it, and the rules that need nothing."""
    seen = Counter(clue for number in numbers for clue in {clue for need in filed[number][1].needs for clue in need})
    waiting: dict[Clue, list[int]] = {}
    always = []
    for number in numbers:
        rarest = _rarest(filed[number][1], seen)
        if not rarest:
            always.append(number)
        for clue in rarest:
            waiting.setdefault(clue, []).append(number)
    return {clue: tuple(there) for clue, there in waiting.items()}, tuple(always)


def _rarest(base: BaseRule, seen: Mapping[Clue, int]) -> Need:
    """Return the need least met by chance, beside the pins the rule is filed under."""
    filed = {need for level in _LEVELS for need in base.needs if all(
        clue.field == level and clue.how is How.EQUALS for clue in need)}
    return min((need for need in base.needs if need not in filed), key=lambda need: weight(need, seen),
               default=frozenset())
