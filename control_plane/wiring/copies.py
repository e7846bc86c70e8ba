"""The ledger's copies as the settings name them: always a tile log in the home, a MongoDB if there is one."""

from audit_ledger.adapters.tile_folder import TileFolder
from audit_ledger.service.copies.port import Copy
from control_plane.config import Settings
from control_plane.home import Home


def copies_of(stream: str, home: Home, settings: Settings) -> tuple[Copy, ...]:
    """Return the copies of one ledger; close each when done."""
    tiles = TileFolder(home.tiles, stream)
    if settings.mongodb_host is None:
        return (tiles,)
    from audit_ledger.adapters.mongo_mirror import MongoMirror  # its driver takes a quarter of a second to load

    password = settings.mongodb_password.get_secret_value() if settings.mongodb_password else None
    return tiles, MongoMirror.connect(
        host=settings.mongodb_host, port=settings.mongodb_port, database=settings.mongodb_db, stream=stream,
        user=settings.mongodb_user, password=password)
