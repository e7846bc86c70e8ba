"""The filter language (RFC 7644 section 3.4.2.2): text to a tree, bounded in length, depth and number of tests."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from identity.domain.scim.errors import ScimError, invalid_filter

MAX_LENGTH, MAX_DEPTH, MAX_TESTS = 4_000, 20, 60
OPERATORS = frozenset({"eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le"})
Value: TypeAlias = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class AttributePath:
    """`urn:...:User:name.familyName`: a schema's URN if given, an attribute, a sub-attribute if given."""

    name: str
    part: str | None = None
    urn: str | None = None

    def __str__(self) -> str:
        """Return the path as it is written."""
        return (f"{self.urn}:" if self.urn else "") + self.name + (f".{self.part}" if self.part else "")


@dataclass(frozen=True, slots=True)
class Test:
    """`path operator value`; the operator `pr` has no value."""

    path: AttributePath
    operator: str
    value: Value = None


@dataclass(frozen=True, slots=True)
class Both:
    """Two conditions that must hold together, or of which one must (`is_or`)."""

    left: "Filter"
    right: "Filter"
    is_or: bool


@dataclass(frozen=True, slots=True)
class Not:
    """A condition that must not hold."""

    inner: "Filter"


@dataclass(frozen=True, slots=True)
class Among:
    """`emails[...]`: one value of a multi-valued attribute holds the condition."""

    path: AttributePath
    inner: "Filter"


Filter: TypeAlias = Test | Both | Not | Among

_TOKEN = re.compile(r"""\s*(?:
    (?P<open>[(\[]) | (?P<close>[)\]]) |
    (?P<string>"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4}))*") |
    (?P<number>-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)(?![\w.:$-]) |
    (?P<word>[A-Za-z$][\w$:.-]*)
)""", re.VERBOSE | re.ASCII)
_PATH = re.compile(r"(?:(?P<urn>urn:[\w:.-]+):)?(?P<name>[A-Za-z$][\w$-]*)(?:\.(?P<part>[A-Za-z$][\w$-]*))?", re.ASCII)
_URN_OF_VERSION = re.compile(r"(?P<urn>urn:[\w:.-]*:\d+\.\d+:[A-Za-z]\w*)(?::(?P<rest>.+))?", re.ASCII)
_CONSTANTS: dict[str, bool | None] = {"true": True, "false": False, "null": None}


def attribute_path(text: str) -> AttributePath | None:
    """Return the path a text spells, or None; a bare URN of a schema is a path with an empty name."""
    versioned = _URN_OF_VERSION.fullmatch(text)
    if versioned is not None:
        if versioned["rest"] is None:
            return AttributePath("", None, versioned["urn"])
        inner = _PATH.fullmatch(versioned["rest"])
        return AttributePath(inner["name"], inner["part"], versioned["urn"]) if inner and not inner["urn"] else None
    found = _PATH.fullmatch(text)
    return AttributePath(found["name"], found["part"], found["urn"]) if found else None


def parse(text: str) -> Filter:
    """Return the tree of a filter; raise ScimError (invalidFilter)."""
    if len(text) > MAX_LENGTH:
        raise invalid_filter(f"is longer than {MAX_LENGTH} characters")
    parser = _Parser(text)
    found = parser.either(0)
    parser.end()
    return found


class _Parser:
    """Descends once through the tokens."""

    def __init__(self, text: str) -> None:
        self._tokens = list(_tokens(text))
        self._at = 0
        self._tests = 0

    def either(self, depth: int) -> Filter:
        """`a or b`."""
        if depth > MAX_DEPTH:
            raise invalid_filter(f"nests deeper than {MAX_DEPTH} levels")
        found = self._together(depth)
        while self._took_word("or"):
            found = Both(found, self._together(depth), is_or=True)
        return found

    def end(self) -> None:
        """Nothing may follow."""
        if self._at != len(self._tokens):
            raise invalid_filter(f"does not end where it should, at {self._tokens[self._at][1][:40]!r}")

    def _together(self, depth: int) -> Filter:
        found = self._one(depth)
        while self._took_word("and"):
            found = Both(found, self._one(depth), is_or=False)
        return found

    def _one(self, depth: int) -> Filter:
        if self._peek() == ("word", "not") or (self._peek()[0] == "word" and self._peek()[1].lower() == "not"):
            self._at += 1
            self._need("open", "(")
            return Not(self._closed(depth, ")"))
        if self._peek() == ("open", "("):
            self._at += 1
            return self._closed(depth, ")")
        path = self._path()
        if self._peek() == ("open", "["):
            self._at += 1
            return Among(path, self._closed(depth, "]"))
        return self._test(path)

    def _closed(self, depth: int, bracket: str) -> Filter:
        found = self.either(depth + 1)
        self._need("close", bracket)
        return found

    def _test(self, path: AttributePath) -> Test:
        self._tests += 1
        if self._tests > MAX_TESTS:
            raise invalid_filter(f"holds more than {MAX_TESTS} tests")
        kind, text = self._next()
        operator = text.lower()
        if kind == "word" and operator == "pr":
            return Test(path, "pr")
        if kind != "word" or operator not in OPERATORS:
            raise invalid_filter(f"has no operator {text[:40]!r}")
        return Test(path, operator, self._value())

    def _value(self) -> Value:
        kind, text = self._next()
        if kind == "word" and text.lower() in _CONSTANTS:
            return _CONSTANTS[text.lower()]
        if kind not in {"string", "number"}:
            raise invalid_filter(f"needs a JSON value instead of {text[:40]!r}")
        value: Value = json.loads(text)
        if isinstance(value, str):
            _refuse_unusable(value)
        return value

    def _path(self) -> AttributePath:
        kind, text = self._next()
        path = attribute_path(text) if kind == "word" else None
        if path is None or not path.name:
            raise invalid_filter(f"has no attribute {text[:40]!r}")
        return path

    def _took_word(self, word: str) -> bool:
        kind, text = self._peek()
        is_it = kind == "word" and text.lower() == word
        self._at += is_it
        return is_it

    def _need(self, kind: str, text: str) -> None:
        if self._next() != (kind, text):
            raise invalid_filter(f"lacks a {text!r}")

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self._at] if self._at < len(self._tokens) else ("end", "")

    def _next(self) -> tuple[str, str]:
        found = self._peek()
        if found[0] == "end":
            raise invalid_filter("ends too early")
        self._at += 1
        return found


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    at = 0
    text = text.rstrip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            raise invalid_filter(f"cannot be read at {text[at:at + 40]!r}")
        yield match.lastgroup, match[match.lastgroup]
        at = match.end()


def _refuse_unusable(value: str) -> None:
    """A database text holds neither NUL nor half of a surrogate pair."""
    if "\x00" in value or any("\ud800" <= char <= "\udfff" for char in value):
        raise invalid_filter("holds a character that no value has")


__all__ = ["Among", "AttributePath", "Both", "Filter", "Not", "ScimError", "Test", "Value", "attribute_path", "parse"]
