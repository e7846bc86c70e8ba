"""Who may do what, as the tables of the current policy have it: roles by action, before clearance, risk and purpose."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from shared_kernel.endpoint import Endpoint
from shared_kernel.obligations import AGGREGATE_FLOOR

_GROUPS = (("public", "everyone"), ("on_this_machine", "this machine"), ("signed_in", "everyone signed in"),
           ("any_scope", "everyone signed in"))


@dataclass(frozen=True, slots=True)
class Audience:
    """`tables` is `data.access` of the policy bundle, and `revision` the bundle's."""

    revision: str = ""
    tables: Mapping[str, Any] = field(default_factory=dict)

    def of(self, endpoint: Endpoint) -> dict[str, Any]:
        """Return what the document says of a route: `x-open-to` and, where roles decide, `x-roles`."""
        action = endpoint.action
        if endpoint.probe:
            return {"x-open-to": "everyone", "x-roles": []}
        roles = sorted(set(self.tables.get("by_role", {}).get(action, ())) - self._floored(endpoint))
        open_to = next((who for group, who in _GROUPS if self._names(group, action)), "roles" if roles else "nobody")
        return {"x-open-to": open_to, "x-roles": roles}

    def knows(self, action: str) -> bool:
        """Tell whether the policy says anything of an action."""
        return action in self.tables.get("by_role", {}) or any(self._names(group, action) for group, _ in _GROUPS)

    def _floored(self, endpoint: Endpoint) -> set[str]:
        """Return the roles that see this data in sums only, where the route makes none: theirs is always a *no*."""
        floors = {} if AGGREGATE_FLOOR in endpoint.fulfils else self.tables.get("floors", {}).get(endpoint.dataset, {})
        return {role for role, floor in floors.items() if floor["n"] > 0}

    def _names(self, group: str, action: str) -> bool:
        named = self.tables.get(group, {})
        return bool(named.get(action) or named.get(f"{action.partition('.')[0]}.*"))
