"""Parameters by reference: `${target}` and a few more words, replaced in one pass.

There is no expression, no attribute, no call: a value that itself looks like a reference stays the text it is.
"""

import re
from collections.abc import Mapping

REFERENCES = ("target", "reason", "rule", "alert")
_REFERENCE = re.compile(r"\$\{([^}]*)\}")


def unknown_references(text: str) -> list[str]:
    """Return the references in a text that mean nothing, an unclosed one included."""
    unknown = [name for name in _REFERENCE.findall(text) if name not in REFERENCES]
    return unknown + (["${"] if "${" in _REFERENCE.sub("", text) else [])


def filled(text: str, values: Mapping[str, str]) -> str:
    """Return the text with its references replaced."""
    return _REFERENCE.sub(lambda found: values[found[1]], text)
