"""Status lists of trusted cities, kept for offline packs."""

from __future__ import annotations

from alembic import op

revision = "0022_neighbour_lists"
down_revision = "0021_posts_in_history"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table; what it held is fetched again after a loss."""
    op.execute(
        """
        CREATE TABLE verification_neighbour_lists (
            service_id text NOT NULL,
            status_list integer NOT NULL,
            etag text NOT NULL,
            fetched_at timestamptz NOT NULL,
            cwt bytea NOT NULL,
            PRIMARY KEY (service_id, status_list)
        )
        """
    )


def downgrade() -> None:
    """Remove it."""
    op.execute("DROP TABLE verification_neighbour_lists")
