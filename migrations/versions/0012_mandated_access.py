"""Access receipts and shows name the mandate they rest on."""

from __future__ import annotations

from alembic import op

revision = "0012_mandated_access"
down_revision = "0011_verification_batches"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; what was read before rested on no mandate."""
    op.execute("ALTER TABLE licence_accesses ADD COLUMN mandate_id text")
    op.execute("ALTER TABLE licence_shows ADD COLUMN mandate_id text")


def downgrade() -> None:
    """Forget which mandates were used; the register of uses keeps them."""
    op.execute("ALTER TABLE licence_shows DROP COLUMN mandate_id")
    op.execute("ALTER TABLE licence_accesses DROP COLUMN mandate_id")
