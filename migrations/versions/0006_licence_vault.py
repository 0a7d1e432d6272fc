"""Types, licences, versions, states and access receipts."""

from __future__ import annotations

from alembic import op

revision = "0006_licence_vault"
down_revision = "0005_signing"
branch_labels = None
depends_on = None

STATEMENTS: tuple[str, ...] = ()


def upgrade() -> None:
    """Create what the package needs."""
    for statement in STATEMENTS:
        op.execute(statement)
