"""Every bundle that ever decided, by its revision: what an old decision is asked of again."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

STATEMENTS = (
    """CREATE TABLE policy_engine.kept_bundles (
        revision text PRIMARY KEY CHECK (revision ~ '^[0-9a-f]{64}$'),
        name text NOT NULL,
        built_at_us bigint,
        files bytea NOT NULL,
        kept_at timestamptz NOT NULL DEFAULT now()
    )""",
    "GRANT SELECT, INSERT ON policy_engine.kept_bundles TO gridwarden_app",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
