"""A kept status list says of when it is, so that no older one takes its place."""

from __future__ import annotations

from alembic import op

revision = "0023_neighbour_list_dates"
down_revision = "0022_neighbour_lists"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; of lists from before any other is newer."""
    op.execute("ALTER TABLE verification_neighbour_lists ADD COLUMN issued_at timestamptz NOT NULL DEFAULT 'epoch'")


def downgrade() -> None:
    """Remove it."""
    op.execute("ALTER TABLE verification_neighbour_lists DROP COLUMN issued_at")
