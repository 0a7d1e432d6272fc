"""Which policy made a person's stored level; the default one has no name."""

from __future__ import annotations

from alembic import op

revision = "0015_level_policy"
down_revision = "0014_witnesses"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column and what finds levels of another policy."""
    op.execute("ALTER TABLE persons ADD COLUMN policy text NOT NULL DEFAULT ''")
    op.execute("CREATE INDEX persons_policy ON persons (policy)")


def downgrade() -> None:
    """Forget it."""
    op.execute("ALTER TABLE persons DROP COLUMN policy")
