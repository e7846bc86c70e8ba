"""Many literals searched in a few values at once, by one automaton.

The values become a text of one line each, so a line break before or after a literal anchors it. A literal may turn
up in the value of another field, or across two lines when it holds a line break itself: who asks must still verify.
"""

from collections.abc import Iterable, Sequence

from ahocorasick_rs import AhoCorasick

from siem_rules.domain.needs import Clue, How


def anchored(clue: Clue) -> str:
    """Return what a clue looks like in the text: its literal, with a line break where the value must begin or end."""
    before = "\n" if clue.how in {How.EQUALS, How.STARTS} else ""
    after = "\n" if clue.how in {How.EQUALS, How.ENDS} else ""
    return f"{before}{clue.text}{after}"


class ValueSearch:
    """Finds whose literals some values hold."""

    __slots__ = ("_automaton", "_waiting")

    def __init__(self, waiting: Sequence[tuple[str, tuple[int, ...]]]) -> None:
        self._automaton = AhoCorasick([literal for literal, _ in waiting])
        self._waiting = tuple(there for _, there in waiting)

    def find(self, texts: Iterable[str], found: set[int]) -> None:
        """Add to `found` who waits for a literal that stands in a text."""
        lines = "\n".join(["", *texts, ""]).lower()
        try:
            hits = self._automaton.find_matches_as_indexes(lines, overlapping=True)
        except UnicodeEncodeError:  # half a surrogate pair: the automaton reads UTF-8, the rules need not
            found.update(*self._waiting)
            return
        for hit in hits:
            found.update(self._waiting[hit[0]])
