"""Playbook versions, runs with their leases, steps, the append-only journal, approvals and kill switches."""

from alembic import op

revision = "0001"
down_revision = None

STATEMENTS = (
    """
    CREATE TABLE soar_playbooks.versions (
        version_hash text PRIMARY KEY, name text NOT NULL, content text NOT NULL, first_run_at_us bigint NOT NULL)
    """,
    """
    CREATE TABLE soar_playbooks.runs (
        run_id text PRIMARY KEY, number bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
        playbook text NOT NULL, version_hash text NOT NULL,
        alert_key text, alert_seq bigint, alert_id text NOT NULL,
        status text NOT NULL, reason text NOT NULL, plan_hash text NOT NULL,
        requester jsonb NOT NULL, created_at_us bigint NOT NULL, finished_at_us bigint,
        lease_owner text, lease_until timestamptz, next_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        UNIQUE (playbook, alert_key)) WITH (fillfactor = 50)
    """,
    # Apart from the run, whose row is written at every step, and so never rewritten.
    "CREATE TABLE soar_playbooks.plans (run_id text PRIMARY KEY, plan jsonb NOT NULL)",
    "CREATE INDEX runs_ready ON soar_playbooks.runs (next_at) WHERE status = 'ready'",
    """
    CREATE TABLE soar_playbooks.steps (
        run_id text NOT NULL REFERENCES soar_playbooks.runs, position smallint NOT NULL,
        state text NOT NULL DEFAULT 'planned', attempts smallint NOT NULL DEFAULT 0,
        resumptions smallint NOT NULL DEFAULT 0, result jsonb, error text,
        intended_at_us bigint, finished_at_us bigint, PRIMARY KEY (run_id, position)) WITH (fillfactor = 50)
    """,
    """
    CREATE TABLE soar_playbooks.journal (
        seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, run_id text NOT NULL, position smallint,
        what text NOT NULL, at_us bigint NOT NULL, detail text NOT NULL DEFAULT '')
    """,
    "CREATE INDEX journal_run ON soar_playbooks.journal (run_id, seq)",
    """
    CREATE TABLE soar_playbooks.approvals (
        run_id text PRIMARY KEY REFERENCES soar_playbooks.runs, plan_hash text NOT NULL, state text NOT NULL,
        expires_at_us bigint NOT NULL, requested_by text NOT NULL,
        decided_by text, decided_by_name text, decided_at_us bigint, comment text)
    """,
    "CREATE INDEX approvals_pending ON soar_playbooks.approvals (expires_at_us) WHERE state = 'pending'",
    """
    CREATE TABLE soar_playbooks.switches (
        scope text PRIMARY KEY, is_on boolean NOT NULL, set_by text NOT NULL, reason text NOT NULL,
        set_at_us bigint NOT NULL)
    """,
    "CREATE TABLE soar_playbooks.positions (source text PRIMARY KEY, next_seq bigint NOT NULL)",
    "GRANT USAGE ON SCHEMA soar_playbooks TO gridwarden_app",
    """
    GRANT SELECT, INSERT, UPDATE ON soar_playbooks.runs, soar_playbooks.steps, soar_playbooks.approvals,
        soar_playbooks.switches, soar_playbooks.positions TO gridwarden_app
    """,
    # What was planned and what happened is never rewritten.
    """
    GRANT SELECT, INSERT ON soar_playbooks.versions, soar_playbooks.plans, soar_playbooks.journal TO gridwarden_app
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
