"""How a command that needs no running gateway finds the database: by URL, or the home's embedded server."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from control_plane.config import load_settings
from control_plane.database.embedded import EmbeddedPostgres
from control_plane.home import Home
from shared_kernel.errors import GridwardenError


class NoDatabaseError(GridwardenError):
    """There is nothing to connect to."""

    def __init__(self, home: Path) -> None:
        super().__init__(f"{home} holds no database: set GRIDWARDEN_HOME, or pass --database-url")


@contextlib.contextmanager
def database(home: Path | None, url: str | None) -> Iterator[str]:
    """Yield an owner's URL; an embedded server that was not running is started and stopped again."""
    settings = load_settings(home=home, database_url=url)
    if settings.database_url:
        yield settings.database_url
        return
    place = Home(settings.home.resolve())
    if not (place.postgres / "PG_VERSION").exists():
        raise NoDatabaseError(place.root)
    server = EmbeddedPostgres(place.postgres)
    was_running = server.is_running()
    found = server.start()
    try:
        yield found
    finally:
        if not was_running:
            server.stop()
