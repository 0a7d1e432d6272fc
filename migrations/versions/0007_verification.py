"""Receipts, status lists and the transparency log."""

from __future__ import annotations

from alembic import op

revision = "0007_verification"
down_revision = "0006_licence_vault"
branch_labels = None
depends_on = None

STATEMENTS: tuple[str, ...] = ()


def upgrade() -> None:
    """Create what the package needs."""
    for statement in STATEMENTS:
        op.execute(statement)
