"""The use of a seal is granted by two: who approved a grant, and when."""

from __future__ import annotations

from alembic import op

revision = "0016_seal_grants"
down_revision = "0015_level_policy"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; what was granted before stays in force."""
    op.execute("ALTER TABLE seal_grants ADD COLUMN approved_by text, ADD COLUMN approved_at timestamptz")
    op.execute("UPDATE seal_grants SET approved_by = granted_by, approved_at = granted_at")


def downgrade() -> None:
    """Withdraw what waits still, and forget who approved."""
    op.execute("UPDATE seal_grants SET revoked_by = granted_by, revoked_at = now() WHERE approved_at IS NULL")
    op.execute("ALTER TABLE seal_grants DROP COLUMN approved_by, DROP COLUMN approved_at")
