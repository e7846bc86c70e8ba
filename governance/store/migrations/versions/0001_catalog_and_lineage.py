"""The catalog's snapshot, people's raised labels, and lineage."""

from alembic import op

revision = "0001"
down_revision = None

STATEMENTS = (
    """
    CREATE TABLE governance.datasets (
        name text PRIMARY KEY, title text NOT NULL, description text NOT NULL,
        classification smallint NOT NULL CHECK (classification BETWEEN 0 AND 3),
        provenance text NOT NULL, source text NOT NULL, attribution text NOT NULL)
    """,
    """
    CREATE TABLE governance.columns (
        dataset text NOT NULL REFERENCES governance.datasets ON DELETE CASCADE, name text NOT NULL,
        position smallint NOT NULL, classification smallint NOT NULL CHECK (classification BETWEEN 0 AND 3),
        categories text[] NOT NULL, mask text, PRIMARY KEY (dataset, name))
    """,
    # No foreign key: a raised label outlives a dataset that leaves the file and comes back.
    """
    CREATE TABLE governance.label_overrides (
        dataset text NOT NULL, column_name text NOT NULL DEFAULT '',
        classification smallint NOT NULL CHECK (classification BETWEEN 0 AND 3),
        reason text NOT NULL, set_by text NOT NULL, set_at_us bigint NOT NULL, PRIMARY KEY (dataset, column_name))
    """,
    """
    CREATE TABLE governance.lineage_runs (
        shape bytea PRIMARY KEY, job text NOT NULL, inputs text[] NOT NULL, outputs text[] NOT NULL,
        times bigint NOT NULL, first_at_us bigint NOT NULL, last_at_us bigint NOT NULL)
    """,
    """
    CREATE TABLE governance.lineage_edges (
        grain text NOT NULL CHECK (grain IN ('dataset', 'column')), source text NOT NULL, target text NOT NULL,
        job text NOT NULL, PRIMARY KEY (source, target, job, grain))
    """,
    "CREATE INDEX lineage_edges_target ON governance.lineage_edges (target)",
    "GRANT USAGE ON SCHEMA governance TO gridwarden_app",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON governance.datasets, governance.columns TO gridwarden_app",
    "GRANT SELECT, INSERT, UPDATE ON governance.label_overrides, governance.lineage_runs TO gridwarden_app",
    "GRANT SELECT, INSERT ON governance.lineage_edges TO gridwarden_app",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
