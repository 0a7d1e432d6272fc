"""Published status lists, the transparency log, other cities' trust lists."""

from __future__ import annotations

from alembic import op

revision = "0007_verification"
down_revision = "0006_licence_vault"
branch_labels = None
depends_on = None

STATEMENTS: tuple[str, ...] = (
    """
    CREATE TABLE verification_status_lists (
        status_list integer PRIMARY KEY,
        content_sha256 bytea NOT NULL CHECK (octet_length(content_sha256) = 32),
        entries bigint NOT NULL,
        issued_at timestamptz NOT NULL,
        expires_at timestamptz NOT NULL,
        jwt text NOT NULL,
        cwt bytea NOT NULL
    )
    """,
    """
    CREATE TABLE transparency_leaves (
        leaf_index bigint PRIMARY KEY,
        audit_id bigint NOT NULL UNIQUE,
        commitment bytea NOT NULL CHECK (octet_length(commitment) = 32)
    )
    """,
    """
    CREATE TRIGGER transparency_leaves_append_only BEFORE UPDATE OR DELETE ON transparency_leaves
    FOR EACH ROW EXECUTE FUNCTION refuse_change()
    """,
    "CREATE INDEX ix_audit_log_transaction ON audit_log (transaction_id, audit_id)",
    """
    CREATE TABLE transparency_tiles (
        level integer NOT NULL,
        tile_index bigint NOT NULL,
        hashes bytea NOT NULL CHECK (octet_length(hashes) % 32 = 0 AND octet_length(hashes) <= 8192),
        PRIMARY KEY (level, tile_index)
    )
    """,
    """
    CREATE TABLE transparency_checkpoints (
        tree_size bigint PRIMARY KEY,
        root_hash bytea NOT NULL CHECK (octet_length(root_hash) = 32),
        note text NOT NULL,
        signed_at timestamptz NOT NULL
    )
    """,
    """
    CREATE TRIGGER transparency_checkpoints_append_only BEFORE UPDATE OR DELETE ON transparency_checkpoints
    FOR EACH ROW EXECUTE FUNCTION refuse_change()
    """,
    """
    CREATE TABLE verification_trust_lists (
        service_id text PRIMARY KEY,
        sequence bigint NOT NULL,
        pinned_key_sha256 bytea NOT NULL CHECK (octet_length(pinned_key_sha256) = 32),
        document text NOT NULL,
        issued_at timestamptz NOT NULL,
        expires_at timestamptz NOT NULL,
        imported_at timestamptz NOT NULL,
        withdrawn_at timestamptz NULL
    )
    """,
)


def upgrade() -> None:
    """Create what the package needs."""
    for statement in STATEMENTS:
        op.execute(statement)
