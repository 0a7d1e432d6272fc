"""Who confirmed a seal's use, whom the signer believes, and which proofs were spent."""

from __future__ import annotations

from alembic import op

revision = "0013_seal_proofs"
down_revision = "0012_mandated_access"
branch_labels = None
depends_on = None

STATEMENTS: tuple[str, ...] = (
    """
    CREATE TABLE seal_proofs (
        intention_id text PRIMARY KEY,
        kind text NOT NULL,
        proof text NOT NULL
    )
    """,
    """
    CREATE TABLE seal_confirmers (
        confirmer_id text PRIMARY KEY,
        kind text NOT NULL CHECK (kind IN ('passkey', 'client', 'recorded')),
        subject text NOT NULL,
        organisation_code text NOT NULL,
        sealed bytea NOT NULL,
        pinned_at timestamptz NOT NULL
    )
    """,
    """
    CREATE TABLE used_seal_proofs (
        proof_hash bytea PRIMARY KEY,
        digest bytea NOT NULL,
        used_at timestamptz NOT NULL
    )
    """,
    "CREATE INDEX ix_used_seal_proofs_used_at ON used_seal_proofs (used_at)",
)


def upgrade() -> None:
    """Create the tables."""
    for statement in STATEMENTS:
        op.execute(statement)
