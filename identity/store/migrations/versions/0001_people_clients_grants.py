"""People, clients, browser sessions and grants; codes and refresh tokens hang below their grant and fall with it."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

STATEMENTS = (
    """CREATE TABLE identity.users (
        id text PRIMARY KEY,
        name text NOT NULL UNIQUE,
        password_hash text NOT NULL,
        status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'locked')),
        locked_reason text,
        roles text[] NOT NULL DEFAULT '{}',
        created_at_us bigint NOT NULL)""",
    """CREATE TABLE identity.clients (
        id text PRIMARY KEY,
        name text NOT NULL,
        secret_hash bytea CHECK (length(secret_hash) = 32),
        first_party boolean NOT NULL DEFAULT false,
        redirect_uris text[] NOT NULL DEFAULT '{}',
        post_logout_redirect_uris text[] NOT NULL DEFAULT '{}',
        grant_types text[] NOT NULL,
        scopes text[] NOT NULL,
        roles text[] NOT NULL DEFAULT '{}',
        created_at_us bigint NOT NULL)""",
    """CREATE TABLE identity.sessions (
        id text PRIMARY KEY,
        secret_hash bytea NOT NULL CHECK (length(secret_hash) = 32),
        user_id text NOT NULL REFERENCES identity.users ON DELETE CASCADE,
        authenticated_at_us bigint NOT NULL,
        expires_at_us bigint NOT NULL,
        ended_at_us bigint,
        source_ip text NOT NULL,
        user_agent text NOT NULL)""",
    "CREATE INDEX ON identity.sessions (user_id)",
    "CREATE INDEX ON identity.sessions (expires_at_us)",
    """CREATE TABLE identity.grants (
        id text PRIMARY KEY,
        client_id text NOT NULL REFERENCES identity.clients ON DELETE CASCADE,
        user_id text REFERENCES identity.users ON DELETE CASCADE,
        session_id text REFERENCES identity.sessions ON DELETE CASCADE,
        scopes text[] NOT NULL,
        created_at_us bigint NOT NULL,
        expires_at_us bigint NOT NULL,
        revoked_at_us bigint,
        revoked_reason text,
        CHECK ((user_id IS NULL) = (session_id IS NULL)))""",
    "CREATE INDEX ON identity.grants (user_id) WHERE user_id IS NOT NULL",
    "CREATE INDEX ON identity.grants (session_id) WHERE session_id IS NOT NULL",
    "CREATE INDEX ON identity.grants (client_id)",
    "CREATE INDEX ON identity.grants (expires_at_us)",
    """CREATE TABLE identity.codes (
        id text PRIMARY KEY,
        secret_hash bytea NOT NULL CHECK (length(secret_hash) = 32),
        grant_id text NOT NULL REFERENCES identity.grants ON DELETE CASCADE,
        redirect_uri text NOT NULL,
        code_challenge text NOT NULL,
        nonce text,
        expires_at_us bigint NOT NULL,
        used_at_us bigint)""",
    "CREATE INDEX ON identity.codes (grant_id)",
    """CREATE TABLE identity.refresh_tokens (
        id text PRIMARY KEY,
        secret_hash bytea NOT NULL CHECK (length(secret_hash) = 32),
        grant_id text NOT NULL REFERENCES identity.grants ON DELETE CASCADE,
        scopes text[] NOT NULL,
        expires_at_us bigint NOT NULL,
        used_at_us bigint,
        reused_at_us bigint)""",
    "CREATE INDEX ON identity.refresh_tokens (grant_id)",
    """CREATE TABLE identity.consents (
        user_id text NOT NULL REFERENCES identity.users ON DELETE CASCADE,
        client_id text NOT NULL REFERENCES identity.clients ON DELETE CASCADE,
        scopes text[] NOT NULL,
        granted_at_us bigint NOT NULL,
        PRIMARY KEY (user_id, client_id))""",
    """CREATE TABLE identity.login_attempts (
        id text PRIMARY KEY,
        address text NOT NULL,
        account bytea NOT NULL,
        at_us bigint NOT NULL)""",
    "CREATE INDEX ON identity.login_attempts (address, account, at_us)",
    "CREATE INDEX ON identity.login_attempts (at_us)",
    "GRANT USAGE ON SCHEMA identity TO gridwarden_app",
    """GRANT SELECT, INSERT, UPDATE, DELETE ON identity.users, identity.clients, identity.sessions, identity.grants,
        identity.codes, identity.refresh_tokens, identity.consents, identity.login_attempts TO gridwarden_app""",
)


def upgrade() -> None:
    """Create the tables and let the application read and write rows, never definitions."""
    for statement in STATEMENTS:
        op.execute(statement)
