"""Witnesses' cosignatures, timestamps, keys of sealed fields, and the marks below which entries may be pruned."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TABLES = (
    "ALTER TABLE audit_ledger.entries ADD COLUMN sealed_key text",
    "CREATE INDEX entries_sealed_key ON audit_ledger.entries (sealed_key, seq) WHERE sealed_key IS NOT NULL",
    """CREATE TABLE audit_ledger.cosignatures (
        stream text NOT NULL,
        size bigint NOT NULL,
        witness text NOT NULL,
        timestamp_s bigint NOT NULL,
        line text NOT NULL,
        PRIMARY KEY (stream, size, witness)
    )""",
    """CREATE TABLE audit_ledger.timestamps (
        stream text NOT NULL,
        size bigint NOT NULL,
        authority text NOT NULL,
        at_us bigint NOT NULL,
        token bytea NOT NULL,
        PRIMARY KEY (stream, size, authority)
    )""",
    """CREATE TABLE audit_ledger.subject_keys (
        stream text NOT NULL,
        commitment text NOT NULL,
        subject text NOT NULL,
        wrapped bytea,
        created_at_us bigint NOT NULL,
        erased_at_us bigint,
        PRIMARY KEY (stream, commitment),
        CHECK ((wrapped IS NULL) = (erased_at_us IS NOT NULL))
    )""",
    "CREATE INDEX subject_keys_subject ON audit_ledger.subject_keys (stream, subject)",
    """CREATE TABLE audit_ledger.prunes (
        stream text NOT NULL,
        size bigint NOT NULL CHECK (size % 256 = 0),
        root bytea NOT NULL CHECK (octet_length(root) = 32),
        archive_sha256 bytea NOT NULL CHECK (octet_length(archive_sha256) = 32),
        at_us bigint NOT NULL,
        PRIMARY KEY (stream, size)
    )""",
    "COMMENT ON TABLE audit_ledger.cosignatures IS 'C2SP cosignature/v1 lines of witnesses, by checkpoint size'",
    "COMMENT ON TABLE audit_ledger.timestamps IS 'RFC 3161 tokens over checkpoints'",
    "COMMENT ON TABLE audit_ledger.subject_keys IS 'keys of sealed personal fields, wrapped; erasing one sets it NULL'",
    "COMMENT ON TABLE audit_ledger.prunes IS 'entries below size are archived elsewhere and may be deleted here'",
)

REFUSE_UNLESS_PRUNED = """CREATE FUNCTION audit_ledger.refuse_unless_pruned() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF NOT EXISTS (SELECT FROM audit_ledger.prunes WHERE stream = OLD.stream AND size > OLD.seq) THEN
            RAISE EXCEPTION 'audit_ledger.entries is append-only: DELETE of entry % is refused, it is not archived',
                OLD.seq USING ERRCODE = 'insufficient_privilege';
        END IF;
        RETURN OLD;
    END $$"""

REFUSE_UNLESS_ERASING = """CREATE FUNCTION audit_ledger.refuse_unless_erasing() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF OLD.wrapped IS NULL OR NEW.wrapped IS NOT NULL
            OR (OLD.stream, OLD.commitment, OLD.subject, OLD.created_at_us)
            IS DISTINCT FROM (NEW.stream, NEW.commitment, NEW.subject, NEW.created_at_us) THEN
            RAISE EXCEPTION 'audit_ledger.subject_keys only forgets: this UPDATE is refused'
                USING ERRCODE = 'insufficient_privilege';
        END IF;
        RETURN NEW;
    END $$"""

GUARDS = (
    "DROP TRIGGER append_only ON audit_ledger.entries",
    """CREATE TRIGGER append_only BEFORE UPDATE OR TRUNCATE ON audit_ledger.entries
        FOR EACH STATEMENT EXECUTE FUNCTION audit_ledger.refuse_change()""",
    "ALTER TABLE audit_ledger.entries ENABLE ALWAYS TRIGGER append_only",
    """CREATE TRIGGER only_archived BEFORE DELETE ON audit_ledger.entries
        FOR EACH ROW EXECUTE FUNCTION audit_ledger.refuse_unless_pruned()""",
    "ALTER TABLE audit_ledger.entries ENABLE ALWAYS TRIGGER only_archived",
    """CREATE TRIGGER only_forgets BEFORE UPDATE ON audit_ledger.subject_keys
        FOR EACH ROW EXECUTE FUNCTION audit_ledger.refuse_unless_erasing()""",
    "ALTER TABLE audit_ledger.subject_keys ENABLE ALWAYS TRIGGER only_forgets",
)

APPEND_ONLY = {
    "cosignatures": "UPDATE OR DELETE OR TRUNCATE",
    "timestamps": "UPDATE OR DELETE OR TRUNCATE",
    "prunes": "UPDATE OR DELETE OR TRUNCATE",
    "subject_keys": "DELETE OR TRUNCATE",
}

GRANTS = (
    ("GRANT SELECT, INSERT ON audit_ledger.cosignatures, audit_ledger.timestamps, audit_ledger.subject_keys "
     "TO gridwarden_ledger_writer"),
    "GRANT UPDATE (wrapped, erased_at_us) ON audit_ledger.subject_keys TO gridwarden_ledger_writer",
    "GRANT SELECT ON audit_ledger.prunes TO gridwarden_ledger_writer",
    ("GRANT SELECT ON audit_ledger.cosignatures, audit_ledger.timestamps, audit_ledger.subject_keys, "
     "audit_ledger.prunes TO gridwarden_ledger_reader"),
    "GRANT USAGE ON SCHEMA audit_ledger TO gridwarden_ledger_pruner",
    "GRANT SELECT, INSERT ON audit_ledger.prunes TO gridwarden_ledger_pruner",
    "GRANT SELECT, DELETE ON audit_ledger.entries TO gridwarden_ledger_pruner",
    "GRANT SELECT ON audit_ledger.checkpoints, audit_ledger.subtrees TO gridwarden_ledger_pruner",
)


def upgrade() -> None:
    for statement in (*TABLES, REFUSE_UNLESS_PRUNED, REFUSE_UNLESS_ERASING, *GUARDS, *GRANTS):
        op.execute(statement)
    for table, changes in APPEND_ONLY.items():
        op.execute(f"CREATE TRIGGER append_only BEFORE {changes} ON audit_ledger.{table} "
                   "FOR EACH STATEMENT EXECUTE FUNCTION audit_ledger.refuse_change()")
        op.execute(f"ALTER TABLE audit_ledger.{table} ENABLE ALWAYS TRIGGER append_only")
