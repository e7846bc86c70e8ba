"""One event as rules see it: fields by dotted path, looked up once, compared in lower case.

A path finds a nested value (`event.action` in {"event": {"action": ...}}) or a key of that very name. A list matches
when one of its elements does. Null, an empty list and a missing field are the same: there is no value.
"""

import hashlib
from collections.abc import Iterator
from typing import Any

Text = str | tuple[str, ...] | None
MAX_KEPT_CHARS = 256
_UNSEEN: Any = object()


class View:
    """Lazy, memoised access to one event; rules ask for the same few fields again and again."""

    __slots__ = ("_everything", "_raw", "_texts", "event")

    def __init__(self, event: dict[str, Any]) -> None:
        self.event = event
        self._texts: dict[str, Text] = {}
        self._raw: dict[str, Any] = {}
        self._everything: str | None = None

    def text(self, path: str) -> Text:
        """Return the value in lower case, a tuple for a list, None when there is none."""
        found: Text = self._texts.get(path, _UNSEEN)
        if found is _UNSEEN:
            found = self._texts[path] = text_of(self.raw(path))
        return found

    def raw(self, path: str) -> Any:  # noqa: ANN401 - JSON is any JSON value
        """Return the value as it stands in the event, None when there is none."""
        found = self._raw.get(path, _UNSEEN)
        if found is _UNSEEN:
            found = self._raw[path] = lookup(self.event, path)
        return found

    def everything(self) -> str:
        """Return every scalar of the event, one a line, in lower case: what keywords search."""
        if self._everything is None:
            self._everything = "\n".join(leaves(self.event))
        return self._everything


def lookup(event: dict[str, Any], path: str) -> Any:  # noqa: ANN401 - JSON is any JSON value
    """Return what stands at a dotted path; a path through a list collects from each of its objects."""
    if path in event:
        return _nothing_if_empty(event[path])
    node: Any = event
    for part in path.split("."):
        if node.__class__ is dict:
            node = node.get(part)
        elif node.__class__ is list:
            node = [item[part] for item in node if isinstance(item, dict) and part in item]
        else:
            return None
    return _nothing_if_empty(node)


def _nothing_if_empty(value: Any) -> Any:  # noqa: ANN401 - JSON is any JSON value
    return None if value == [] else value


def text_of(value: Any) -> Text:  # noqa: ANN401 - JSON is any JSON value
    """Return how a value is compared: strings in lower case, numbers and booleans as JSON writes them."""
    if value.__class__ is str:
        return value.lower()
    if value is None or isinstance(value, dict):
        return None
    if isinstance(value, list):
        return tuple(text for item in value if isinstance(text := text_of(item), str))
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).lower()


def storable(text: str) -> str:
    """Return a text that any store takes: no NUL, no half surrogate pair, and of bounded length but still distinct."""
    clean = text.encode("utf-8", "replace").decode().replace("\x00", "\ufffd")
    if len(clean) <= MAX_KEPT_CHARS:
        return clean
    return f"{clean[:MAX_KEPT_CHARS - 65]}#{hashlib.sha256(clean.encode()).hexdigest()}"


def leaves(value: Any) -> Iterator[str]:  # noqa: ANN401 - JSON is any JSON value
    """Yield every scalar below a value as it is compared."""
    if isinstance(value, dict):
        for item in value.values():
            yield from leaves(item)
    elif isinstance(value, list):
        for item in value:
            yield from leaves(item)
    elif isinstance(text := text_of(value), str):
        yield text
