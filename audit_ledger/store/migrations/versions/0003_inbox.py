"""The inbox: records of processes that do not lead, until the leader has sealed them.

UNLOGGED: a crash of the server empties it, and whoever waits learns that the outcome is unknown. Only the ledger's
writer may touch it, so that nobody appends through it who could not append without it.
"""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

STATEMENTS = (
    """CREATE UNLOGGED TABLE audit_ledger.inbox (
        stream text NOT NULL,
        sender bigint NOT NULL,
        number bigint NOT NULL,
        payload bytea NOT NULL CHECK (octet_length(payload) <= 65535),
        put_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        refused text,
        PRIMARY KEY (stream, sender, number)
    ) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000)""",
    "COMMENT ON TABLE audit_ledger.inbox IS 'records on their way to the leader; gone with the commit that seals them'",
    "GRANT SELECT, INSERT, DELETE ON audit_ledger.inbox TO gridwarden_ledger_writer",
    "GRANT UPDATE (refused) ON audit_ledger.inbox TO gridwarden_ledger_writer",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
