"""A role as a SCIM Group: its display name, and the people who have it."""

import re
import unicodedata
import zlib
from dataclasses import dataclass
from typing import Any

from identity.domain.people.roles import RoleRecord
from identity.domain.scim.schemas import GROUP
from shared_kernel.clock import to_iso

_NOT_A_ROLE = re.compile(r"[^a-z0-9]+", re.ASCII)
_MAX_ROLE = 48


@dataclass(frozen=True, slots=True)
class Group:
    """A role with the ids of its members, in their order."""

    role: RoleRecord
    members: tuple[str, ...] = ()

    @property
    def display_name(self) -> str:
        """What directories call the group: a built-in role by its name, which policies know."""
        return self.role.name if self.role.is_built_in else self.role.display_name

    @property
    def etag(self) -> str:
        """What changes with every change of the document, also of its members."""
        known = f"{self.display_name} {self.members}"
        return f'W/"{self.role.version}.{zlib.crc32(known.encode()):08x}"'


def shown(group: Group, base: str) -> dict[str, Any]:
    """Return the whole resource as it is answered."""
    role = group.role
    found: dict[str, Any] = {
        "schemas": [GROUP], "id": role.id, "displayName": group.display_name,
        "meta": {"resourceType": "Group", "created": to_iso(role.created_at_us),
                 "lastModified": to_iso(role.updated_at_us or role.created_at_us),
                 "location": f"{base}/Groups/{role.id}", "version": group.etag}}
    if role.external_id is not None:
        found["externalId"] = role.external_id
    if group.members:
        found["members"] = [{"value": member, "$ref": f"{base}/Users/{member}", "type": "User"}
                            for member in group.members]
    return found


def role_name_of(display_name: str) -> str:
    """Return a role name that a display name suggests."""
    plain = unicodedata.normalize("NFKD", display_name).encode("ascii", "ignore").decode().lower()
    words = _NOT_A_ROLE.sub("_", plain).strip("_")[:_MAX_ROLE].strip("_")
    return words if words and words[0].isalpha() and len(words) > 1 else f"group_{words}".rstrip("_")
