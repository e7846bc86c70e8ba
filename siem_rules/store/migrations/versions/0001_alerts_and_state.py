"""Alerts, and what the engine must remember to raise each of them exactly once."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

STATEMENTS = (
    """CREATE TABLE siem_rules.alerts (
        ordinal bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        alert_id text NOT NULL UNIQUE,
        key text NOT NULL,
        rule_id text NOT NULL,
        rule_text text NOT NULL,
        severity text NOT NULL CHECK (severity IN ('low', 'medium', 'high', 'critical')),
        status text NOT NULL DEFAULT 'New' CHECK (status IN ('New', 'In progress', 'Closed')),
        owner text,
        reason text,
        raised_at_us bigint NOT NULL,
        changed_at_us bigint NOT NULL,
        event json NOT NULL,
        sealed_seq bigint
    )""",
    "CREATE INDEX alerts_unsealed ON siem_rules.alerts (ordinal) WHERE sealed_seq IS NULL",
    "CREATE INDEX alerts_by_status ON siem_rules.alerts (status, ordinal DESC)",
    "CREATE INDEX alerts_by_rule ON siem_rules.alerts (rule_id, ordinal DESC)",
    """CREATE TABLE siem_rules.progress (
        source text PRIMARY KEY,
        next_seq bigint NOT NULL,
        watermark_us bigint,
        late bigint NOT NULL DEFAULT 0
    )""",
    """CREATE TABLE siem_rules.members (
        member_id bytea PRIMARY KEY,
        correlation text NOT NULL,
        source text NOT NULL,
        group_values text[] NOT NULL,
        at_us bigint NOT NULL,
        event_id text NOT NULL,
        part text NOT NULL,
        value text,
        seqs bigint[] NOT NULL,
        facts json NOT NULL
    )""",
    "CREATE INDEX members_by_time ON siem_rules.members (correlation, source, at_us)",
    "GRANT USAGE ON SCHEMA siem_rules TO gridwarden_app",
    "GRANT SELECT, INSERT, UPDATE ON siem_rules.alerts TO gridwarden_app",
    "GRANT SELECT, INSERT, UPDATE ON siem_rules.progress TO gridwarden_app",
    "GRANT SELECT, INSERT, DELETE ON siem_rules.members TO gridwarden_app",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
