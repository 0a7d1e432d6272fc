"""Seals, their use and sealed documents."""

from __future__ import annotations

from alembic import op

revision = "0005_signing"
down_revision = "0004_idp_oauth"
branch_labels = None
depends_on = None

STATEMENTS: tuple[str, ...] = ()


def upgrade() -> None:
    """Create what the package needs."""
    for statement in STATEMENTS:
        op.execute(statement)
