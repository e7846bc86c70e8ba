"""Whatever takes rights away tells every process that listens, in the transaction that takes them.

`NOTIFY gridwarden_changes, '<topic> <id>'` with the topics grant, session, subject and client. A trigger cannot be
forgotten by a way of revoking that somebody adds later.
"""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TELL = """CREATE FUNCTION identity.tell_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('gridwarden_changes', TG_ARGV[0] || ' ' || OLD.id);
    RETURN NULL;
END $$"""

_NOW_US = "extract(epoch FROM now()) * 1000000"

TRIGGERS = (
    ("grants", "grant", "UPDATE", "OLD.revoked_at_us IS NULL AND NEW.revoked_at_us IS NOT NULL"),
    ("grants", "grant", "DELETE", f"OLD.revoked_at_us IS NULL AND OLD.expires_at_us > {_NOW_US}"),
    ("sessions", "session", "UPDATE", "OLD.ended_at_us IS NULL AND NEW.ended_at_us IS NOT NULL"),
    ("sessions", "session", "DELETE", f"OLD.ended_at_us IS NULL AND OLD.expires_at_us > {_NOW_US}"),
    ("users", "subject", "UPDATE", "(OLD.status, OLD.roles) IS DISTINCT FROM (NEW.status, NEW.roles)"),
    ("users", "subject", "DELETE", "true"),
    ("clients", "client", "UPDATE", "OLD IS DISTINCT FROM NEW"),
    ("clients", "client", "DELETE", "true"),
)
"""Table, topic, statement, and when it matters: rows that had ended anyway are pruned in silence."""


def upgrade() -> None:
    """Add one trigger a row of the table."""
    op.execute(TELL)
    for table, topic, statement, when in TRIGGERS:
        op.execute(
            f"CREATE TRIGGER tell_{statement.lower()} AFTER {statement} ON identity.{table} FOR EACH ROW "
            f"WHEN ({when}) EXECUTE FUNCTION identity.tell_change('{topic}')")
