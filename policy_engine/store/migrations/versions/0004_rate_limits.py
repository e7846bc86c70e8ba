"""Buckets that are nearly empty, as all processes of a fleet left them; lost in a crash, which costs little."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

STATEMENTS = (
    "CREATE UNLOGGED TABLE policy_engine.rate_limits (key text PRIMARY KEY, full_at timestamptz NOT NULL)",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON policy_engine.rate_limits TO gridwarden_app",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
