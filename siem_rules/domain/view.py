"""One event as rules see it: fields by dotted path, looked up once, compared in lower case.

A path finds a nested value (`event.action` in {"event": {"action": ...}}) or a key of that very name. A list matches
when one of its elements does. Null, an empty list and a missing field are the same: there is no value.
"""

import hashlib
from collections.abc import Iterable
from functools import lru_cache
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
            value = lookup(self.event, path)
            found = self._texts[path] = value.lower() if value.__class__ is str else text_of(value)
        return found

    def raw(self, path: str) -> Any:  # noqa: ANN401 - JSON is any JSON value
        """Return the value as it stands in the event, None when there is none."""
        found = self._raw.get(path, _UNSEEN)
        if found is _UNSEEN:
            found = self._raw[path] = lookup(self.event, path)
        return found

    def values_at(self, paths: tuple[str, ...]) -> list[str]:
        """Return the values at these paths as text, their case kept or not."""
        event = self.event
        found: list[str] = []
        for path in paths:
            value = event.get(path)
            if value.__class__ is str:
                found.append(value)
            elif (text := self.text(path)) is not None:
                found.extend((text,) if isinstance(text, str) else text)
        return found

    def everything(self) -> str:
        """Return every scalar of the event, one a line, in lower case: what keywords search."""
        if self._everything is None:
            self._everything = "\n".join(texts_of(self.event.values())).lower()
        return self._everything


def lookup(event: dict[str, Any], path: str) -> Any:  # noqa: ANN401 - JSON is any JSON value
    """Return what stands at a dotted path; a path through a list collects from each of its objects."""
    node = event.get(path)
    if node is None and path not in event:
        first, *others = _parts(path)
        node = event.get(first)
        for part in others:
            if node.__class__ is dict:
                node = node.get(part)
            elif node.__class__ is list:
                node = [item[part] for item in node if isinstance(item, dict) and part in item]
            else:
                return None
    return None if node.__class__ is list and not node else node


@lru_cache(maxsize=4096)
def _parts(path: str) -> tuple[str, ...]:
    return tuple(path.split("."))


def text_of(value: Any) -> Text:  # noqa: ANN401 - JSON is any JSON value
    """Return how a value is compared: strings in lower case, numbers and booleans as JSON writes them."""
    if value.__class__ is str:
        return value.lower()
    if value.__class__ is int:
        return str(value)
    if value is None or isinstance(value, dict):
        return None
    if isinstance(value, list):
        return tuple(text for item in value if isinstance(text := text_of(item), str))
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).lower()


def storable(text: str) -> str:
    """Return a text that any store takes: no NUL, no half surrogate pair, and of bounded length but still distinct."""
    if len(text) <= MAX_KEPT_CHARS and text.isascii() and "\x00" not in text:
        return text
    clean = text.encode("utf-8", "replace").decode()
    clean = clean.replace("\x00", "\ufffd")
    if len(clean) <= MAX_KEPT_CHARS:
        return clean
    return f"{clean[:MAX_KEPT_CHARS - 65]}#{hashlib.sha256(clean.encode()).hexdigest()}"


def texts_of(values: Iterable[Any]) -> list[str]:
    """Return every scalar among and below the values as text, its case kept."""
    found: list[str] = []
    for value in values:
        if value.__class__ is str:
            found.append(value)
        elif value.__class__ is int:
            found.append(str(value))
        elif value is not None:
            _collect(value, found)
    return found


def _collect(value: Any, found: list[str]) -> None:  # noqa: ANN401 - JSON is any JSON value
    if isinstance(value, dict):
        found.extend(texts_of(value.values()))
    elif isinstance(value, list):
        found.extend(texts_of(value))
    elif isinstance(text := text_of(value), str):
        found.append(text)
