"""The channel that published bundles travel by, and the memory of the newest bundle that ever decided.

Both functions hold one advisory lock: a publisher alone, readers together. So whoever reads either sees a bundle, or
read before its publisher looked at the clock, and then the bundle decides no earlier than a lease after that reading.
Each is one statement of one transaction: a publisher that dies in between leaves nothing and holds nothing.
"""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

STATEMENTS = (
    """CREATE TABLE policy_engine.channel (
        is_it boolean PRIMARY KEY DEFAULT true CHECK (is_it),
        lease_ms integer NOT NULL DEFAULT 5000 CHECK (lease_ms BETWEEN 200 AND 60000),
        newest_sequence bigint NOT NULL DEFAULT 0,
        newest_built_at_us bigint NOT NULL DEFAULT 0,
        newest_revision text NOT NULL DEFAULT ''
    )""",
    "INSERT INTO policy_engine.channel DEFAULT VALUES",
    """CREATE TABLE policy_engine.bundles (
        version bigint PRIMARY KEY,
        revision text NOT NULL,
        name text NOT NULL,
        sequence bigint NOT NULL UNIQUE,
        built_at_us bigint NOT NULL,
        archive bytea NOT NULL,
        published_by text NOT NULL,
        published_at timestamptz NOT NULL,
        active_from timestamptz NOT NULL UNIQUE
    )""",
    """CREATE FUNCTION policy_engine.read_channel()
    RETURNS TABLE (database_at timestamptz, lease_ms integer, version bigint, revision text, name text, sequence bigint,
                   built_at_us bigint, published_by text, published_at timestamptz, active_from timestamptz)
    LANGUAGE plpgsql AS $$
    DECLARE at timestamptz;
    BEGIN
        PERFORM pg_advisory_xact_lock_shared(hashtext('policy_engine.channel'));
        at := clock_timestamp();
        RETURN QUERY SELECT at, c.lease_ms, b.version, b.revision, b.name, b.sequence, b.built_at_us, b.published_by,
                            b.published_at, b.active_from
        FROM policy_engine.channel c
        LEFT JOIN (SELECT * FROM policy_engine.bundles ORDER BY bundles.version DESC LIMIT 2) b ON true
        ORDER BY b.version;
    END $$""",
    """CREATE FUNCTION policy_engine.admit_bundle(given_sequence bigint, given_built_at_us bigint, given_revision text)
    RETURNS boolean LANGUAGE plpgsql AS $$
    BEGIN
        UPDATE policy_engine.channel SET newest_sequence = given_sequence, newest_built_at_us = given_built_at_us,
               newest_revision = given_revision
        WHERE (newest_sequence < given_sequence AND newest_built_at_us <= given_built_at_us)
           OR (newest_sequence = given_sequence AND newest_revision = given_revision);
        RETURN FOUND;
    END $$""",
    """CREATE FUNCTION policy_engine.publish_bundle(
        given_revision text, given_name text, given_sequence bigint, given_built_at_us bigint, given_archive bytea,
        given_by text)
    RETURNS text LANGUAGE plpgsql AS $$
    DECLARE
        at timestamptz;
        last policy_engine.bundles;
    BEGIN
        PERFORM pg_advisory_xact_lock(hashtext('policy_engine.channel'));
        at := clock_timestamp();
        SELECT * INTO last FROM policy_engine.bundles ORDER BY version DESC LIMIT 1;
        IF last.sequence = given_sequence AND last.revision = given_revision THEN
            RETURN 'published';
        END IF;
        IF last.active_from > at THEN
            RETURN 'pending';
        END IF;
        IF NOT policy_engine.admit_bundle(given_sequence, given_built_at_us, given_revision) THEN
            RETURN 'rolled back';
        END IF;
        INSERT INTO policy_engine.bundles
        SELECT coalesce(last.version, 0) + 1, given_revision, given_name, given_sequence, given_built_at_us,
               given_archive, given_by, at, at + c.lease_ms * interval '1 millisecond' FROM policy_engine.channel c;
        RETURN 'published';
    END $$""",
    "GRANT SELECT, INSERT ON policy_engine.bundles TO gridwarden_app",
    "GRANT SELECT ON policy_engine.channel TO gridwarden_app",
    """GRANT UPDATE (newest_sequence, newest_built_at_us, newest_revision) ON policy_engine.channel
       TO gridwarden_app""",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
