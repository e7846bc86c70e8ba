"""Which attributes of a question a policy reads: the part of a question that its decision is a function of.

A path names what is read: () everything, ("subject",) the whole section, ("subject", "id") one attribute; what lies
deeper counts as the attribute it is in. Only the part read is shown to the policy, and it is the key by which a
decision is remembered: a read that was overlooked finds nothing there and proves nothing; it cannot reuse another's
decision.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from policy_engine.domain.question import ATTRIBUTES

Path = tuple[str, ...]


class Reads:
    """The attributes read, and how to leave the others out of a document."""

    def __init__(self, paths: Iterable[Path]) -> None:
        self.paths = frozenset(path[:2] for path in paths)
        self._sections = tuple(section for section in ATTRIBUTES if not self._is_read(section))
        self._unread = tuple(self._attributes())

    def narrow(self, document: dict[str, Any]) -> dict[str, Any]:
        """Leave in a document that `to_input` made only what the policy reads, and return it."""
        for section in self._sections:
            del document[section]
        for section, name in self._unread:
            del document[section][name]
        return document

    def _is_read(self, section: str) -> bool:
        return () in self.paths or any(path[:1] == (section,) for path in self.paths)

    def _attributes(self) -> Iterator[tuple[str, str]]:
        for section, names in ATTRIBUTES.items():
            if section not in self._sections and () not in self.paths and (section,) not in self.paths:
                yield from ((section, name) for name in names if (section, name) not in self.paths)


EVERYTHING = Reads([()])
