"""YAML without its traps: safe tags only, no key twice, no anchors (they can make a small file huge)."""

from typing import Any

import yaml

from soar_playbooks.domain.errors import PlaybookError

MAX_CHARACTERS = 65_536


class _StrictLoader(yaml.SafeLoader):
    """SafeLoader that refuses what would be read in silence."""

    def compose_node(self, parent: Any, index: Any) -> yaml.Node | None:  # noqa: ANN401 - PyYAML's signature
        """Refuse an alias before it is followed."""
        if self.check_event(yaml.AliasEvent):
            raise PlaybookError("the file", "anchors and aliases are not taken: write the value out")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:  # noqa: ANN401, FBT001, FBT002 - PyYAML's signature
        """Refuse a key that stands twice, or is not a text."""
        keys = [key.value for key, _ in node.value]
        for key in keys:
            if not isinstance(key, str) or keys.count(key) > 1:
                raise PlaybookError(f"line {node.start_mark.line + 1}", f"the key {key!r} stands twice or is no text")
        return super().construct_mapping(node, deep)


def parse_yaml(text: str) -> object:
    """Return the document; raise PlaybookError with the place of the mistake."""
    if len(text) > MAX_CHARACTERS:
        raise PlaybookError("the file", f"it is longer than {MAX_CHARACTERS} characters")
    try:
        return yaml.load(text, _StrictLoader)  # noqa: S506 - a SafeLoader made stricter
    except (yaml.YAMLError, RecursionError) as cause:
        raise PlaybookError("the file", f"it is not YAML: {' '.join(str(cause).split())[:300]}") from cause
