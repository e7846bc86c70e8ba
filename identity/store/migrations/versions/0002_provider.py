"""The whole provider: factors, devices, mail, pushed requests, devices codes, registration, provisioning, signals.

Secrets are kept as SHA-256 of 256 random bits, or sealed under a key that is not in the database.
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

PEOPLE = (
    "ALTER TABLE identity.users ALTER COLUMN password_hash DROP NOT NULL",
    "ALTER TABLE identity.users DROP CONSTRAINT users_status_check",
    """ALTER TABLE identity.users ADD CHECK (status IN ('pending', 'active', 'locked')),
        ADD email text, ADD is_email_verified boolean NOT NULL DEFAULT false,
        ADD profile jsonb NOT NULL DEFAULT '{}', ADD external_id text,
        ADD updated_at_us bigint NOT NULL DEFAULT 0, ADD version bigint NOT NULL DEFAULT 1""",
    "CREATE UNIQUE INDEX ON identity.users (email) WHERE is_email_verified",
    "CREATE INDEX ON identity.users (email)",
    "CREATE INDEX ON identity.users (external_id) WHERE external_id IS NOT NULL",
    "CREATE INDEX ON identity.users USING gin (roles)",
    """CREATE TABLE identity.roles (
        id text PRIMARY KEY,
        name text NOT NULL UNIQUE,
        display_name text NOT NULL,
        external_id text,
        is_built_in boolean NOT NULL DEFAULT false,
        created_at_us bigint NOT NULL,
        updated_at_us bigint NOT NULL,
        version bigint NOT NULL DEFAULT 1)""",
    """CREATE TABLE identity.devices (
        id text PRIMARY KEY,
        secret_hash bytea NOT NULL CHECK (length(secret_hash) = 32),
        user_id text NOT NULL REFERENCES identity.users ON DELETE CASCADE,
        user_agent text NOT NULL,
        source_ip text NOT NULL,
        place jsonb,
        created_at_us bigint NOT NULL,
        seen_at_us bigint NOT NULL)""",
    "CREATE INDEX ON identity.devices (user_id, seen_at_us)",
    "CREATE INDEX ON identity.devices (seen_at_us)",
    """ALTER TABLE identity.sessions ADD amr text[] NOT NULL DEFAULT '{pwd}', ADD acr text,
        ADD device_id text REFERENCES identity.devices ON DELETE SET NULL,
        ADD created_at_us bigint NOT NULL DEFAULT 0, ADD seen_at_us bigint NOT NULL DEFAULT 0""",
    """CREATE TABLE identity.login_steps (
        id text PRIMARY KEY,
        secret_hash bytea NOT NULL CHECK (length(secret_hash) = 32),
        user_id text NOT NULL REFERENCES identity.users ON DELETE CASCADE,
        session_id text REFERENCES identity.sessions ON DELETE CASCADE,
        amr text[] NOT NULL,
        why text[] NOT NULL,
        mail_code_hash bytea,
        tries integer NOT NULL DEFAULT 0,
        created_at_us bigint NOT NULL,
        expires_at_us bigint NOT NULL,
        used_at_us bigint)""",
    "CREATE INDEX ON identity.login_steps (expires_at_us)",
    """CREATE TABLE identity.totp_factors (
        id text PRIMARY KEY,
        user_id text NOT NULL REFERENCES identity.users ON DELETE CASCADE,
        name text NOT NULL,
        sealed_secret bytea NOT NULL,
        last_step bigint NOT NULL DEFAULT 0,
        is_confirmed boolean NOT NULL DEFAULT false,
        created_at_us bigint NOT NULL,
        used_at_us bigint)""",
    "CREATE INDEX ON identity.totp_factors (user_id)",
    """CREATE TABLE identity.passkeys (
        id text PRIMARY KEY,
        user_id text NOT NULL REFERENCES identity.users ON DELETE CASCADE,
        name text NOT NULL,
        credential_id bytea NOT NULL UNIQUE,
        public_key bytea NOT NULL,
        sign_count bigint NOT NULL,
        transports text[] NOT NULL DEFAULT '{}',
        aaguid text NOT NULL,
        is_backup_eligible boolean NOT NULL DEFAULT false,
        is_backed_up boolean NOT NULL DEFAULT false,
        created_at_us bigint NOT NULL,
        used_at_us bigint)""",
    "CREATE INDEX ON identity.passkeys (user_id)",
    """CREATE TABLE identity.recovery_codes (
        user_id text NOT NULL REFERENCES identity.users ON DELETE CASCADE,
        code_hash bytea NOT NULL,
        created_at_us bigint NOT NULL,
        used_at_us bigint,
        PRIMARY KEY (user_id, code_hash))""",
    """CREATE TABLE identity.mail_links (
        id text PRIMARY KEY,
        secret_hash bytea NOT NULL CHECK (length(secret_hash) = 32),
        user_id text NOT NULL REFERENCES identity.users ON DELETE CASCADE,
        purpose text NOT NULL,
        email text NOT NULL,
        expires_at_us bigint NOT NULL,
        used_at_us bigint)""",
    "CREATE INDEX ON identity.mail_links (expires_at_us)",
    """CREATE TABLE identity.mails (
        id text PRIMARY KEY,
        user_id text REFERENCES identity.users ON DELETE CASCADE,
        recipient text NOT NULL,
        template text NOT NULL,
        language text NOT NULL,
        fields jsonb NOT NULL,
        created_at_us bigint NOT NULL,
        due_at_us bigint NOT NULL,
        tries integer NOT NULL DEFAULT 0,
        last_error text,
        sent_at_us bigint,
        given_up_at_us bigint)""",
    "CREATE INDEX ON identity.mails (due_at_us) WHERE sent_at_us IS NULL AND given_up_at_us IS NULL",
    "CREATE INDEX ON identity.mails (recipient, created_at_us)",
    """CREATE TABLE identity.tries (
        id text PRIMARY KEY,
        kind text NOT NULL,
        whose text NOT NULL,
        at_us bigint NOT NULL)""",
    "CREATE INDEX ON identity.tries (kind, whose, at_us)",
    "CREATE INDEX ON identity.tries (at_us)",
)

PROTOCOL = (
    """ALTER TABLE identity.clients ADD settings jsonb NOT NULL DEFAULT '{}',
        ADD registration_token_hash bytea CHECK (length(registration_token_hash) = 32),
        ADD updated_at_us bigint NOT NULL DEFAULT 0""",
    """CREATE TABLE identity.initial_access_tokens (
        id text PRIMARY KEY,
        secret_hash bytea NOT NULL CHECK (length(secret_hash) = 32),
        created_by text NOT NULL,
        limits jsonb NOT NULL DEFAULT '{}',
        uses_left integer NOT NULL,
        created_at_us bigint NOT NULL,
        expires_at_us bigint NOT NULL)""",
    "ALTER TABLE identity.grants DROP CONSTRAINT grants_check",
    """ALTER TABLE identity.grants ADD terms jsonb NOT NULL DEFAULT '{}',
        ADD parent_id text REFERENCES identity.grants ON DELETE CASCADE""",
    "CREATE INDEX ON identity.grants (parent_id) WHERE parent_id IS NOT NULL",
    """ALTER TABLE identity.codes ALTER COLUMN code_challenge DROP NOT NULL, ADD jkt text""",
    "ALTER TABLE identity.refresh_tokens ADD jkt text, ADD certificate text",
    """CREATE TABLE identity.pushed_requests (
        id text PRIMARY KEY,
        secret_hash bytea NOT NULL CHECK (length(secret_hash) = 32),
        client_id text NOT NULL REFERENCES identity.clients ON DELETE CASCADE,
        parameters jsonb NOT NULL,
        expires_at_us bigint NOT NULL,
        used_at_us bigint)""",
    "CREATE INDEX ON identity.pushed_requests (expires_at_us)",
    """CREATE TABLE identity.seen_proofs (
        kind text NOT NULL,
        digest bytea NOT NULL,
        expires_at_us bigint NOT NULL,
        PRIMARY KEY (kind, digest))""",
    "CREATE INDEX ON identity.seen_proofs (expires_at_us)",
    """CREATE TABLE identity.device_codes (
        id text PRIMARY KEY,
        secret_hash bytea NOT NULL CHECK (length(secret_hash) = 32),
        user_code text NOT NULL UNIQUE,
        client_id text NOT NULL REFERENCES identity.clients ON DELETE CASCADE,
        scopes text[] NOT NULL,
        terms jsonb NOT NULL DEFAULT '{}',
        status text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'allowed', 'denied', 'used')),
        grant_id text REFERENCES identity.grants ON DELETE CASCADE,
        interval_s integer NOT NULL,
        polled_at_us bigint,
        created_at_us bigint NOT NULL,
        expires_at_us bigint NOT NULL)""",
    "CREATE INDEX ON identity.device_codes (expires_at_us)",
    "CREATE INDEX ON identity.device_codes (grant_id) WHERE grant_id IS NOT NULL",
    """CREATE TABLE identity.device_attempts (
        id text PRIMARY KEY,
        session_id text NOT NULL,
        address text NOT NULL,
        at_us bigint NOT NULL)""",
    "CREATE INDEX ON identity.device_attempts (session_id, at_us)",
    "CREATE INDEX ON identity.device_attempts (address, at_us)",
    "CREATE INDEX ON identity.device_attempts (at_us)",
    """CREATE TABLE identity.logout_deliveries (
        id text PRIMARY KEY,
        client_id text NOT NULL REFERENCES identity.clients ON DELETE CASCADE,
        user_id text NOT NULL,
        session_id text,
        uri text NOT NULL,
        created_at_us bigint NOT NULL,
        due_at_us bigint NOT NULL,
        tries integer NOT NULL DEFAULT 0,
        last_error text)""",
    "CREATE INDEX ON identity.logout_deliveries (due_at_us)",
)

SIGNALS = (
    """CREATE TABLE identity.signal_streams (
        id text PRIMARY KEY,
        client_id text NOT NULL REFERENCES identity.clients ON DELETE CASCADE,
        audience text[] NOT NULL,
        settings jsonb NOT NULL,
        status text NOT NULL DEFAULT 'enabled' CHECK (status IN ('enabled', 'paused', 'disabled')),
        status_reason text,
        created_at_us bigint NOT NULL,
        updated_at_us bigint NOT NULL,
        seen_at_us bigint NOT NULL,
        verified_at_us bigint)""",
    "CREATE UNIQUE INDEX ON identity.signal_streams (client_id)",
    """CREATE TABLE identity.signal_subjects (
        stream_id text NOT NULL REFERENCES identity.signal_streams ON DELETE CASCADE,
        digest bytea NOT NULL,
        subject jsonb NOT NULL,
        is_removed boolean NOT NULL DEFAULT false,
        created_at_us bigint NOT NULL,
        PRIMARY KEY (stream_id, digest))""",
    """CREATE TABLE identity.signal_events (
        id text PRIMARY KEY,
        stream_id text NOT NULL REFERENCES identity.signal_streams ON DELETE CASCADE,
        payload jsonb NOT NULL,
        created_at_us bigint NOT NULL,
        due_at_us bigint NOT NULL,
        tries integer NOT NULL DEFAULT 0,
        last_error text)""",
    "CREATE INDEX ON identity.signal_events (stream_id, created_at_us)",
    "CREATE INDEX ON identity.signal_events (due_at_us)",
    "CREATE INDEX ON identity.signal_events (created_at_us)",
)

GRANT = """GRANT SELECT, INSERT, UPDATE, DELETE ON identity.roles, identity.devices, identity.login_steps,
    identity.totp_factors, identity.passkeys, identity.recovery_codes,
    identity.mail_links, identity.mails, identity.tries, identity.initial_access_tokens, identity.pushed_requests,
    identity.seen_proofs, identity.device_codes, identity.device_attempts, identity.logout_deliveries,
    identity.signal_streams, identity.signal_subjects, identity.signal_events TO gridwarden_app"""


def upgrade() -> None:
    """Grow the schema; rows of the first version stay and mean the same."""
    for statement in (*PEOPLE, *PROTOCOL, *SIGNALS, GRANT):
        op.execute(statement)
