"""Entries, subtrees, checkpoints and heads; who may do what; and triggers that hold even against the owner's habits."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = (
    """CREATE TABLE audit_ledger.entries (
        stream text NOT NULL,
        seq bigint NOT NULL CHECK (seq >= 0),
        recorded_at_us bigint NOT NULL CHECK (recorded_at_us >= 0),
        prev_hash bytea NOT NULL CHECK (octet_length(prev_hash) = 32),
        entry_hash bytea NOT NULL CHECK (octet_length(entry_hash) = 32),
        payload bytea NOT NULL CHECK (octet_length(payload) <= 65535),
        action text, subject text, request_id text, dataset text, outcome text, event_time text,
        PRIMARY KEY (stream, seq)
    )""",
    """CREATE TABLE audit_ledger.subtrees (
        stream text NOT NULL,
        level smallint NOT NULL,
        index bigint NOT NULL,
        hash bytea NOT NULL CHECK (octet_length(hash) = 32),
        PRIMARY KEY (stream, level, index)
    )""",
    """CREATE TABLE audit_ledger.checkpoints (
        stream text NOT NULL,
        size bigint NOT NULL,
        published_at_us bigint NOT NULL,
        note bytea NOT NULL,
        PRIMARY KEY (stream, size)
    )""",
    """CREATE TABLE audit_ledger.heads (
        stream text PRIMARY KEY,
        size bigint NOT NULL,
        entry_hash bytea NOT NULL CHECK (octet_length(entry_hash) = 32)
    )""",
    "COMMENT ON TABLE audit_ledger.entries IS 'payload is RFC 8785 JSON, the exact bytes that were hashed'",
    "COMMENT ON TABLE audit_ledger.subtrees IS 'RFC 6962 nodes over 2^level entries, level 8, 16, ...'",
    "COMMENT ON TABLE audit_ledger.checkpoints IS 'C2SP signed notes'",
    "COMMENT ON TABLE audit_ledger.heads IS 'how long each stream is; moved by compare-and-swap with every commit'",
)

INDEXES = tuple(
    f"CREATE INDEX entries_{column} ON audit_ledger.entries ({column}, seq) WHERE {column} IS NOT NULL"
    for column in ("action", "subject", "request_id", "dataset")
)

REFUSE_CHANGE = """CREATE FUNCTION audit_ledger.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'audit_ledger.% is append-only: % is refused', TG_TABLE_NAME, TG_OP
            USING ERRCODE = 'insufficient_privilege';
    END $$"""

REFUSE_SHRINKING = """CREATE FUNCTION audit_ledger.refuse_shrinking() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF NEW.stream <> OLD.stream OR NEW.size <= OLD.size THEN
            RAISE EXCEPTION 'audit_ledger.heads only grows: % to % is refused', OLD.size, NEW.size
                USING ERRCODE = 'insufficient_privilege';
        END IF;
        RETURN NEW;
    END $$"""

GUARDS = {
    "entries": "UPDATE OR DELETE OR TRUNCATE",
    "subtrees": "UPDATE OR DELETE OR TRUNCATE",
    "checkpoints": "UPDATE OR DELETE OR TRUNCATE",
    "heads": "DELETE OR TRUNCATE",
}

GRANTS = (
    "GRANT USAGE ON SCHEMA audit_ledger TO gridwarden_ledger_writer, gridwarden_ledger_reader",
    ("GRANT SELECT, INSERT ON audit_ledger.entries, audit_ledger.subtrees, audit_ledger.checkpoints "
    "TO gridwarden_ledger_writer"),
    "GRANT SELECT, INSERT, UPDATE ON audit_ledger.heads TO gridwarden_ledger_writer",
    ("GRANT SELECT ON audit_ledger.entries, audit_ledger.subtrees, audit_ledger.checkpoints, audit_ledger.heads "
    "TO gridwarden_ledger_reader"),
)


def upgrade() -> None:
    for statement in (*TABLES, *INDEXES, REFUSE_CHANGE, REFUSE_SHRINKING, *GRANTS):
        op.execute(statement)
    for table, changes in GUARDS.items():
        op.execute(f"CREATE TRIGGER append_only BEFORE {changes} ON audit_ledger.{table} "
                   "FOR EACH STATEMENT EXECUTE FUNCTION audit_ledger.refuse_change()")
        op.execute(f"ALTER TABLE audit_ledger.{table} ENABLE ALWAYS TRIGGER append_only")
    op.execute("CREATE TRIGGER only_grows BEFORE UPDATE ON audit_ledger.heads "
               "FOR EACH ROW EXECUTE FUNCTION audit_ledger.refuse_shrinking()")
    op.execute("ALTER TABLE audit_ledger.heads ENABLE ALWAYS TRIGGER only_grows")
