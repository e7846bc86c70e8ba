"""The rules of a bundle as a person reads them: name, place, the comment above, and which other rules each needs.

Read from the text, not from a syntax tree: a name counts as needed where it stands by itself in a rule's body, outside
comments and texts and not behind a dot. Functions have no value of their own and are left out.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

PACKAGE = "gateway"
ENTRY = "decision"

_HEAD = re.compile(r"(?:default\s+)?([a-z_][a-zA-Z0-9_]*)(?:\s+(?:if|contains|:=|in)\b|\s*:=|\s*\[|\s*=[^=]|\s*$)")
_PACKAGE = re.compile(rf"package\s+{PACKAGE}\s*(?:#.*)?")
_NOT_RULES = frozenset({"package", "import", "else", "default"})
_TEXT = re.compile(r'"(?:[^"\\]|\\.)*"|`[^`]*`')
_NAME = re.compile(r"(?<![\w.])([a-z_][a-zA-Z0-9_]*)(?![\w(])")


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule by name; `file` and `line` say where it first stands, `note` is the comment above it."""

    name: str
    file: str
    line: int
    note: str
    needs: tuple[str, ...]


def rules_of(policies: Mapping[str, str]) -> dict[str, Rule]:
    """Return the rules of the deciding package by name, from all of its files."""
    parts = [part for file, text in sorted(policies.items()) if _PACKAGE.search(text) for part in _parts(file, text)]
    names = {name for name, *_ in parts}
    bodies: dict[str, list[str]] = {}
    first: dict[str, tuple[str, int, str]] = {}
    for name, file, line, note, body in parts:
        bodies.setdefault(name, []).append(body)
        if name not in first or (note and not first[name][2]):
            first[name] = (file, line, note)
    return {name: Rule(name, *first[name], _needed(name, bodies[name], names)) for name in first}


def _parts(file: str, text: str) -> Iterator[tuple[str, str, int, str, str]]:
    """Yield (name, file, line, note, body) of every definition: it goes on until the next line that begins one."""
    notes: list[str] = []
    name, start, body = "", 0, [""]
    comment = ""
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("#"):
            notes.append(line.lstrip("# ").rstrip())
            continue
        head = _HEAD.match(line)
        if head and head[1] not in _NOT_RULES:
            if name:
                yield name, file, start, comment, "\n".join(body)
            name, start, body, comment = head[1], number, [line[head.end(1):]], " ".join(notes)
        elif name:
            body.append(line)
        notes = []
    if name:
        yield name, file, start, comment, "\n".join(body)


def _needed(name: str, bodies: list[str], names: set[str]) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for body in bodies:
        bare = "\n".join(_TEXT.sub('""', line).partition("#")[0] for line in body.splitlines())
        found.update(dict.fromkeys(word for word in _NAME.findall(bare) if word in names and word != name))
    return tuple(found)
