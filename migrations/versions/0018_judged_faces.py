"""Licence faces of which one sealed document has passed the full gate."""

from __future__ import annotations

from alembic import op

revision = "0018_judged_faces"
down_revision = "0017_posts"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table; every face in use is judged once more."""
    op.execute(
        """
        CREATE TABLE judged_faces (
            face text PRIMARY KEY,
            intention_id text NOT NULL REFERENCES seal_intentions (intention_id),
            judged_at timestamptz NOT NULL
        )
        """
    )


def downgrade() -> None:
    """Remove it."""
    op.execute("DROP TABLE judged_faces")
