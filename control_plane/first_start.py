"""What the first start brings: an administrator, the console's client, demo users if asked, the real data."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from shared_kernel.principal import Role

DEMO_USERS: tuple[tuple[str, tuple[Role, ...]], ...] = (
    ("vera.viewer", (Role.GRID_VIEWER,)),
    ("orhan.operator", (Role.GRID_OPERATOR,)),
    ("ana.analyst", (Role.ANALYST,)),
    ("sami.soc", (Role.SOC_ANALYST,)),
    ("arta.auditor", (Role.AUDITOR,)),
    ("dren.steward", (Role.DATA_STEWARD,)),
)
"""One person a role: name, roles."""
CONSOLE_CLIENT = "gridwarden-console"


@dataclass(frozen=True, slots=True)
class Credential:
    """An account just made, to be shown once."""

    name: str
    password: str
    roles: tuple[str, ...]


CreateUser = Callable[..., Awaitable[object]]
