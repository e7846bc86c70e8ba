"""More levels, histories that several processes share and that age, subjects that were erased, models that score.

`changed` is the transaction that wrote a row: whoever remembers the oldest transaction that was open at its last look
reads every row since, and misses none that was committed late. `epoch` moves when a whole history must be read again.
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

STATEMENTS = (
    """ALTER TABLE policy_engine.risk_subjects
        ADD COLUMN changed xid8 NOT NULL DEFAULT pg_current_xact_id(),
        ADD COLUMN writer uuid,
        ADD COLUMN epoch bigint NOT NULL DEFAULT 0,
        ADD COLUMN aged_at timestamptz NOT NULL DEFAULT now()""",
    """ALTER TABLE policy_engine.risk_counts
        ADD COLUMN changed xid8 NOT NULL DEFAULT pg_current_xact_id(),
        ADD COLUMN writer uuid,
        DROP CONSTRAINT risk_counts_feature_check,
        ADD CONSTRAINT risk_counts_feature_check CHECK (feature IN (
            'address', 'subnet', 'network', 'country', 'agent', 'family', 'system', 'device', 'hour', 'action',
            'group', 'acted'))""",
    "CREATE INDEX risk_subjects_changed ON policy_engine.risk_subjects (changed)",
    "CREATE INDEX risk_counts_changed ON policy_engine.risk_counts (changed)",
    """INSERT INTO policy_engine.risk_counts (subject, feature, value, seen)
        SELECT subject, 'subnet',
            network(set_masklen(value::inet, CASE family(value::inet) WHEN 4 THEN 24 ELSE 64 END))::text, sum(seen)
        FROM policy_engine.risk_counts WHERE feature = 'address' GROUP BY 1, 2, 3""",
    """INSERT INTO policy_engine.risk_counts (subject, feature, value, seen)
        SELECT subject, 'system', coalesce(nullif(split_part(value, ' on ', 2), ''), 'no system'), sum(seen)
        FROM policy_engine.risk_counts WHERE feature = 'family' GROUP BY 1, 2, 3""",
    """CREATE TABLE policy_engine.risk_erasures (
        subject_hash bytea PRIMARY KEY,
        changed xid8 NOT NULL DEFAULT pg_current_xact_id(),
        erased_at timestamptz NOT NULL DEFAULT now()
    )""",
    """CREATE TABLE policy_engine.risk_models (
        digest text PRIMARY KEY CHECK (digest ~ '^[0-9a-f]{64}$'),
        artifact bytea NOT NULL,
        activated_at timestamptz NOT NULL DEFAULT now(),
        is_active boolean NOT NULL
    )""",
    "CREATE UNIQUE INDEX one_active_risk_model ON policy_engine.risk_models (is_active) WHERE is_active",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON policy_engine.risk_erasures TO gridwarden_app",
    "GRANT SELECT ON policy_engine.risk_models TO gridwarden_app",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
