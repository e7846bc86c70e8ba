"""Roles: the built-in ones, which policies know by name, and those an organisation adds."""

from dataclasses import dataclass

from shared_kernel.errors import UnprocessableError

MAX_DESCRIPTION = 200


@dataclass(frozen=True, slots=True)
class RoleRecord:
    """A role; `name` is what tokens and policies say, `display_name` what people read. Also a SCIM Group."""

    id: str
    name: str
    display_name: str
    created_at_us: int
    updated_at_us: int
    external_id: str | None = None
    is_built_in: bool = False
    version: int = 1


def new_description(text: str) -> str:
    """Return what people read about a role; raise UnprocessableError."""
    found = text.strip()
    if not found.isprintable() or not 0 < len(found) <= MAX_DESCRIPTION:
        raise UnprocessableError(f"a role's description must be 1 to {MAX_DESCRIPTION} printable characters")
    return found
