"""Keys, certificates, revocations and timestamps."""

from __future__ import annotations

from alembic import op

revision = "0002_keys"
down_revision = "0001_foundation"
branch_labels = None
depends_on = None

STATEMENTS: tuple[str, ...] = ()


def upgrade() -> None:
    """Create what the package needs."""
    for statement in STATEMENTS:
        op.execute(statement)
