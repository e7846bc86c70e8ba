"""Which rules could match an event: dispatch by one pinned field a rule, so that most events meet no rule at all."""

from collections.abc import Iterable, Iterator

from siem_rules.domain.rule import BaseRule, Rule
from siem_rules.domain.view import View

ACTION = "event.action"
_PREFERRED = (ACTION, "EventID", "event.module")


class RuleIndex:
    """The base rules of all loaded rules, filed under the literals they need."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._unpinned: list[tuple[Rule, BaseRule]] = []
        self._filed: dict[str, dict[str, list[tuple[Rule, BaseRule]]]] = {}
        for rule in rules:
            for base in rule.bases:
                self._file(rule, base)

    def _file(self, rule: Rule, base: BaseRule) -> None:
        field = _pivot(base)
        if field is None:
            self._unpinned.append((rule, base))
            return
        shelf = self._filed.setdefault(field, {})
        for literal in base.pins[field]:
            shelf.setdefault(literal, []).append((rule, base))

    def candidates(self, view: View) -> Iterator[tuple[Rule, BaseRule]]:
        """Yield the rules whose pinned field holds one of their literals, and those that pin nothing."""
        for field, shelf in self._filed.items():
            yield from _filed_under(shelf, view.text(field))
        yield from self._unpinned

    def naming_action(self, view: View) -> Iterator[tuple[Rule, BaseRule]]:
        """Yield only the rules that name this event's action outright."""
        yield from _filed_under(self._filed.get(ACTION, {}), view.text(ACTION))


def _filed_under(
    shelf: dict[str, list[tuple[Rule, BaseRule]]], text: str | tuple[str, ...] | None,
) -> Iterator[tuple[Rule, BaseRule]]:
    if isinstance(text, str):
        yield from shelf.get(text, ())
    elif text is not None:
        found = {id(item[1]): item for one in text for item in shelf.get(one, ())}
        yield from found.values()


def _pivot(base: BaseRule) -> str | None:
    """Return the field to file a rule under: a preferred one, else the one with the fewest literals."""
    for field in _PREFERRED:
        if field in base.pins:
            return field
    return min(base.pins, key=lambda field: len(base.pins[field]), default=None)
