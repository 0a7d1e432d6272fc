"""A line of the sign-in history names its session, and so the post it acted in."""

from __future__ import annotations

from alembic import op

revision = "0021_posts_in_history"
down_revision = "0020_logged_seals"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; lines from before name none."""
    op.execute("ALTER TABLE sign_in_attempts ADD COLUMN session_id text NULL")
    op.execute("CREATE INDEX ix_sign_in_attempts_session_id ON sign_in_attempts (session_id)")


def downgrade() -> None:
    """Remove it."""
    op.execute("ALTER TABLE sign_in_attempts DROP COLUMN session_id")
