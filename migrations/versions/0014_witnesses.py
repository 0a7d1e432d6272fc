"""Cosignatures of the transparency log, the logs we witness, and how far the status lists have looked."""

from __future__ import annotations

from alembic import op

revision = "0014_witnesses"
down_revision = "0013_seal_proofs"
branch_labels = None
depends_on = None

STATEMENTS: tuple[str, ...] = (
    """
    CREATE TABLE transparency_cosignatures (
        tree_size bigint NOT NULL REFERENCES transparency_checkpoints,
        witness text NOT NULL,
        line text NOT NULL,
        signed_at timestamptz NOT NULL,
        PRIMARY KEY (tree_size, witness)
    )
    """,
    """
    CREATE TRIGGER transparency_cosignatures_append_only BEFORE UPDATE OR DELETE ON transparency_cosignatures
    FOR EACH ROW EXECUTE FUNCTION refuse_change()
    """,
    # A witness never goes back: the database itself refuses a smaller tree.
    """
    CREATE TABLE witnessed_logs (
        origin text PRIMARY KEY,
        tree_size bigint NOT NULL CHECK (tree_size >= 0),
        root_hash bytea NOT NULL CHECK (octet_length(root_hash) = 32),
        note text NOT NULL,
        cosigned_at timestamptz NOT NULL
    )
    """,
    """
    CREATE TABLE verification_status_looks (
        "only" boolean PRIMARY KEY DEFAULT true CHECK ("only"),
        looked_at timestamptz NOT NULL
    )
    """,
)


def upgrade() -> None:
    """Create what the package needs."""
    for statement in STATEMENTS:
        op.execute(statement)
