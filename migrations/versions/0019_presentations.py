"""Presentations from wallets: trusted issuers, who may ask for what, requests under way."""

from __future__ import annotations

from alembic import op

revision = "0019_presentations"
down_revision = "0018_judged_faces"
branch_labels = None
depends_on = None

STATEMENTS: tuple[str, ...] = (
    """
    CREATE TABLE presentation_issuers (
        issuer_id text PRIMARY KEY,
        name text NOT NULL,
        kind text NOT NULL CHECK (kind IN ('jwks', 'anchors', 'trust_list')),
        issuer text NOT NULL,
        organisation_code text NOT NULL,
        vct_values jsonb NOT NULL,
        jwks jsonb NULL,
        anchors_pem text NULL,
        status_required boolean NOT NULL,
        added_by text NOT NULL,
        added_at timestamptz NOT NULL,
        withdrawn_at timestamptz NULL,
        CHECK ((kind = 'jwks') = (jwks IS NOT NULL) AND (kind = 'anchors') = (anchors_pem IS NOT NULL))
    )
    """,
    """
    CREATE TABLE presentation_permissions (
        permission_id text PRIMARY KEY,
        organisation_code text NOT NULL,
        client_id text NOT NULL,
        vct text NOT NULL,
        title text NOT NULL,
        claims jsonb NOT NULL,
        return_uris jsonb NOT NULL,
        granted_by text NOT NULL,
        granted_at timestamptz NOT NULL,
        withdrawn_at timestamptz NULL
    )
    """,
    """
    CREATE INDEX ix_presentation_permissions_organisation
    ON presentation_permissions (organisation_code, client_id)
    """,
    """
    CREATE TABLE presentation_transactions (
        transaction_id text PRIMARY KEY,
        handle_hash bytea NOT NULL UNIQUE,
        owner text NOT NULL,
        asked_by text NOT NULL,
        organisation_code text NOT NULL,
        channel text NOT NULL,
        purpose text NOT NULL,
        client_id text NOT NULL,
        response_mode text NOT NULL,
        return_uri text NOT NULL,
        query jsonb NOT NULL,
        secrets bytea NULL,
        state text NOT NULL
            CHECK (state IN ('waiting', 'judging', 'answered', 'declined', 'collected', 'cancelled')),
        fetches integer NOT NULL DEFAULT 0,
        verdict text NULL,
        result bytea NULL,
        response_code_hash bytea NULL,
        created_at timestamptz NOT NULL,
        expires_at timestamptz NOT NULL,
        CHECK ((state = 'waiting') = (secrets IS NOT NULL) AND (state = 'answered') = (result IS NOT NULL))
    )
    """,
    "CREATE INDEX ix_presentation_transactions_expires_at ON presentation_transactions (expires_at)",
)


def upgrade() -> None:
    """Create what the package needs."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Drop it again."""
    op.execute("DROP TABLE presentation_transactions")
    op.execute("DROP TABLE presentation_permissions")
    op.execute("DROP TABLE presentation_issuers")
