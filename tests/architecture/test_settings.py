"""Every setting is told, and nothing is told that cannot be set."""

import re
from pathlib import Path

from pydantic import AliasChoices

from control_plane.config import Settings

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "configuration.md").read_text().split("## The data directory")[0]


def _variables() -> dict[str, set[str]]:
    """Return the environment variables of each setting."""
    found = {}
    for name, field in Settings.model_fields.items():
        alias = field.validation_alias
        choices = {str(each) for each in alias.choices} if isinstance(alias, AliasChoices) else set()
        found[name] = {each for each in choices if each.isupper()} or {f"GRIDWARDEN_{name.upper()}"}
    return found


def test_every_setting_stands_on_the_page() -> None:
    missing = {name: names for name, names in _variables().items() if not any(f"`{each}`" in PAGE for each in names)}

    assert missing == {}


def test_every_variable_on_the_page_is_a_setting() -> None:
    rows = re.findall(r"^\| (`.*?) \|", PAGE, re.MULTILINE)

    told = {name for row in rows for name in re.findall(r"`([A-Z_]+)`", row)}

    assert told - {name for names in _variables().values() for name in names} == set()
