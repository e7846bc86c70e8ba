"""What was seen of whom: requests by subject, and counts of each value of each feature."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

STATEMENTS = (
    """CREATE TABLE policy_engine.risk_subjects (
        subject text PRIMARY KEY,
        requests bigint NOT NULL CHECK (requests >= 0)
    )""",
    """CREATE TABLE policy_engine.risk_counts (
        subject text NOT NULL REFERENCES policy_engine.risk_subjects ON DELETE CASCADE,
        feature text NOT NULL CHECK (feature IN ('address', 'network', 'agent', 'family', 'hour')),
        value text NOT NULL,
        seen bigint NOT NULL CHECK (seen >= 0),
        PRIMARY KEY (subject, feature, value)
    )""",
    "GRANT USAGE ON SCHEMA policy_engine TO gridwarden_app",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON policy_engine.risk_subjects TO gridwarden_app",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON policy_engine.risk_counts TO gridwarden_app",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
