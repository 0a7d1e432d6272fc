"""Clients, grants and tokens."""

from __future__ import annotations

from alembic import op

revision = "0004_idp_oauth"
down_revision = "0003_idp_people"
branch_labels = None
depends_on = None

STATEMENTS: tuple[str, ...] = ()


def upgrade() -> None:
    """Create what the package needs."""
    for statement in STATEMENTS:
        op.execute(statement)
