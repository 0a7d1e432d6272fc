"""Batches of identifiers and codes to verify."""

from __future__ import annotations

from alembic import op

revision = "0011_verification_batches"
down_revision = "0010_closing_codes"
branch_labels = None
depends_on = None

STATEMENTS: tuple[str, ...] = (
    """
    CREATE TABLE verification_batches (
        batch_id text PRIMARY KEY,
        owner text NOT NULL,
        requested_by text NOT NULL,
        organisation_code text NULL,
        channel text NOT NULL,
        total integer NOT NULL CHECK (total BETWEEN 1 AND 10000),
        created_at timestamptz NOT NULL,
        expires_at timestamptz NOT NULL
    )
    """,
    "CREATE INDEX ix_verification_batches_owner ON verification_batches (owner)",
    "CREATE INDEX ix_verification_batches_expires_at ON verification_batches (expires_at)",
    """
    CREATE TABLE verification_batch_rows (
        batch_id text NOT NULL REFERENCES verification_batches,
        number integer NOT NULL,
        row bytea NULL,
        state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'done', 'failed')),
        verdict text NULL,
        result bytea NULL,
        PRIMARY KEY (batch_id, number),
        CHECK ((state = 'waiting') = (row IS NOT NULL) AND (state = 'waiting') = (result IS NULL))
    )
    """,
)


def upgrade() -> None:
    """Create what the package needs."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Drop it again."""
    op.execute("DROP TABLE verification_batch_rows")
    op.execute("DROP TABLE verification_batches")
