"""Tokens bound to one act, delegated tokens, department requests, sign-in by other providers."""

from __future__ import annotations

from alembic import op

revision = "0008_oauth_acts"
down_revision = "0007_verification"
branch_labels = None
depends_on = None

STATEMENTS: tuple[str, ...] = (
    """
    ALTER TABLE oauth_grants
        ADD COLUMN resource text NULL,
        ADD COLUMN authorization_details jsonb NULL,
        ADD COLUMN details_used_at timestamptz NULL,
        ADD COLUMN actors jsonb NULL,
        ADD COLUMN mandate_id text NULL
    """,
    """
    ALTER TABLE oauth_waiting
        ADD COLUMN resource text NULL,
        ADD COLUMN authorization_details jsonb NULL
    """,
    """
    CREATE TABLE oauth_client_requests (
        request_id text PRIMARY KEY,
        client_id text NULL,
        organisation_code text NOT NULL,
        registration jsonb NOT NULL,
        state text NOT NULL CHECK (state IN ('open', 'approved', 'rejected', 'withdrawn')),
        requested_by text NOT NULL,
        requested_at timestamptz NOT NULL,
        decided_by text NULL,
        decided_at timestamptz NULL,
        reason text NOT NULL DEFAULT '',
        CHECK (state <> 'approved' OR decided_by <> requested_by)
    )
    """,
    "CREATE INDEX ix_oauth_client_requests_organisation_code ON oauth_client_requests (organisation_code)",
    """
    CREATE UNIQUE INDEX ux_oauth_client_requests_open ON oauth_client_requests (client_id)
        WHERE state = 'open' AND client_id IS NOT NULL
    """,
    """
    CREATE TABLE oauth_upstream_links (
        source text NOT NULL,
        subject_index bytea NOT NULL CHECK (octet_length(subject_index) = 32),
        account_id text NOT NULL,
        linked_at timestamptz NOT NULL,
        PRIMARY KEY (source, subject_index)
    )
    """,
    "CREATE INDEX ix_oauth_upstream_links_account_id ON oauth_upstream_links (account_id)",
)


def upgrade() -> None:
    """Create what the package needs."""
    for statement in STATEMENTS:
        op.execute(statement)
