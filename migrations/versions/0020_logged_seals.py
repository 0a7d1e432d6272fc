"""The audit row of a sealed file is found by the file's digest."""

from __future__ import annotations

from alembic import op

revision = "0020_logged_seals"
down_revision = "0019_presentations"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the index."""
    op.execute(
        """
        CREATE INDEX ix_audit_log_sealed ON audit_log ((detail ->> 'sealed_sha256')) WHERE action = 'seal.use'
        """
    )


def downgrade() -> None:
    """Remove it."""
    op.execute("DROP INDEX ix_audit_log_sealed")
