"""How a command that needs no running gateway finds the database: by URL, or the home's embedded server.

An embedded server is stopped by the command that started it, Ctrl-C or not, unless a product or another command has
come to use it meanwhile.
"""

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from control_plane.config import load_settings
from control_plane.database.embedded import EmbeddedPostgres
from control_plane.home import Home, is_in_use
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
    with _used(place.postgres) as is_alone:
        was_running = server.is_running()
        try:
            yield server.start()
        finally:
            if not was_running and is_alone() and not is_in_use(place):
                server.stop()


@contextlib.contextmanager
def _used(cluster: Path) -> Iterator[Callable[[], bool]]:
    """Hold a cluster together with other commands; yield the question whether they are gone."""
    held = os.open(cluster / "PG_VERSION", os.O_RDONLY)

    def is_alone() -> bool:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    try:
        fcntl.flock(held, fcntl.LOCK_SH)
        yield is_alone
    finally:
        os.close(held)
