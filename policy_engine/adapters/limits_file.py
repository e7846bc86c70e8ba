"""The operator's file of rate limits (YAML), instead of the shipped table."""

from pathlib import Path

import yaml

from policy_engine.domain.limits.rules import Rule, UnusableRulesError, read_rules

MAX_BYTES = 65_536


def rules_of(path: Path) -> tuple[Rule, ...]:
    """Return the rules of a file; raise UnusableRulesError that names the file and what is wrong."""
    try:
        return read_rules(yaml.safe_load(_content(path)))
    except (OSError, yaml.YAMLError, UnusableRulesError) as cause:
        raise UnusableRulesError(f"the rate limits in {path} cannot be used: {cause}") from cause


def _content(path: Path) -> bytes:
    with path.open("rb") as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise UnusableRulesError(f"it is longer than {MAX_BYTES} bytes")
    return content
