"""Each house's own Alembic version tree, run forward to its head.

A house keeps its revisions in `<house>/store/migrations/versions`, its tables and its version table in the schema
of its own name. Alembic runs over asyncpg, so the product carries one database driver.
"""

from importlib.resources import as_file, files

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine

from control_plane.database.roles import CREATE_ROLES
from shared_kernel.errors import GridwardenError

HOUSES = (
    "audit_ledger", "identity", "policy_engine", "governance", "grid_services", "siem_rules", "soar_playbooks",
)


class NewerDataError(GridwardenError):
    """The database was written by a newer version of this product."""

    def __init__(self, house: str) -> None:
        super().__init__(
            f"the {house} tables were written by a newer Gridwarden: install that version or restore an older backup",
        )


async def migrate(url: str, houses: tuple[str, ...] = HOUSES) -> None:
    """Create roles and bring the schemas of `houses` to their heads; `url` is a libpq URL of the owner."""
    engine = create_async_engine(sqlalchemy_url(url))
    try:
        async with engine.begin() as connection:
            await connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('gridwarden.migrate'))"))
            for statement in CREATE_ROLES:
                await connection.exec_driver_sql(statement)
            for house in houses:
                await connection.run_sync(_upgrade, house)
    finally:
        await engine.dispose()


def sqlalchemy_url(url: str) -> str:
    """Return the URL with SQLAlchemy's name for asyncpg."""
    scheme, _, rest = url.partition("://")
    if scheme not in {"postgresql", "postgres"}:
        message = f"DATABASE_URL must start with postgresql://, not {scheme}://"
        raise ValueError(message)
    return f"postgresql+asyncpg://{rest}"


def _upgrade(connection: Connection, house: str) -> None:
    with as_file(files(house) / "store" / "migrations") as folder:
        config = Config()
        config.set_main_option("script_location", str(folder))
        script = ScriptDirectory.from_config(config)
        connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {house}"))
        with EnvironmentContext(config, script, fn=lambda rev, _: script._upgrade_revs("head", rev)) as environment:  # noqa: SLF001 - the seam Alembic's own `upgrade` command uses
            environment.configure(connection=connection, version_table="alembic_version", version_table_schema=house)
            try:
                environment.run_migrations()
            except CommandError as cause:
                raise NewerDataError(house) from cause
