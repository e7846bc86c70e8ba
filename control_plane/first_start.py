"""What the first start brings: an administrator, the console's and the terminal's clients, demo users if asked."""

import os
from dataclasses import dataclass

from control_plane.cli.person import CLIENT_ID as TERMINAL_CLIENT
from control_plane.cli.person import REDIRECT_URI as TERMINAL_REDIRECT
from control_plane.config import Settings
from control_plane.home import Home
from identity.service import IdentityProvider
from shared_kernel.errors import ConflictError
from shared_kernel.ids import secret
from shared_kernel.principal import Role

CONSOLE_CLIENT = "gridwarden-console"
DEMO_USERS: tuple[tuple[str, Role], ...] = (
    ("vera.viewer", Role.GRID_VIEWER),
    ("orhan.operator", Role.GRID_OPERATOR),
    ("olta.operator", Role.GRID_OPERATOR),
    ("ana.analyst", Role.ANALYST),
    ("sami.soc", Role.SOC_ANALYST),
    ("arta.auditor", Role.AUDITOR),
    ("dren.steward", Role.DATA_STEWARD),
)
"""Name, role; two operators, because one may not approve what the other asked for."""


@dataclass(frozen=True, slots=True)
class Credential:
    """An account just made, to be shown once."""

    name: str
    password: str
    roles: tuple[str, ...]


def console_secret(home: Home) -> str:
    """Return the console's client secret, made at first use, readable by us alone."""
    path = home.keys / "console.secret"
    if not path.exists():
        home.prepare()
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secret())
            file.flush()
            os.fsync(file.fileno())
    return path.read_text().strip()


async def ensure_clients(identity: IdentityProvider, settings: Settings, home: Home) -> None:
    """Register the two first-party clients, or bring their addresses up to date."""
    console = settings.console_base_url()
    await identity.ensure_client(
        CONSOLE_CLIENT, name="Gridwarden console", redirect_uris=[f"{console}/callback"],
        post_logout_redirect_uris=[f"{console}/signed-out"], first_party=True, secret=console_secret(home),
    )
    await identity.ensure_client(
        TERMINAL_CLIENT, name="Gridwarden terminal", redirect_uris=[TERMINAL_REDIRECT], first_party=True,
    )


async def ensure_people(identity: IdentityProvider, *, demo: bool) -> list[Credential]:
    """Create the administrator and, if asked, the demo users; return those that are new, with their passwords."""
    made = []
    password = await identity.ensure_admin()
    if password is not None:
        made.append(Credential("admin", password, (Role.ADMIN,)))
    for name, role in DEMO_USERS if demo else ():
        password = secret()
        try:
            await identity.create_user(name, password, roles=frozenset({role}))
        except ConflictError:
            continue
        made.append(Credential(name, password, (role,)))
    return made
