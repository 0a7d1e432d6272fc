"""Clients, grants and tokens."""

from __future__ import annotations

from alembic import op

revision = "0004_idp_oauth"
down_revision = "0003_idp_people"
branch_labels = None
depends_on = None

STATEMENTS: tuple[str, ...] = (
    """
    CREATE TABLE oauth_clients (
        client_id text PRIMARY KEY,
        client_name text NOT NULL,
        organisation_code text NOT NULL,
        status text NOT NULL,
        authentication text NOT NULL,
        redirect_uris jsonb NOT NULL,
        scopes jsonb NOT NULL,
        grant_types jsonb NOT NULL,
        sector_identifier text NOT NULL,
        pre_approved boolean NOT NULL,
        id_token_algorithm text NOT NULL,
        jwks jsonb NULL,
        secret_hash bytea NULL CHECK (octet_length(secret_hash) = 32),
        previous_secret_hash bytea NULL,
        previous_secret_expires_at timestamptz NULL,
        metadata jsonb NOT NULL DEFAULT '{}'::jsonb,
        management_token_hash bytea NULL CHECK (octet_length(management_token_hash) = 32),
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL
    )
    """,
    "CREATE INDEX ix_oauth_clients_organisation_code ON oauth_clients (organisation_code)",
    """
    CREATE TABLE oauth_grants (
        grant_id text PRIMARY KEY,
        client_id text NOT NULL REFERENCES oauth_clients,
        account_id text NOT NULL,
        subject_kind text NOT NULL,
        actor_id text NULL,
        session_id text NULL,
        scope text NOT NULL,
        redirect_uri text NULL,
        nonce text NULL,
        code_challenge text NULL,
        code_hash bytea NULL UNIQUE CHECK (octet_length(code_hash) = 32),
        code_expires_at timestamptz NULL,
        code_consumed_at timestamptz NULL,
        auth_time timestamptz NOT NULL,
        acr text NOT NULL,
        amr jsonb NOT NULL,
        claims jsonb NULL,
        code_jkt text NULL,
        confirmation jsonb NULL,
        created_at timestamptz NOT NULL,
        expires_at timestamptz NOT NULL,
        revoked_at timestamptz NULL
    )
    """,
    "CREATE INDEX ix_oauth_grants_account_id ON oauth_grants (account_id, client_id)",
    "CREATE INDEX ix_oauth_grants_session_id ON oauth_grants (session_id)",
    "CREATE INDEX ix_oauth_grants_revoked_at ON oauth_grants (revoked_at) WHERE revoked_at IS NOT NULL",
    "CREATE INDEX ix_oauth_grants_expires_at ON oauth_grants (expires_at)",
    """
    CREATE TABLE oauth_pushed_requests (
        request_hash bytea PRIMARY KEY CHECK (octet_length(request_hash) = 32),
        client_id text NOT NULL REFERENCES oauth_clients,
        parameters bytea NOT NULL,
        expires_at timestamptz NOT NULL,
        consumed_at timestamptz NULL
    )
    """,
    "CREATE INDEX ix_oauth_pushed_requests_expires_at ON oauth_pushed_requests (expires_at)",
    """
    CREATE TABLE oauth_waiting (
        request_hash bytea PRIMARY KEY CHECK (octet_length(request_hash) = 32),
        question_id text NOT NULL UNIQUE,
        kind text NOT NULL,
        client_id text NOT NULL REFERENCES oauth_clients,
        user_code_hash bytea NULL UNIQUE,
        scope text NOT NULL,
        account_id text NULL,
        state text NOT NULL,
        grant_id text NULL,
        acr text NULL,
        binding_message text NULL,
        notification_token bytea NULL,
        created_at timestamptz NOT NULL,
        expires_at timestamptz NOT NULL,
        last_polled_at timestamptz NULL,
        interval_seconds integer NOT NULL
    )
    """,
    "CREATE INDEX ix_oauth_waiting_account_id ON oauth_waiting (account_id)",
    "CREATE INDEX ix_oauth_waiting_expires_at ON oauth_waiting (expires_at)",
    """
    CREATE TABLE oauth_refresh_tokens (
        token_hash bytea PRIMARY KEY CHECK (octet_length(token_hash) = 32),
        grant_id text NOT NULL REFERENCES oauth_grants ON DELETE CASCADE,
        generation integer NOT NULL,
        created_at timestamptz NOT NULL,
        expires_at timestamptz NOT NULL,
        consumed_at timestamptz NULL
    )
    """,
    "CREATE INDEX ix_oauth_refresh_tokens_grant_id ON oauth_refresh_tokens (grant_id)",
    """
    CREATE TABLE oauth_consents (
        account_id text NOT NULL,
        client_id text NOT NULL REFERENCES oauth_clients,
        scopes jsonb NOT NULL,
        given_at timestamptz NOT NULL,
        PRIMARY KEY (account_id, client_id)
    )
    """,
    """
    CREATE TABLE oauth_used_tokens (
        token_hash bytea PRIMARY KEY CHECK (octet_length(token_hash) = 32),
        expires_at timestamptz NOT NULL
    )
    """,
    "CREATE INDEX ix_oauth_used_tokens_expires_at ON oauth_used_tokens (expires_at)",
    """
    CREATE TABLE oauth_revocations (
        revoked_id text PRIMARY KEY,
        revoked_at timestamptz NOT NULL,
        expires_at timestamptz NOT NULL
    )
    """,
    "CREATE INDEX ix_oauth_revocations_revoked_at ON oauth_revocations (revoked_at)",
    """
    CREATE TABLE oauth_initial_tokens (
        token_hash bytea PRIMARY KEY CHECK (octet_length(token_hash) = 32),
        organisation_code text NOT NULL,
        uses_left integer NOT NULL CHECK (uses_left >= 0),
        created_at timestamptz NOT NULL,
        expires_at timestamptz NOT NULL
    )
    """,
    """
    CREATE TABLE oauth_secrets (
        name text PRIMARY KEY,
        value bytea NOT NULL
    )
    """,
)


def upgrade() -> None:
    """Create what the package needs."""
    for statement in STATEMENTS:
        op.execute(statement)
